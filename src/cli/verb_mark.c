/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/data_dir.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "store/edit.h"

enum { OUTPUT_MAX = 4 << 20, INCIDENTS_SHOWN = 20 };

static const struct option long_options[] = {
    {"incident", required_argument, NULL, 'i'}, {"from", required_argument, NULL, 'f'},
    {"to", required_argument, NULL, 't'},       {"as", required_argument, NULL, 'a'},
    {"accept", no_argument, NULL, 'c'},         {"instance", required_argument, NULL, 'n'},
    {"list", no_argument, NULL, 'l'},           {"delete", required_argument, NULL, 'x'},
    {"data-dir", required_argument, NULL, 'd'}, {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
};

struct mark_options {
    const char *incident, *from, *to, *as, *instance, *remove, *data_dir;
    bool list, accept, as_json;
};

/* -- the list -- */

struct listing {
    struct buf *out;
    json_t *marks, *incidents;
    size_t n_marks, n_incidents;
};

static bool list_mark(void *arg, const struct store_mark *m)
{
    struct listing *l = arg;
    char from[STR_RFC3339_MAX], to[STR_RFC3339_MAX];

    str_from_rfc3339_ms(m->start_ms, from);
    str_from_rfc3339_ms(m->end_ms, to);
    if (l->n_marks++ == 0)
        buf_printf(l->out, "%6s  %-11s  %8s  %-24s  %-24s  %s\n", "mark", "as", "incident", "from",
                   "to", "instance");
    buf_printf(l->out, "%6" PRId64 "  %-11s  ", m->id, store_mark_kind_name(m->kind));
    if (m->incident)
        buf_printf(l->out, "%8" PRId64, m->incident);
    else
        buf_printf(l->out, "%8s", "-");
    buf_printf(l->out, "  %-24s  %-24s  %s\n", from, to, m->instance[0] ? m->instance : "all");
    (void)json_array_append_new(
        l->marks, json_pack("{s:I, s:s, s:o, s:I, s:I, s:I, s:o}", "id", (json_int_t)m->id, "as",
                            store_mark_kind_name(m->kind), "incident",
                            m->incident ? json_integer(m->incident) : json_null(), "from_ms",
                            (json_int_t)m->start_ms, "to_ms", (json_int_t)m->end_ms, "made_ms",
                            (json_int_t)m->made_ms, "instance",
                            m->instance[0] ? json_string(m->instance) : json_null()));
    return true;
}

/* What somebody who marks wants to tell apart. */
static const char *kind_of(const struct store_incident *in)
{
    return in->kind == INCIDENT_SLOW      ? "slow"
           : in->maintenance              ? "maintenance"
           : in->tier == INCIDENT_OBSERVE ? "observed"
                                          : "page";
}

static bool list_incident(void *arg, const struct store_incident *in)
{
    struct listing *l = arg;
    char from[STR_RFC3339_MAX], lasted[STR_DURATION_MAX] = "open";
    json_t *causes = json_loads(in->causes_json, 0, NULL);
    const char *cause = json_string_value(json_object_get(json_array_get(causes, 0), "feature"));
    char shown[96];

    str_from_rfc3339_ms(in->start_ms, from);
    if (in->end_ms)
        str_from_duration_ms((in->end_ms - in->start_ms) / 1000 * 1000, lasted);
    (void)snprintf(shown, sizeof shown, "%s", cause ? cause : "-");
    str_make_printable(shown);
    if (l->n_incidents++ == 0)
        buf_printf(l->out, "%s%8s  %-11s  %-24s  %-10s  %9s  %-28s  %s\n", l->n_marks ? "\n" : "",
                   "incident", "kind", "from", "lasted", "score", "cause", "instance");
    buf_printf(l->out, "%8" PRId64 "  %-11s  %-24s  %-10s  %9.3g  %-28s  %s\n", in->id, kind_of(in),
               from, lasted, (double)in->peak_score, shown, in->instance);
    (void)json_array_append_new(
        l->incidents,
        json_pack("{s:I, s:s, s:I, s:o, s:o, s:o, s:s}", "id", (json_int_t)in->id, "kind",
                  kind_of(in), "start_ms", (json_int_t)in->start_ms, "end_ms",
                  in->end_ms ? json_integer(in->end_ms) : json_null(), "peak_score",
                  report_float(in->peak_score), "cause", cause ? json_string(cause) : json_null(),
                  "instance", in->instance));
    json_decref(causes);
    return l->n_incidents < INCIDENTS_SHOWN;
}

static void reader_closep(struct store_reader **r)
{
    store_reader_close(*r);
}

static enum rc list(const struct mark_options *o, const struct data_dir *d, struct err *err)
{
    CLEANUP(reader_closep) struct store_reader *r = NULL;
    CLEANUP(json_decrefp) json_t *marks = json_array();
    CLEANUP(json_decrefp) json_t *incidents = json_array();
    CLEANUP(buf_done) struct buf out;
    struct listing l = {.out = &out, .marks = marks, .incidents = incidents};

    buf_init(&out, OUTPUT_MAX);
    if (store_reader_open(d->database, &r, err) != OK ||
        store_read_marks(r, o->instance, list_mark, &l, err) != OK ||
        store_read_incidents(r, o->instance, INT64_MIN, INT64_MAX, list_incident, &l, err) != OK)
        return err->rc;
    if (o->as_json)
        return report_json(json_pack("{s:O, s:O}", "marks", marks, "incidents", incidents), err);
    if (l.n_marks + l.n_incidents == 0)
        buf_puts(&out, "no mark, and no incident\n");
    return report_text(&out, err);
}

/* -- changes -- */

static enum rc find_kind(const char *word, bool incident, enum store_mark_kind *ret,
                         struct err *err)
{
    for (int k = STORE_MARK_ANOMALY; k <= STORE_MARK_MAINTENANCE; k++) {
        *ret = (enum store_mark_kind)k;
        if (strcmp(word, store_mark_kind_name(*ret)) == 0 &&
            !(incident && *ret == STORE_MARK_MAINTENANCE))
            return OK;
    }
    return err_set(err, E_CONFIG, "--as: expected %s, found '%.40s'",
                   incident ? "anomaly or normal" : "anomaly, normal or maintenance", word);
}

static enum rc number(const char *option, const char *text, int64_t *ret, struct err *err)
{
    if (!str_to_i64(str_of(text), ret) || *ret < 1)
        return err_set(err, E_CONFIG, "%s: expected a number, found '%.40s'", option, text);
    return OK;
}

/* RFC 3339, Unix seconds, "now", "now-2h", "now+30m". */
static enum rc read_time(const char *option, const char *text, int64_t now_ms, int64_t *ret_ms,
                         struct err *err)
{
    const double most_s = 1e11; /* the year 5138 */
    const struct str s = str_of(text);
    int64_t ms;
    double seconds;

    if (str_starts(s, STR("now"))) {
        if (s.n == 3) {
            *ret_ms = now_ms;
            return OK;
        }
        if ((text[3] == '-' || text[3] == '+') && str_to_duration_ms(str_of(text + 4), &ms)) {
            *ret_ms = text[3] == '-' ? now_ms - ms : now_ms + ms;
            return OK;
        }
    } else if (str_to_rfc3339_ms(s, &ms)) {
        *ret_ms = ms;
        return OK;
    } else if (str_to_double(s, &seconds) && seconds >= 0 && seconds < most_s) {
        *ret_ms = (int64_t)(seconds * 1000);
        return OK;
    }
    return err_set(err, E_CONFIG,
                   "%s: expected a time such as 2026-01-31T12:00:00Z, Unix seconds, now or now-2h, "
                   "found '%.60s'",
                   option, text);
}

static enum rc describe(const struct mark_options *o, struct store_mark *m, struct err *err)
{
    *m =
        (struct store_mark){.made_ms = clock_wall_ms(), .instance = o->instance ? o->instance : ""};
    if (o->accept) {
        assert(o->incident); /* check() */
        m->kind = STORE_MARK_ACCEPTED;
        return number("--incident", o->incident, &m->incident, err);
    }
    assert(o->as && (o->incident || (o->from && o->to))); /* check() */
    if (find_kind(o->as, o->incident, &m->kind, err) != OK)
        return err->rc;
    if (o->incident)
        return number("--incident", o->incident, &m->incident, err);
    if (read_time("--from", o->from, m->made_ms, &m->start_ms, err) != OK ||
        read_time("--to", o->to, m->made_ms, &m->end_ms, err) != OK)
        return err->rc;
    if (m->end_ms <= m->start_ms)
        return err_set(err, E_CONFIG, "--to: expected a time after --from");
    return OK;
}

static enum rc change(const struct mark_options *o, const struct data_dir *d, struct err *err)
{
    CLEANUP(store_editor_closep) struct store_editor *e = NULL;
    struct store_mark m;
    int64_t id = 0;

    if (o->remove ? number("--delete", o->remove, &id, err) : describe(o, &m, err))
        return err->rc;
    if (store_editor_open(d->database, &e, err) != OK ||
        (o->remove ? store_edit_unmark(e, id, err) : store_edit_mark(e, &m, &id, err)) != OK)
        return err->rc;
    if (o->as_json)
        return report_json(
            json_pack("{s:s, s:I}", "done", o->remove ? "deleted" : "marked", "id", (json_int_t)id),
            err);
    printf(o->remove   ? "mark %" PRId64 " is deleted\n"
           : o->accept ? "accepted, as mark %" PRId64
                         ": what it came to is what is expected from now on\n"
                       : "marked: %" PRId64 "\n",
           id);
    return report_flush(err);
}

/* -- the command line -- */

static int check(const struct mark_options *o)
{
    const int acts = !!o->incident + (o->from || o->to) + o->list + !!o->remove;

    if (acts != 1)
        return verb_usage(&verb_mark, "expected one of --incident, --from and --to, --list, "
                                      "--delete");
    if (!!o->from != !!o->to)
        return verb_usage(&verb_mark, "--from and --to go together");
    if (o->accept && (!o->incident || o->as))
        return verb_usage(&verb_mark, "--accept goes with --incident, in place of --as");
    if ((o->incident || o->from) && !o->as && !o->accept)
        return verb_usage(&verb_mark, "expected --as: what it is");
    if (o->as && (o->list || o->remove))
        return verb_usage(&verb_mark, "--as goes with --incident, or with --from and --to");
    if (o->instance && (o->incident || o->remove))
        return verb_usage(&verb_mark, "--instance goes with --from and --to, or with --list");
    return -1;
}

/* Where the option's value goes; NULL: it has none. */
static const char **value_of(struct mark_options *o, int c)
{
    switch (c) {
    case 'i':
        return &o->incident;
    case 'f':
        return &o->from;
    case 't':
        return &o->to;
    case 'a':
        return &o->as;
    case 'n':
        return &o->instance;
    case 'x':
        return &o->remove;
    case 'd':
        return &o->data_dir;
    default:
        return NULL;
    }
}

/* Fills o; an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct mark_options *o)
{
    struct verb_words words = {&verb_mark, argc, argv, ":h", long_options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        const char **value = value_of(o, c);
        if (c == 'h') {
            fputs(verb_mark.help, stdout);
            return EXIT_FINE;
        }
        if (c == VERB_REFUSED)
            return EXIT_USAGE;
        if (value)
            *value = optarg;
        o->list |= c == 'l';
        o->accept |= c == 'c';
        o->as_json |= c == 'j';
    }
    if (optind < argc)
        return verb_usage(&verb_mark, "expected no more words, found '%s'", argv[optind]);
    return check(o);
}

static int run(int argc, char **argv)
{
    struct mark_options o = {0};
    struct data_dir d;
    struct err err;

    const int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    if (data_dir_find(o.data_dir, &d, &err) != OK)
        return verb_fail(&err);
    return (o.list ? list(&o, &d, &err) : change(&o, &d, &err)) == OK ? EXIT_FINE : verb_fail(&err);
}

const struct verb verb_mark = {
    .name = "mark",
    .summary = "say what an incident or a stretch of time was",
    .help =
        "usage: tocsin mark --incident ID --as anomaly|normal\n"
        "       tocsin mark --incident ID --accept\n"
        "       tocsin mark --from TIME --to TIME --as maintenance|anomaly|normal\n"
        "       tocsin mark --list | --delete ID\n\n"
        "What you say decides what is learned at the next training: nothing of maintenance and of\n"
        "true anomalies; but all of what you call normal, though the bell rang. A model that no\n"
        "longer rings for a true anomaly is not taken into use. A running tocsin hears of it\n"
        "within two seconds.\n\n"
        "      --incident ID    an incident's number, from --list or the API\n"
        "      --from TIME      a stretch's start: 2026-01-31T12:00:00Z, Unix seconds, now,\n"
        "                       now-2h\n"
        "      --to TIME        its end; may lie in the future, as now+2h\n"
        "      --as WORD        anomaly: it was a true one; normal: a false alarm, or fine;\n"
        "                       maintenance (of a stretch): do not learn from it\n"
        "      --accept         the slow change ID is the new normal: what its features came to "
        "is\n"
        "                       what is expected of them from now on, and it closes\n"
        "      --instance NAME  of this one alone (default: of all)\n"
        "      --list           print marks, and the newest incidents\n"
        "      --delete ID      take a mark back\n"
        "      --data-dir DIR   of the daemon (default as for run; no configuration is read)\n"
        "      --json           the result as JSON\n"
        "  -h, --help           this text\n\n"
        "Exit codes: 0 done, 1 it failed, 2 the options are wrong.\n\n"
        "Example: tocsin mark --from now --to now+2h --as maintenance\n",
    .run = run,
};
