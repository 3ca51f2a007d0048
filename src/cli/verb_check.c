/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "config/config.h"
#include "config/peers.h"
#include "feature/profile.h"
#include "feature/profile_by.h"
#include "http/http_access.h"
#include "source/scrape.h"

static const char help[] =
    "usage: tocsin check [-c FILE] [--print | --json]\n"
    "\n"
    "Reads the configuration and the profile that it names as `tocsin run` would, and says\n"
    "whether they are fine. Without a file: the defaults.\n"
    "\n"
    "  -c, --config FILE    the configuration\n"
    "      --print          print all of it, with what is not in the file, as YAML\n"
    "      --json           the answer as JSON\n"
    "  -h, --help           this text\n"
    "\n"
    "Exit code: 0 fine; 1 the file cannot be read; 2 something in it is wrong (file, line and\n"
    "column are on stderr).\n"
    "\n"
    "Example:\n"
    "  tocsin check --print > tocsin.yml    a file to begin with\n"
    "  tocsin check -c tocsin.yml\n";

struct check_options {
    const char *file; /* NULL: the defaults */
    bool print, json;
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"print", no_argument, NULL, 'p'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* Fills o; an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct check_options *o)
{
    struct verb_words words = {&verb_check, argc, argv, ":c:h", long_options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        if (c == VERB_REFUSED)
            return EXIT_USAGE;
        if (c == 'h') {
            fputs(help, stdout);
            return EXIT_FINE;
        }
        if (c == 'c')
            o->file = optarg;
        if (c == 'p')
            o->print = true;
        if (c == 'j')
            o->json = true;
    }
    if (optind < argc)
        return verb_usage(&verb_check, "expected no more words, found '%s'; a file is named by -c",
                          argv[optind]);
    if (o->print && o->json)
        return verb_usage(&verb_check, "expected --print or --json, found both");
    return -1;
}

/* The URL, and that the profile's queries can be asked with its matchers. */
static enum rc check_prometheus(const char *profile, const struct prometheus_spec *s,
                                struct err *err)
{
    CLEANUP(profile_freep) struct profile *p = NULL;
    CLEANUP(profile_queries_done) struct profile_queries queries = {0};
    const struct expr_by by = {s->entity_label, s->match};

    if (http_url_check(s->url, err) != OK || profile_load(profile, s->interval_ms, &p, err) != OK ||
        profile_queries(p, &by, &queries, err) != OK)
        return err_wrap(err, "prometheus");
    return OK;
}

/* What `tocsin run` would refuse of the others that it is to talk with, before it asks them. */
static enum rc check_peers(const struct peers *p, const char *profile, struct err *err)
{
    for (size_t i = 0; i < p->n_scrape; i++)
        if (scrape_check(&p->scrape[i], err) != OK)
            return err->rc;
    for (size_t i = 0; i < p->n_prometheus; i++)
        if (check_prometheus(profile, &p->prometheus[i], err) != OK)
            return err->rc;
    for (size_t i = 0; i < p->alertmanager.urls.n; i++)
        if (http_url_check(p->alertmanager.urls.v[i], err) != OK)
            return err_wrap(err, "alertmanager");
    if (p->write.url && http_url_check(p->write.url, err) != OK)
        return err_wrap(err, "write");
    return OK;
}

static enum rc load(const struct check_options *o, struct config *c, struct peers **ret_peers,
                    struct profile **ret, struct err *err)
{
    if (peers_load(o->file, c, ret_peers, err) != OK || config_validate(c, err) != OK ||
        verb_profile(c, o->file, NULL, ret, err) != OK)
        return err->rc;
    return check_peers(*ret_peers, c->profile, err);
}

/* {"file", "valid", "profile", "features"} or {"file", "valid", "error"} */
static enum rc print_json(const struct check_options *o, const struct profile *p,
                          const struct err *wrong, struct err *err)
{
    json_t *j = p ? json_pack("{s:s?, s:b, s:s, s:I, s:I}", "file", o->file, "valid", 1, "profile",
                              profile_name(p), "features", (json_int_t)profile_schema(p)->n,
                              "base_features", (json_int_t)profile_base_count(p))
                  : json_pack("{s:s?, s:b, s:s}", "file", o->file, "valid", 0, "error", wrong->msg);

    return report_json(j, err);
}

static enum rc print_yaml(const struct config *c, const struct peers *peers, struct err *err)
{
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, 1 << 16);
    config_print(c, peers, &text);
    return report_text(&text, err);
}

static enum rc print(const struct check_options *o, const struct config *c,
                     const struct peers *peers, const struct profile *p, struct err *err)
{
    const size_t n = profile_schema(p)->n;

    if (o->json)
        return print_json(o, p, NULL, err);
    if (o->print)
        return print_yaml(c, peers, err);
    printf("%s: fine: profile %s with %zu %s\n", o->file ? o->file : "the defaults",
           profile_name(p), n, n == 1 ? "feature" : "features");
    return report_flush(err);
}

static int run(int argc, char **argv)
{
    CLEANUP(profile_freep) struct profile *p = NULL;
    CLEANUP(peers_freep) struct peers *peers = NULL;
    struct check_options o = {0};
    struct config c;
    struct err err = {0}, unwritten;

    const int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    if (load(&o, &c, &peers, &p, &err) != OK) {
        if (o.json && print_json(&o, NULL, &err, &unwritten) != OK)
            return verb_fail(&unwritten);
        return verb_fail(&err);
    }
    return print(&o, &c, peers, p, &err) == OK ? EXIT_FINE : verb_fail(&err);
}

const struct verb verb_check = {
    .name = "check", .summary = "say whether a configuration is right", .help = help, .run = run};
