/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/import_fetch.h"
#include "cli/report.h"
#include "cli/verb.h"

enum { NAMED_MOST = 8, TEXT_MAX = 64 << 20 };

/* The machines that were written. */
struct import {
    const struct import_options *o;
    struct import_fetch *fetch;
    struct prom_names who;
    struct import_summary *summaries; /* [who.n]; rows == 0: it had nothing */
    char **paths;                     /* [who.n] */
    double seconds;
};

static void import_done(struct import *m)
{
    for (size_t i = 0; i < m->who.n && m->summaries && m->paths; i++) {
        import_summary_done(&m->summaries[i]);
        mem_free(m->paths[i]);
    }
    mem_free(m->summaries);
    mem_free(m->paths);
    prom_names_done(&m->who);
    import_fetch_close(m->fetch);
}

static void put_names(struct buf *b, const struct prom_names *who)
{
    for (size_t i = 0; i < who->n && i < NAMED_MOST; i++)
        buf_printf(b, "%s%s", i ? ", " : "", who->v[i]);
    if (who->n > NAMED_MOST)
        buf_printf(b, " and %zu more", who->n - NAMED_MOST);
}

/* Of all machines the one that --instance names. */
static enum rc keep_one(const char *name, struct prom_names *who, struct err *err)
{
    CLEANUP(buf_done) struct buf names;

    buf_init(&names, ERR_MSG_MAX);
    for (size_t i = 0; i < who->n; i++)
        if (strcmp(who->v[i], name) == 0) {
            char *found = who->v[i];
            who->v[i] = who->v[0];
            who->v[0] = found;
            while (who->n > 1)
                mem_free(who->v[--who->n]);
            return OK;
        }
    put_names(&names, who);
    return err_set(err, E_STATE, "the server has no machine '%.100s' in the span, but %s", name,
                   names.p ? names.p : "others");
}

static enum rc find_machines(struct import *m, struct err *err)
{
    CLEANUP(buf_done) struct buf names;

    buf_init(&names, ERR_MSG_MAX);
    if (import_fetch_who(m->fetch, &m->who, err) != OK)
        return err->rc;
    if (m->who.n == 0)
        return err_set(err, E_STATE,
                       "the server has no series of the profile in the span%s; is it scraped, and "
                       "is --entity-label '%s' right?",
                       m->o->match ? " that --match fits" : "", m->o->label);
    if (m->o->instance)
        return keep_one(m->o->instance, &m->who, err);
    if (m->who.n == 1 || m->o->output_dir)
        return OK;
    put_names(&names, &m->who);
    return err_set(err, E_CONFIG,
                   "the server has %zu machines (%s): name one by --instance, or take --output-dir",
                   m->who.n, names.p ? names.p : "");
}

/* DIR/NAME.csv; what has no place in a file's name is written as %XX, so that no two are alike. */
static char *path_of(const char *dir, const char *name)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_:";
    struct buf b;

    buf_init(&b, 1 << 16);
    buf_printf(&b, "%s/", dir);
    for (size_t i = 0; name[i]; i++) {
        if (strchr(plain, name[i]) || (i > 0 && name[i] == '.'))
            buf_add(&b, &name[i], 1);
        else
            buf_printf(&b, "%%%02X", (unsigned)(unsigned char)name[i]);
    }
    buf_puts(&b, ".csv");
    return buf_take(&b);
}

static enum rc write_all(struct import *m, struct err *err)
{
    const struct import_options *o = m->o;
    size_t written = 0;

    m->summaries = mem_array(m->who.n, sizeof *m->summaries);
    m->paths = mem_array(m->who.n, sizeof *m->paths);
    if (!m->summaries || !m->paths)
        return err_set(err, E_NOMEM, "no memory for %zu machines", m->who.n);
    if (o->output_dir && file_mkdirs(o->output_dir, err) != OK)
        return err->rc;
    for (size_t i = 0; i < m->who.n; i++) {
        const char *name = m->who.v[i];
        m->paths[i] =
            o->output ? mem_strndup(o->output, strlen(o->output)) : path_of(o->output_dir, name);
        if (!m->paths[i])
            return err_set(err, E_NOMEM, "no memory for a path");
        const enum rc rc =
            import_fetch_machine(m->fetch, name, m->paths[i], i, m->who.n, &m->summaries[i], err);
        if (rc != OK && !(rc == E_STATE && o->output_dir && import_fetch_goes_on()))
            return rc;
        written += rc == OK ? 1 : 0;
    }
    return written ? OK
                   : err_set(err, E_STATE, "no machine has a value of the profile in the span");
}

static double share_there(const struct import_summary *s)
{
    double missing = 0;

    for (size_t i = 0; i < s->n; i++)
        missing += (double)s->missing[i];
    return 1 - missing / ((double)s->rows * (double)s->n);
}

static json_t *json_of_machine(const struct import *m, size_t at)
{
    const struct import_summary *s = &m->summaries[at];
    const struct schema *schema = profile_schema(import_fetch_profile(m->fetch));
    json_t *never = json_array();

    for (size_t i = 0; i < s->n && s->rows; i++)
        if (s->missing[i] == s->rows)
            (void)json_array_append_new(never, json_string(schema->f[i].name));
    if (s->rows == 0)
        return json_pack("{s:s, s:n, s:i, s:o}", "instance", m->who.v[at], "file", "rows", 0,
                         "never", never);
    return json_pack("{s:s, s:s, s:I, s:o, s:o, s:f, s:o}", "instance", m->who.v[at], "file",
                     m->paths[at], "rows", (json_int_t)s->rows, "first",
                     report_time_json(s->first_ms), "last", report_time_json(s->last_ms), "present",
                     share_there(s), "never", never);
}

static enum rc print_json(const struct import *m, struct err *err)
{
    const struct import_fetch_counts c = import_fetch_count(m->fetch);
    const struct profile *p = import_fetch_profile(m->fetch);
    json_t *machines = json_array();

    for (size_t i = 0; i < m->who.n; i++)
        (void)json_array_append_new(machines, json_of_machine(m, i));
    return report_json(
        json_pack("{s:s, s:i, s:o, s:o, s:f, s:o, s:I, s:I, s:I, s:I, s:I, s:f}", "profile",
                  profile_name(p), "features", (int)profile_schema(p)->n, "from",
                  report_time_json(m->o->from_ms), "to", report_time_json(m->o->to_ms), "step",
                  (double)m->o->step_ms / 1000, "machines", machines, "requests",
                  (json_int_t)c.requests, "retries", (json_int_t)c.retries, "halvings",
                  (json_int_t)c.halvings, "missing", (json_int_t)c.missing, "warnings",
                  (json_int_t)c.warnings, "seconds", m->seconds),
        err);
}

static void put_never(struct buf *b, const struct import_summary *s, const struct schema *schema)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        if (s->missing[i] == s->rows)
            buf_printf(b, "%s%s", n++ ? ", " : "; never there: ", schema->f[i].name);
}

static enum rc print_words(const struct import *m, struct err *err)
{
    const struct import_fetch_counts c = import_fetch_count(m->fetch);
    const struct schema *schema = profile_schema(import_fetch_profile(m->fetch));
    CLEANUP(buf_done) struct buf b;
    char first[REPORT_TIME_MAX], last[REPORT_TIME_MAX];

    buf_init(&b, TEXT_MAX);
    for (size_t i = 0; i < m->who.n; i++) {
        const struct import_summary *s = &m->summaries[i];
        if (s->rows == 0) {
            buf_printf(&b, "%s: no value in the span, no file\n", m->who.v[i]);
            continue;
        }
        report_time(s->first_ms, first);
        report_time(s->last_ms, last);
        buf_printf(&b,
                   "%s: %s: %zu rows of %zu features, %s to %s UTC, %.1f %% of the values there",
                   m->paths[i], m->who.v[i], s->rows, s->n, first, last, 100 * share_there(s));
        put_never(&b, s, schema);
        buf_puts(&b, "\n");
    }
    buf_printf(&b, "%" PRIu64 " requests in %.1f s", c.requests, m->seconds);
    if (c.retries || c.halvings)
        buf_printf(&b, "; %" PRIu64 " tried again, %" PRIu64 " cut in half", c.retries, c.halvings);
    buf_puts(&b, "\n");
    return report_text(&b, err);
}

static enum rc import(const struct import_options *o, struct err *err)
{
    CLEANUP(import_done) struct import m = {.o = o};
    const char *const taken[] = {
        o->profile,        o->access.password_file, o->access.bearer_token_file,
        o->access.ca_file, o->access.cert_file,     o->access.key_file};
    const int64_t start_ms = clock_mono_ms();

    if (o->output && verb_output(o->output, taken, sizeof taken / sizeof *taken, err) != OK)
        return err->rc;
    if (import_fetch_open(o, &m.fetch, err) != OK || find_machines(&m, err) != OK ||
        write_all(&m, err) != OK)
        return err->rc;
    m.seconds = (double)(clock_mono_ms() - start_ms) / 1000;
    return o->json ? print_json(&m, err) : print_words(&m, err);
}

static int run(int argc, char **argv)
{
    struct import_options o;
    struct err err;

    const int code = import_options_parse(argc, argv, clock_wall_ms(), &o);
    if (code >= 0)
        return code;
    return import(&o, &err) == OK ? EXIT_FINE : verb_fail(&err);
}

const struct verb verb_import = {
    .name = "import",
    .summary = "take history from a Prometheus server as a CSV file",
    .help = import_help,
    .run = run,
};
