/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct config;
struct model;
struct profile;
struct option; /* of getopt.h */

/* verb - one word after `tocsin`: one file a verb, one row in the table of main.c
 *
 * A verb parses its own options with getopt_long, prints results on stdout and trouble on
 * stderr ("tocsin: sentence"), and returns an exit code. `--help` prints help to stdout. */

enum exit_code {
    EXIT_FINE = 0,
    EXIT_TROUBLE = 1, /* it was tried and failed */
    EXIT_USAGE = 2,   /* the command line or the configuration is wrong */
    EXIT_SILENT = 3,  /* drill: the bell did not ring; status: not healthy */
};

struct verb {
    const char *name;
    const char *summary;               /* one line for `tocsin --help` */
    const char *help;                  /* the whole text of `tocsin NAME --help`, with an example */
    int (*run)(int argc, char **argv); /* argv[0] is the verb */
};

extern const struct verb verb_run, verb_train, verb_tune, verb_score, verb_evaluate, verb_explain,
    verb_replay, verb_check, verb_status, verb_drill, verb_sample, verb_mark, verb_models,
    verb_import, verb_export, verb_import_model;

/* Print "tocsin: SENTENCE" to stderr; returns the exit code that fits err->rc (E_CONFIG and
 * E_PARSE of the command line are the caller's business: EXIT_TROUBLE here, E_CONFIG = usage). */
int verb_fail(const struct err *err);
/* Print "tocsin VERB: SENTENCE" and a pointer to --help; returns EXIT_USAGE. */
int verb_usage(const struct verb *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The words after a verb. short_options begin with ':', and each has a long form. */
struct verb_words {
    const struct verb *verb;
    int argc;
    char **argv;
    const char *short_options;
    const struct option *long_options; /* their letters are ASCII */
    bool seen[128];                    /* by letter */
};
enum { VERB_REFUSED = 0 };

/* getopt_long, but strict: its answer, -1 at the end of the options, or VERB_REFUSED once a
 * sentence says what is wrong: an option that is unknown, cut short, given twice or without its
 * value. ret_at: NULL, or where to put its place in long_options. */
int verb_option(struct verb_words *w, int *ret_at);

/* The profile that the configuration names; an error begins with the place that names it: option,
 * or where option is NULL the file, if there is one. What is wrong inside is E_CONFIG. The caller
 * owns *ret. */
MUST_CHECK enum rc verb_profile(const struct config *c, const char *file, const char *option,
                                struct profile **ret, struct err *err);

/* The model in a file. threshold: NULL, or the value of the option of that name, which is asked of
 * it; *ret_id is the file's. The caller owns a reference. */
MUST_CHECK enum rc verb_model(const char *path, const char *threshold, struct model **ret,
                              uint64_t *ret_id, struct err *err);

/* A time on the command line: RFC 3339, or Unix seconds with or without a fraction. E_CONFIG. */
MUST_CHECK enum rc verb_time(const char *s, const char *option, int64_t *ret_ms, struct err *err);

/* Before the work: -o FILE can be written, and is none of the files others[n] (NULL: not given)
 * that are read or kept. "-" is no file: what is written whole is no stream. E_CONFIG, E_IO. */
MUST_CHECK enum rc verb_output(const char *path, const char *const *others, size_t n,
                               struct err *err);
