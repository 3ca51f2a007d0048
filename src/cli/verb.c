/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "config/config.h"
#include "feature/profile.h"
#include "model/model.h"

int verb_fail(const struct err *err)
{
    fprintf(stderr, "tocsin: %s\n", err->msg);
    return err->rc == E_CONFIG ? EXIT_USAGE : EXIT_TROUBLE;
}

int verb_usage(const struct verb *v, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "tocsin %s: ", v->name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nTry `tocsin %s --help`.\n", v->name);
    return EXIT_USAGE;
}

/* The long option whose letter is c, or NULL. */
static const struct option *long_of(const struct verb_words *w, int c)
{
    for (const struct option *o = w->long_options; o->name; o++)
        if (o->val == c)
            return o;
    return NULL;
}

/* What getopt_long could not take, from its answer ':' or '?'. */
static int refuse(const struct verb_words *w, int answer)
{
    const char short_name[] = {'-', (char)optopt, '\0'};
    const char *word = w->argv[optind - 1]; /* a short option may share it, or not be in it yet */
    const struct option *o = long_of(w, optopt);
    const bool is_long = word[0] == '-' && word[1] == '-';

    if (answer == ':')
        (void)verb_usage(w->verb, "'%s' expects a value", is_long ? word : short_name);
    else if (o && o->has_arg == no_argument && is_long && strchr(word, '='))
        (void)verb_usage(w->verb, "'--%s' takes no value", o->name);
    else
        (void)verb_usage(w->verb, "'%s' is not an option", optopt ? short_name : word);
    return VERB_REFUSED;
}

/* Written in full: a part that is plain today need not be when there are more options. */
static bool is_in_full(const struct verb_words *w, const char *name)
{
    const bool apart = optarg && optarg == w->argv[optind - 1];
    const char *word = w->argv[optind - (apart ? 2 : 1)] + 2;

    return strcspn(word, "=") == strlen(name);
}

int verb_option(struct verb_words *w, int *ret_at)
{
    int at = -1;

    opterr = 0; /* one sentence, ours */
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread yet */
    const int c = getopt_long(w->argc, w->argv, w->short_options, w->long_options, &at);
    if (c == -1)
        return -1;
    if (c == '?' || c == ':')
        return refuse(w, c);
    const struct option *o = at >= 0 ? &w->long_options[at] : long_of(w, c);
    if (at >= 0 && !is_in_full(w, o->name)) {
        (void)verb_usage(w->verb, "options are written in full: '--%s'", o->name);
        return VERB_REFUSED;
    }
    if (w->seen[c]) {
        (void)verb_usage(w->verb, "'--%s' is given twice", o->name);
        return VERB_REFUSED;
    }
    w->seen[c] = true;
    if (ret_at)
        *ret_at = (int)(o - w->long_options);
    return c;
}

enum rc verb_profile(const struct config *c, const char *file, const char *option,
                     struct profile **ret, struct err *err)
{
    const size_t n = strlen(c->profile);

    if (profile_load(c->profile, c->host.interval_ms, ret, err) == OK)
        return OK;
    if (err->rc == E_LIMIT || err->rc == E_PARSE)
        err->rc = E_CONFIG;
    if (strncmp(err->msg, c->profile, n) == 0 && err->msg[n] == ':')
        return err->rc; /* the profile's own lines are the place */
    if (option)
        return err_wrap(err, "%s", option);
    if (file)
        config_tell_place(file, "profile", err);
    return err->rc;
}

enum rc verb_model(const char *path, const char *threshold, struct model **ret, uint64_t *ret_id,
                   struct err *err)
{
    struct threshold_spec spec;
    CLEANUP(model_unrefp) struct model *m = NULL;

    if (threshold && config_parse_threshold(threshold, &spec, err) != OK)
        return err_wrap(err, "--threshold");
    if (model_load(path, &m, err) != OK)
        return err->rc;
    *ret_id = model_id(m);
    if (!threshold) {
        *ret = TAKE(m);
        return OK;
    }
    return model_with_threshold(m, &spec, ret, err) == OK ? OK : err_wrap(err, "--threshold");
}

enum rc verb_time(const char *s, const char *option, int64_t *ret_ms, struct err *err)
{
    const double most = 253402300800; /* the year 10000 */
    double seconds;

    if (str_to_rfc3339_ms(str_of(s), ret_ms))
        return OK;
    if (!str_to_double(str_of(s), &seconds) || !(fabs(seconds) < most))
        return err_set(err, E_CONFIG,
                       "%s: expected a time such as 2025-02-20T21:55:00Z or Unix seconds, found "
                       "'%s'",
                       option, s);
    *ret_ms = llround(seconds * 1000);
    return OK;
}

enum rc verb_output(const char *path, const char *const *others, size_t n, struct err *err)
{
    if (strcmp(path, "-") == 0)
        return err_set(err, E_CONFIG, "-o: expected the name of a file, found '-'");
    for (size_t i = 0; i < n; i++)
        if (others[i] && file_same(path, others[i]))
            return err_set(err, E_CONFIG,
                           "-o '%s': expected another file than '%s', found the same", path,
                           others[i]);
    return file_expect_writable(path, err);
}
