/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/yaml.h"

/* spec - a map of the file into a struct of data/source_spec.h, by a table (private to config/)
 *
 * Texts are copied and owned by the struct: spec_done frees them. */

enum spec_kind {
    SPEC_TEXT,     /* char * */
    SPEC_URL,      /* char *, http:// or https:// */
    SPEC_PATH,     /* char *, that does not start with '~' */
    SPEC_DURATION, /* int64_t, milliseconds */
    SPEC_SIZE,     /* uint64_t, bytes */
    SPEC_BOOL,     /* bool */
    SPEC_LIST,     /* struct text_list */
    SPEC_URLS,     /* the same, each a URL */
    SPEC_LABELS,   /* struct label_text *, with its size_t count at n_offset */
    SPEC_SECTION,  /* a map below: keys, of the struct at offset */
};

struct spec_key {
    const char *name; /* NULL ends a table */
    enum spec_kind kind;
    size_t offset, n_offset;
    bool required, secret;
    double least, most;          /* numbers: both allowed */
    const struct spec_key *keys; /* SPEC_SECTION */
    const char *help;            /* printed where the key stands */
};

enum { SPEC_LIST_MAX = 10000 }; /* entries of one list */

/* at, filled with defaults, takes what the map says; `what` is the map in words ("scrape"). Texts
 * taken before a failure are in at all the same. E_CONFIG with FILE:LINE:COLUMN; E_NOMEM. */
MUST_CHECK enum rc spec_load(const struct yaml *y, const struct yaml_node *map, const char *what,
                             const struct spec_key *keys, void *at, struct err *err);
void spec_done(const struct spec_key *keys, void *at);
/* YAML that spec_load reads, each line indented; what is not set is left out, a secret is
 * "<secret>". */
void spec_print(const struct spec_key *keys, const void *at, int indent, struct buf *out);

/* A default or a copy. E_NOMEM. */
MUST_CHECK enum rc spec_text(char **at, const char *text, struct err *err);
