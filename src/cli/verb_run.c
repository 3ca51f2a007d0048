/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/verb.h"
#include "config/config.h"
#include "daemon/wiring.h"
#include "feature/profile.h"

/* Options of the command line that stand over the file, kept for reading it again at SIGHUP. */
enum { OVERRIDES_MAX = 64 };

struct run_options {
    const char *file;      /* NULL: no configuration file */
    const char *threshold; /* METHOD:VALUE, or NULL */
    struct {
        const char *key, *value, *option;
    } override[OVERRIDES_MAX];
    size_t n;
    bool relearn, format_chosen;
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"listen", required_argument, NULL, 'l'},
    {"data-dir", required_argument, NULL, 'd'},
    {"profile", required_argument, NULL, 'p'},
    {"interval", required_argument, NULL, 'i'},
    {"instance", required_argument, NULL, 'n'},
    {"learn", required_argument, NULL, 'L'},
    {"seed", required_argument, NULL, 's'},
    {"threshold", required_argument, NULL, 't'},
    {"relearn", no_argument, NULL, 'r'},
    {"log-level", required_argument, NULL, 'v'},
    {"log-format", required_argument, NULL, 'f'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* The configuration key that an option sets; NULL: it is none of these. */
static const char *key_of(int option)
{
    switch (option) {
    case 'l':
        return "listen";
    case 'd':
        return "data_dir";
    case 'p':
        return "profile";
    case 'i':
        return "sources.host.interval";
    case 'n':
        return "sources.host.instance";
    case 'L':
        return "learn.for";
    case 's':
        return "learn.seed";
    case 'v':
        return "log.level";
    case 'f':
        return "log.format";
    default:
        return NULL;
    }
}

static enum rc load(void *arg, struct config *ret, struct peers **ret_peers, struct err *err)
{
    CLEANUP(profile_freep) struct profile *profile = NULL;
    CLEANUP(peers_freep) struct peers *peers = NULL;
    const struct run_options *o = arg;
    const char *profile_option = NULL;
    struct config c;

    if (peers_load(o->file, &c, &peers, err) != OK)
        return err->rc;
    for (size_t i = 0; i < o->n; i++) {
        if (config_set(&c, o->override[i].key, o->override[i].value, o->override[i].option, err) !=
            OK)
            return err->rc;
        if (strcmp(o->override[i].key, "profile") == 0)
            profile_option = o->override[i].option;
    }
    if (o->threshold && config_set(&c, "threshold", o->threshold, "--threshold", err) != OK)
        return err->rc;
    if (config_validate(&c, err) != OK)
        return err->rc;
    /* looked at here already, where it is known who named it */
    if (verb_profile(&c, o->file, profile_option, &profile, err) != OK)
        return err->rc;
    *ret = c;
    *ret_peers = TAKE(peers);
    return OK;
}

/* Fills o; an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct run_options *o)
{
    static char dashed[sizeof long_options / sizeof long_options[0]][24];
    struct verb_words words = {&verb_run, argc, argv, ":c:h", long_options, {0}};
    int at, c;

    while ((c = verb_option(&words, &at)) != -1) {
        const char *key = key_of(c);
        if (c == 'h') {
            fputs(verb_run.help, stdout);
            return EXIT_FINE;
        }
        if (c == VERB_REFUSED)
            return EXIT_USAGE;
        if (c == 'c')
            o->file = optarg;
        if (c == 't')
            o->threshold = optarg;
        if (c == 'r')
            o->relearn = true;
        if (c == 'f')
            o->format_chosen = true;
        if (!key)
            continue;
        if (o->n == OVERRIDES_MAX)
            return verb_usage(&verb_run, "more than %d options", OVERRIDES_MAX);
        snprintf(dashed[at], sizeof dashed[at], "--%s", long_options[at].name);
        o->override[o->n].key = key;
        o->override[o->n].value = optarg;
        o->override[o->n++].option = dashed[at];
    }
    if (optind < argc)
        return verb_usage(&verb_run, "expected no more words, found '%s'", argv[optind]);
    return -1;
}

static int run(int argc, char **argv)
{
    CLEANUP(peers_freep) struct peers *peers = NULL;
    struct run_options o = {0};
    struct daemon_options d = {.reload = load, .arg = &o};
    struct err err;

    const int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    if (load(&o, &d.config, &peers, &err) != OK)
        return verb_fail(&err);
    d.peers = peers;
    d.relearn = o.relearn;
    d.terminal = isatty(STDERR_FILENO);
    d.pretty = d.terminal && !o.format_chosen;
    return daemon_run(&d, &err) == OK ? EXIT_FINE : verb_fail(&err);
}

const struct verb verb_run = {
    .name = "run",
    .summary = "learn this machine, then watch it and ring",
    .help =
        "usage: tocsin run [OPTION...]\n\n"
        "Learns what is normal on this machine (10 minutes unless told otherwise), then watches\n"
        "it each second. Needs no configuration. A restart goes straight to watching.\n\n"
        "  -c, --config FILE      configuration (tocsin check --print shows all keys)\n"
        "      --listen HOST:PORT page, /metrics and API (default 127.0.0.1:8001; port 0: any)\n"
        "      --data-dir DIR     history and models (default /var/lib/tocsin as root, else\n"
        "                         $XDG_STATE_HOME/tocsin)\n"
        "      --profile NAME     features: node, classic, or a YAML file (default node)\n"
        "      --interval TIME    between samples (default 1s)\n"
        "      --instance NAME    the label `instance` (default: this machine's name)\n"
        "      --learn TIME       how long to learn (default 10m)\n"
        "      --relearn          forget the model and history of earlier runs\n"
        "      --threshold SPEC   staged (default: percentile:99.5 while the history is short,\n"
        "                         then budget:2/week), percentile:99.5, sigma:3, fixed:0.1998,\n"
        "                         auto or budget:2/week (false alarms, per hour, day, week, "
        "month)\n"
        "      --seed N           of the training (default 1)\n"
        "      --log-level LEVEL  debug, info, warn or error (default info)\n"
        "      --log-format FORM  logfmt or json; on a terminal the default is plain words\n"
        "  -h, --help             this text\n\n"
        "Signals: SIGTERM and SIGINT stop it, SIGHUP reads the configuration again, SIGUSR1 has\n"
        "it learn anew.\n"
        "Exit codes: 0 stopped as told, 1 it could not start, 2 the options or the configuration\n"
        "are wrong.\n\n"
        "Example: tocsin run --learn 2m --listen 127.0.0.1:9700\n",
    .run = run,
};
