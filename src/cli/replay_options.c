/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/replay_options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/verb.h"
#include "detect/watch.h"

static const struct option long_options[] = {
    {"data-dir", required_argument, NULL, 'D'}, {"data", required_argument, NULL, 'd'},
    {"instance", required_argument, NULL, 'i'}, {"model", required_argument, NULL, 'm'},
    {"profile", required_argument, NULL, 'p'},  {"interval", required_argument, NULL, 'I'},
    {"days", required_argument, NULL, 'n'},     {"from", required_argument, NULL, 'f'},
    {"to", required_argument, NULL, 'T'},       {"walk-forward", no_argument, NULL, 'w'},
    {"learn", required_argument, NULL, 'l'},    {"threshold", required_argument, NULL, 't'},
    {"alarms", required_argument, NULL, 'a'},   {"confirm", required_argument, NULL, 'k'},
    {"config", required_argument, NULL, 'c'},   {"output", required_argument, NULL, 'o'},
    {"observed", no_argument, NULL, 'O'},       {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
};

/* Where the value of an option goes; NULL: it has none. */
static const char **value_of(struct replay_options *o, int option)
{
    switch (option) {
    case 'D':
        return &o->data_dir;
    case 'd':
        return &o->data;
    case 'i':
        return &o->instance;
    case 'm':
        return &o->model;
    case 'p':
        return &o->profile;
    case 'I':
        return &o->interval;
    case 'n':
        return &o->days;
    case 'f':
        return &o->from;
    case 'T':
        return &o->to;
    case 'l':
        return &o->learn;
    case 't':
        return &o->threshold;
    case 'a':
        return &o->alarms;
    case 'k':
        return &o->confirm;
    case 'c':
        return &o->file;
    case 'o':
        return &o->output;
    default:
        return NULL;
    }
}

/* What does not go together; an exit code, or -1 to go on. */
static int look_at(const struct replay_options *o)
{
    const struct {
        bool wrong;
        const char *why;
    } rules[] = {
        {o->data && o->data_dir, "expected --data or --data-dir, found both"},
        {o->data && o->instance, "--instance: a file has frames of one instance alone"},
        {o->data && o->interval, "--interval: a file's own times say how far frames lie apart"},
        {o->days && (o->from || o->to), "expected --days, or --from and --to, found both"},
        {o->threshold && o->alarms, "expected --threshold or --alarms, found both"},
        {o->model && o->walk, "expected --model or --walk-forward, found both"},
        {o->model && o->learn, "--learn: nothing is learned when there is a --model"},
        {!o->data && o->learn && !o->walk, "--learn: expected --walk-forward or --data beside it"},
    };

    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].wrong)
            return verb_usage(&verb_replay, "%s", rules[i].why);
    return -1;
}

int replay_options_parse(int argc, char **argv, struct replay_options *o)
{
    assert(o);
    struct verb_words words = {&verb_replay, argc, argv, ":c:o:h", long_options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        const char **value = value_of(o, c);
        if (c == 'h') {
            fputs(verb_replay.help, stdout);
            return EXIT_FINE;
        }
        if (c == VERB_REFUSED)
            return EXIT_USAGE;
        if (value)
            *value = optarg;
        if (c == 'w')
            o->walk = true;
        if (c == 'j')
            o->json = true;
        if (c == 'O')
            o->observed = true;
    }
    if (optind < argc)
        return verb_usage(&verb_replay, "expected no more words, found '%s'", argv[optind]);
    if (o->output && strcmp(o->output, "-") == 0)
        o->output = NULL;
    return look_at(o);
}

/* "3/5" */
static enum rc set_confirm(struct config *c, const char *s, struct err *err)
{
    const char *slash = strchr(s, '/');
    const struct str k = {s, slash ? (size_t)(slash - s) : 0};
    const struct str of = slash ? str_of(slash + 1) : STR("");
    uint64_t wanted_k, wanted_of;

    if (!str_to_u64(k, &wanted_k) || !str_to_u64(of, &wanted_of) || wanted_k < 1 ||
        wanted_k > wanted_of || wanted_of > WATCH_OF_MAX)
        return err_set(err, E_CONFIG,
                       "--confirm: expected K/N as 3/5, with 1 <= K <= N <= %d, found '%s'",
                       WATCH_OF_MAX, s);
    c->confirm.k = (uint32_t)wanted_k;
    c->confirm.of = (uint32_t)wanted_of;
    return OK;
}

/* "0.5" or "7d" */
static enum rc set_learn(struct replay_options *o, struct err *err)
{
    double share;

    if (!o->learn)
        return OK;
    if (str_to_duration_ms(str_of(o->learn), &o->learn_ms) && o->learn_ms > 0)
        return OK;
    o->learn_ms = 0;
    if (!str_to_double(str_of(o->learn), &share) || !(share > 0 && share < 1))
        return err_set(err, E_CONFIG,
                       "--learn: expected a duration such as 7d, or a share over 0 and under 1, "
                       "found '%s'",
                       o->learn);
    if (!o->data)
        return err_set(err, E_CONFIG,
                       "--learn: expected a duration such as 1h for a store, found "
                       "'%s'",
                       o->learn);
    o->learn_share = share;
    return OK;
}

/* "2 per week" */
static enum rc set_alarms(struct config *c, const char *s, struct err *err)
{
    char spec[128];

    if ((size_t)snprintf(spec, sizeof spec, "budget:%s", s) >= sizeof spec)
        return err_set(err, E_CONFIG,
                       "--alarms: expected how often, as '2 per week', found '%.80s'", s);
    return config_set(c, "threshold", spec, "--alarms", err);
}

enum rc replay_options_configure(struct replay_options *o, struct err *err)
{
    struct config *const c = &o->config;
    const struct {
        const char *value, *key, *where;
    } set[] = {
        {o->data_dir, "data_dir", "--data-dir"},
        {o->data ? NULL : o->profile, "profile", "--profile"},
        {o->interval, "sources.host.interval", "--interval"},
        {o->threshold, "threshold", "--threshold"},
    };
    enum rc rc = OK;

    config_defaults(c);
    if (o->file)
        rc = config_load(o->file, c, err);
    for (size_t i = 0; rc == OK && i < sizeof set / sizeof set[0]; i++)
        if (set[i].value)
            rc = config_set(c, set[i].key, set[i].value, set[i].where, err);
    if (rc == OK && o->alarms)
        rc = set_alarms(c, o->alarms, err);
    if (rc == OK && o->confirm)
        rc = set_confirm(c, o->confirm, err);
    c->threshold.confirm = c->confirm; /* what alarms are counted by */
    if (rc == OK)
        rc = set_learn(o, err);
    return rc != OK || o->data ? rc : config_validate(c, err);
}
