/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/import_options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/verb.h"
#include "source/prom_chunk.h"
#include "source/prom_query.h"

/* 100 ms: nothing scrapes faster; a day: a frame of a day is no frame of a machine. */
enum { STEP_LEAST_MS = 100, STEP_MOST_MS = 86400 * 1000 };

const char import_help[] =
    "usage: tocsin import --prometheus URL -o FILE [OPTION...]\n\n"
    "Has a Prometheus server (or VictoriaMetrics, Thanos, Mimir) evaluate a profile's features\n"
    "over a span and writes them as CSV: timestamp,<feature>..., as `tocsin train` reads it.\n\n"
    "      --prometheus URL        the server; may have a path\n"
    "      --from, --to TIME       the span (default 7d to now): RFC 3339, Unix seconds, now, or\n"
    "                              an age such as 7d or 12h\n"
    "      --step DURATION         from row to row (default 15s); the interval that a daemon\n"
    "                              which uses the model shall have\n"
    "  -o, --output FILE           the rows of one machine\n"
    "      --output-dir DIR        a file NAME.csv for each machine instead\n"
    "      --instance NAME         the machine; needed with -o where the server has several\n"
    "      --profile NAME          node (default), classic or a YAML file\n"
    "      --match MATCHERS        put into each selector: 'job=\"node\",env!=\"test\"'\n"
    "      --entity-label NAME     the label that tells machines apart (default instance)\n"
    "      --user NAME             basic authentication, with:\n"
    "      --password-file FILE    its password\n"
    "      --bearer-token-file FILE\n"
    "                              a token instead\n"
    "      --ca-file FILE          certificates that the server's is checked by\n"
    "      --cert-file, --key-file FILE\n"
    "                              the client's own certificate and its key\n"
    "      --server-name NAME      that the server's certificate must have\n"
    "      --insecure              do not check the server's certificate\n"
    "      --timeout DURATION      of one query (default 30s)\n"
    "      --json                  print the result as JSON\n"
    "  -h, --help                  this text\n\n"
    "Exit codes: 0 written, 1 the server or a file is in the way, 2 the options are wrong.\n\n"
    "Example: tocsin import --prometheus http://localhost:9090 --from 7d -o node.csv\n";

static const struct option long_options[] = {
    {"prometheus", required_argument, NULL, 'P'},
    {"from", required_argument, NULL, 'f'},
    {"to", required_argument, NULL, 't'},
    {"step", required_argument, NULL, 's'},
    {"output", required_argument, NULL, 'o'},
    {"output-dir", required_argument, NULL, 'O'},
    {"instance", required_argument, NULL, 'i'},
    {"profile", required_argument, NULL, 'p'},
    {"match", required_argument, NULL, 'm'},
    {"entity-label", required_argument, NULL, 'l'},
    {"user", required_argument, NULL, 'u'},
    {"password-file", required_argument, NULL, 'w'},
    {"bearer-token-file", required_argument, NULL, 'b'},
    {"ca-file", required_argument, NULL, 'C'},
    {"cert-file", required_argument, NULL, 'c'},
    {"key-file", required_argument, NULL, 'k'},
    {"server-name", required_argument, NULL, 'n'},
    {"insecure", no_argument, NULL, 'I'},
    {"timeout", required_argument, NULL, 'T'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* As they were written. */
struct words {
    const char *from, *to, *step, *timeout;
};

/* struct http_access owns its texts where it is read from a file; here they are the command
 * line's, and nobody frees them. */
static void take_access(int c, char *value, struct http_access *a)
{
    char **const where = c == 'u'   ? &a->username
                         : c == 'w' ? &a->password_file
                         : c == 'b' ? &a->bearer_token_file
                         : c == 'C' ? &a->ca_file
                         : c == 'c' ? &a->cert_file
                         : c == 'k' ? &a->key_file
                         : c == 'n' ? &a->server_name
                                    : NULL;

    if (where)
        *where = value;
    if (c == 'I')
        a->insecure_skip_verify = true;
}

static void take(int c, char *value, struct import_options *o, struct words *w)
{
    const char **const where = c == 'P'   ? &o->url
                               : c == 'f' ? &w->from
                               : c == 't' ? &w->to
                               : c == 's' ? &w->step
                               : c == 'T' ? &w->timeout
                               : c == 'o' ? &o->output
                               : c == 'O' ? &o->output_dir
                               : c == 'i' ? &o->instance
                               : c == 'p' ? &o->profile
                               : c == 'm' ? &o->match
                               : c == 'l' ? &o->label
                                          : NULL;

    if (where)
        *where = value;
    else
        take_access(c, value, &o->access);
    o->json |= c == 'j';
}

/* now, or an age ("7d"), or a time as verb_time takes it. */
static enum rc read_time(const char *word, const char *option, int64_t now_ms, int64_t *ret,
                         struct err *err)
{
    int64_t age_ms;

    if (strcmp(word, "now") == 0) {
        *ret = now_ms;
        return OK;
    }
    if (str_to_duration_ms(str_of(word), &age_ms)) {
        *ret = now_ms - age_ms;
        return OK;
    }
    struct err why;
    if (verb_time(word, option, ret, &why) == OK)
        return OK;
    return err_set(err, E_CONFIG,
                   "%s: expected a time such as 2025-02-20T21:55:00Z or Unix seconds, now, or an "
                   "age such as 7d, found '%s'",
                   option, word);
}

static enum rc read_duration(const char *word, const char *option, int64_t least_ms,
                             int64_t most_ms, int64_t *ret, struct err *err)
{
    char least[STR_DURATION_MAX], most[STR_DURATION_MAX];

    if (str_to_duration_ms(str_of(word), ret) && *ret >= least_ms && *ret <= most_ms)
        return OK;
    str_from_duration_ms(least_ms, least);
    str_from_duration_ms(most_ms, most);
    return err_set(err, E_CONFIG, "%s: expected a duration from %s to %s, found '%s'", option,
                   least, most, word);
}

static enum rc read_words(const struct words *w, int64_t now_ms, struct import_options *o,
                          struct err *err)
{
    if (read_duration(w->step, "--step", STEP_LEAST_MS, STEP_MOST_MS, &o->step_ms, err) != OK ||
        read_duration(w->timeout, "--timeout", 1000, 3600 * 1000, &o->access.timeout_ms, err) !=
            OK ||
        read_time(w->from, "--from", now_ms, &o->from_ms, err) != OK ||
        read_time(w->to, "--to", now_ms, &o->to_ms, err) != OK)
        return err->rc;
    o->cut = o->to_ms > now_ms - PROM_FRESH_MS;
    if (o->cut)
        o->to_ms = now_ms - PROM_FRESH_MS;
    o->from_ms = prom_chunk_ceil(o->from_ms, o->step_ms);
    o->to_ms = prom_chunk_floor(o->to_ms, o->step_ms);
    if (o->from_ms < 0)
        return err_set(err, E_CONFIG, "--from: '%s' is before 1970", w->from);
    if (o->from_ms > o->to_ms)
        return err_set(err, E_CONFIG,
                       "from %s to %s there is no row: a span of at least one step (%s) is needed, "
                       "which ends %d seconds ago at the latest",
                       w->from, w->to, w->step, PROM_FRESH_MS / 1000);
    return OK;
}

int import_options_parse(int argc, char **argv, int64_t now_ms, struct import_options *ret)
{
    struct verb_words words = {&verb_import, argc, argv, ":o:h", long_options, {0}};
    struct words w = {.from = "7d", .to = "now", .step = "15s", .timeout = "30s"};
    struct import_options o = {.profile = "node", .label = "instance"};
    struct err err;
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        if (c == 'h') {
            fputs(import_help, stdout);
            return EXIT_FINE;
        }
        if (c == VERB_REFUSED)
            return EXIT_USAGE;
        take(c, optarg, &o, &w);
    }
    if (optind < argc)
        return verb_usage(&verb_import, "expected no more words, found '%s'", argv[optind]);
    if (!o.url)
        return verb_usage(&verb_import, "expected --prometheus URL");
    if (!o.output == !o.output_dir)
        return verb_usage(&verb_import, "expected -o FILE or --output-dir DIR%s",
                          o.output ? ", found both" : "");
    if (o.access.password_file && !o.access.username)
        return verb_usage(&verb_import, "--password-file needs --user");
    if (!o.access.cert_file != !o.access.key_file)
        return verb_usage(&verb_import, "--cert-file and --key-file go together");
    if (read_words(&w, now_ms, &o, &err) != OK)
        return verb_usage(&verb_import, "%s", err.msg);
    *ret = o;
    return -1;
}
