/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/http.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "data/units.h"
#include "data/verdict.h"

enum { TEXT_MAX = 256, OUTPUT_MAX = 16 << 20, TIME_MAX = 32 };

static const struct option long_options[] = {
    {"url", required_argument, NULL, 'u'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* A text of the answer, fit for a terminal whoever answered; "" when it is none. */
static const char *text_of(const json_t *o, const char *key, char out[TEXT_MAX])
{
    const char *z = json_string_value(json_object_get(o, key));

    (void)snprintf(out, TEXT_MAX, "%s", z ? z : "");
    str_make_printable(out);
    return out;
}

static double number_of(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key)); /* 0 for null */
}

/* NaN for null: a value that was missing. */
static double value_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

static bool is_true(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

static const char *local_time(double seconds, char out[TIME_MAX])
{
    struct tm tm;
    const time_t t = seconds > 0 && seconds < 253402300800.0 ? (time_t)seconds : 0;

    if (!localtime_r(&t, &tm) || strftime(out, TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        (void)snprintf(out, TIME_MAX, "%.0f", seconds);
    return out;
}

static const char *duration(double seconds, char out[STR_DURATION_MAX])
{
    str_from_duration_ms(seconds > 0 && seconds < 1e9 ? (int64_t)seconds * 1000 : 0, out);
    return out;
}

static void print_causes(struct buf *out, const json_t *causes)
{
    const json_t *c;
    size_t i;
    char name[TEXT_MAX], unit[TEXT_MAX], value[UNITS_MAX], expected[UNITS_MAX];

    json_array_foreach(causes, i, c)
    {
        if (i >= REPORT_CAUSES_ALWAYS && number_of(c, "share") < REPORT_SHARE_LEAST &&
            !json_is_true(json_object_get(c, "restore")))
            continue;
        text_of(c, "unit", unit);
        units_format(value_of(c, "value"), unit, value);
        units_format(value_of(c, "expected"), unit, expected);
        buf_printf(out, "    %-32s %12s, expected %-12s %3.0f %% of the causes\n",
                   text_of(c, "feature", name), value, expected, 100 * number_of(c, "share"));
    }
}

static void print_restored(struct buf *out, const json_t *causes)
{
    const json_t *c;
    size_t i, n = 0;
    char name[TEXT_MAX];

    json_array_foreach(causes, i, c)
    {
        if (is_true(c, "restore"))
            buf_printf(out, "%s%s", n++ ? ", " : "    restoring ", text_of(c, "feature", name));
    }
    if (n)
        buf_puts(out, " would silence it\n");
}

static void print_names(struct buf *out, const char *what, const json_t *names, double n)
{
    const json_t *name;
    size_t i;
    char text[TEXT_MAX];

    if (n < 1)
        return;
    buf_printf(out, "    %s:", what);
    json_array_foreach(names, i, name)
    {
        (void)snprintf(text, sizeof text, "%s", json_string_value(name));
        str_make_printable(text);
        buf_printf(out, "%s %s", i ? "," : "", text);
    }
    if (n > (double)json_array_size(names))
        buf_printf(out, ", and %.0f more", n - (double)json_array_size(names));
    buf_puts(out, "\n");
}

/* What was promised and what came of it. Without a promise, a rate of the first minutes only
 * startles. */
static void print_alarms(struct buf *out, const json_t *alarms)
{
    const double budget = number_of(alarms, "budget"), rate = number_of(alarms, "rate");

    if (!(budget > 0)) /* also for a NaN */
        return;
    buf_printf(out, "    incidents a week: %.3g (%.3g to %.3g), promised %.3g\n", rate,
               number_of(alarms, "lower"), number_of(alarms, "upper"), budget);
}

/* As long as it lasts: docs/drift.md. */
static void print_slow(struct buf *out, const json_t *slow, double now)
{
    char words[INCIDENT_WORDS_MAX], when[TIME_MAX], lasted[STR_DURATION_MAX];
    const double start = number_of(slow, "start");

    if (!json_is_object(slow))
        return;
    const char *said = json_string_value(json_object_get(slow, "words"));
    (void)snprintf(words, sizeof words, "%s", said ? said : "slow change");
    str_make_printable(words);
    buf_printf(out, "    %s\n    creeping since %s (%s)\n", words, local_time(start, when),
               duration(now - start, lasted));
}

static void print_entity(struct buf *out, const json_t *e, double now)
{
    const json_t *in = json_object_get(e, "incident");
    char name[TEXT_MAX], phase[TEXT_MAX], when[TIME_MAX], lasted[STR_DURATION_MAX];
    char method[TEXT_MAX], by[TEXT_MAX + 8] = "";
    const bool ringing = is_true(e, "ringing");

    if (text_of(e, "threshold_by", method)[0]) /* an older daemon does not say */
        (void)snprintf(by, sizeof by, " (%s)", method);
    text_of(e, "phase", phase);
    const bool watching = strcmp(phase, "watching") == 0;
    buf_printf(out, "%s: %s", text_of(e, "instance", name), ringing ? "RINGING" : phase);
    if (!watching)
        buf_printf(out, ", %.0f %% (%.0f of %.0f frames)", 100 * number_of(e, "progress"),
                   number_of(e, "learned"), number_of(e, "wanted"));
    else if (!json_is_number(json_object_get(e, "score")))
        buf_puts(out, ", no score");
    else
        buf_printf(out, "%s, score %.3g, threshold %.3g%s, confidence %.0f %%",
                   ringing                   ? ""
                   : is_true(e, "anomalous") ? ", this frame is over the threshold"
                                             : ", quiet",
                   number_of(e, "score"), number_of(e, "threshold"), by,
                   100 * number_of(e, "confidence"));
    buf_puts(out, "\n");
    if (json_is_object(in)) {
        const double start = number_of(in, "start");
        buf_printf(out, "    since %s (%s), peak %.3g\n", local_time(start, when),
                   duration(now - start, lasted), number_of(in, "peak_score"));
        print_causes(out, json_object_get(in, "causes"));
        print_restored(out, json_object_get(in, "causes"));
    }
    print_slow(out, json_object_get(e, "slow"), now);
    print_alarms(out, json_object_get(e, "alarms"));
    print_names(out, "absent", json_object_get(e, "absent"), number_of(e, "n_absent"));
    print_names(out, "frozen", json_object_get(e, "frozen"), number_of(e, "n_frozen"));
}

static void print_all(struct buf *out, const char *url, const json_t *status,
                      const json_t *entities)
{
    const json_t *e;
    size_t i;
    char version[TEXT_MAX], trouble[TEXT_MAX], up[STR_DURATION_MAX];
    const double n = number_of(status, "entities");

    json_array_foreach(entities, i, e) print_entity(out, e, number_of(status, "now"));
    if (text_of(status, "trouble", trouble)[0])
        buf_printf(out, "trouble: %s\n", trouble);
    buf_printf(out, "tocsin %s at %s, up %s: %.0f %s, %.0f ringing\n",
               text_of(status, "version", version), url,
               duration(number_of(status, "uptime_seconds"), up), n, n == 1 ? "entity" : "entities",
               number_of(status, "ringing"));
}

/* Everything is watched, nothing rings, and the daemon has no trouble. */
static bool is_healthy(const json_t *status)
{
    const char *phase = json_string_value(json_object_get(status, "phase"));
    const char *trouble = json_string_value(json_object_get(status, "trouble"));

    return phase && strcmp(phase, "watching") == 0 && trouble && !trouble[0] &&
           number_of(status, "ringing") == 0;
}

static enum rc ask(const char *url, json_t **ret_status, json_t **ret_entities, struct err *err)
{
    CLEANUP(http_closep) struct http *h = NULL;
    CLEANUP(json_decrefp) json_t *status = NULL;
    CLEANUP(json_decrefp) json_t *answer = NULL;

    if (http_open(url, &h, err) != OK)
        return err_wrap(err, "--url");
    if (http_get_json(h, "/api/v1/status", &status, err) != OK ||
        http_get_json(h, "/api/v1/entities", &answer, err) != OK)
        return err->rc;
    json_t *entities = json_object_get(answer, "entities");
    if (!json_is_array(entities) || !json_is_string(json_object_get(status, "phase")))
        return err_set(err, E_PARSE, "%s: expected the answers of a tocsin, found other JSON", url);
    *ret_entities = json_incref(entities);
    *ret_status = TAKE(status);
    return OK;
}

static int to_buf(const char *p, size_t n, void *arg)
{
    buf_add(arg, p, n);
    return 0; /* a failure is seen at the end */
}

/* All digits of the answers: 15 hold a time in milliseconds and the shortest form of a float. */
static void print_json(struct buf *out, const char *url, json_t *status, json_t *entities)
{
    json_t *o = json_pack("{s:s, s:O, s:O}", "url", url, "status", status, "entities", entities);

    if (!o || json_dump_callback(o, to_buf, out, JSON_REAL_PRECISION(15)) != 0)
        out->failed = true;
    buf_puts(out, "\n");
    json_decref(o);
}

static enum rc print(const char *url, json_t *status, json_t *entities, bool as_json,
                     struct err *err)
{
    struct buf out;

    buf_init(&out, OUTPUT_MAX);
    if (as_json)
        print_json(&out, url, status, entities);
    else
        print_all(&out, url, status, entities);
    const enum rc rc = report_text(&out, err);
    buf_done(&out);
    return rc;
}

struct status_options {
    const char *url;
    bool as_json;
};

/* Fills o; an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct status_options *o)
{
    struct verb_words words = {&verb_status, argc, argv, ":u:jh", long_options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        switch (c) {
        case 'h':
            fputs(verb_status.help, stdout);
            return EXIT_FINE;
        case 'u':
            o->url = optarg;
            break;
        case 'j':
            o->as_json = true;
            break;
        default:
            return EXIT_USAGE; /* refused, with a sentence */
        }
    }
    if (optind < argc)
        return verb_usage(&verb_status, "expected no more words, found '%s'", argv[optind]);
    return -1;
}

static int run(int argc, char **argv)
{
    struct status_options o = {.url = "http://127.0.0.1:8001"};
    struct err err = {0};
    CLEANUP(json_decrefp) json_t *status = NULL;
    CLEANUP(json_decrefp) json_t *entities = NULL;

    const int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    if (ask(o.url, &status, &entities, &err) != OK ||
        print(o.url, status, entities, o.as_json, &err) != OK)
        return verb_fail(&err);
    return is_healthy(status) ? EXIT_FINE : EXIT_SILENT;
}

const struct verb verb_status = {
    .name = "status",
    .summary = "say how the running tocsin does",
    .help =
        "usage: tocsin status [OPTION...]\n\n"
        "Asks a running tocsin what it watches, whether something rings, and why.\n\n"
        "  -u, --url URL  where it listens (default http://127.0.0.1:8001)\n"
        "  -j, --json     one JSON object: {\"url\", \"status\", \"entities\"}, the latter two as\n"
        "                 /api/v1/status and /api/v1/entities answer\n"
        "  -h, --help     this text\n\n"
        "Exit codes: 0 all is watched and quiet; 3 something rings, still learns, or the daemon\n"
        "has trouble; 1 nobody answers; 2 the options are wrong.\n\n"
        "Example: tocsin status || mail -s 'tocsin' me@example.org\n",
    .run = run,
};
