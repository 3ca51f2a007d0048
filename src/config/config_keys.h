/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "config/config.h"

/* config_keys - the table of all configuration keys (private to config/)
 *
 * One row a key: where it stands in the file and in struct config, what it takes, what it is
 * for. Reading, printing and checking of a single value are here; config.c walks the table. */

enum config_kind {
    CONFIG_TEXT,
    CONFIG_PATH,     /* text that must not start with '~' */
    CONFIG_ADDRESS,  /* HOST:PORT */
    CONFIG_DURATION, /* int64_t, milliseconds */
    CONFIG_SIZE,     /* uint64_t, bytes */
    CONFIG_COUNT,    /* uint32_t */
    CONFIG_SEED,     /* uint64_t */
    CONFIG_REAL,     /* double */
    CONFIG_CHOICE,   /* an enum: the index of a word */
    CONFIG_LAYERS,   /* struct learn_spec's layers: a list in YAML, "14,8,14" elsewhere */
    CONFIG_RATE,     /* double, a week: "2 per week"; only with the threshold that uses it */
    CONFIG_LEVEL,    /* the one number of a threshold; only with the method that uses it */
};

struct config_key {
    const char *section; /* "" = the top; "learn"; "sources.host" */
    const char *name;
    enum config_kind kind;
    size_t offset, size;          /* of the member in struct config */
    double least, most;           /* numbers and durations; both allowed unless `open` */
    bool open;                    /* least and most themselves are refused */
    const char *const *words;     /* CONFIG_CHOICE: closed by NULL, in the order of the enum */
    enum threshold_method method; /* CONFIG_LEVEL, _RATE, scope: the method that it belongs to */
    const char *help;
};

enum { CONFIG_PATH_MAX = 64 }; /* bytes of "section.name", with the NUL */

extern const struct config_key config_keys[];
extern const size_t config_n_keys;
extern const char *const config_sections[]; /* without "" and sources; closed by NULL */

/* "learn.for" */
void config_key_path(const struct config_key *k, char out[CONFIG_PATH_MAX]);
/* The row of that path or NULL. */
const struct config_key *config_key_find(struct str path);

/* One value from text into c. E_CONFIG with a sentence that names key, what was expected and what
 * was found. c is unchanged on failure. */
MUST_CHECK enum rc config_key_parse(const struct config_key *k, struct str value, struct config *c,
                                    struct err *err);
/* The value as YAML: quoted where needed, "${" escaped. */
void config_key_format(const struct config_key *k, const struct config *c, struct buf *out);
/* False for a threshold's number that its method does not use: it is not part of the file. */
bool config_key_applies(const struct config_key *k, const struct config *c);
