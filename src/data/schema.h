/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* schema - the ordered features of a frame: names, and what is known about each
 *
 * A model is bound to the hash, which covers names, order and the definition (not units or groups).
 * Thread: immutable once made, so any thread may read it. */

enum {
    SCHEMA_FEATURES_MAX = 1024,
    FEATURE_NAME_MAX = 96, /* bytes, with the NUL */
    FEATURE_UNIT_MAX = 24,
    FEATURE_GROUP_MAX = 24,
};

struct feature {
    char name[FEATURE_NAME_MAX];   /* Prometheus label-value safe: [A-Za-z_][A-Za-z0-9_.:-]* */
    char unit[FEATURE_UNIT_MAX];   /* ratio, percent, bytes, bytes/s, s, ops/s, count, ...; or "" */
    char group[FEATURE_GROUP_MAX]; /* its nature: cpu, memory, disk, network, ...; or "" */
    float resolution; /* the least change worth noticing, natural units; 0 = not known */
    bool weightless;  /* kept, shown and missed when absent, but never part of a score */
};

struct schema {
    uint64_t hash;
    uint64_t definition; /* hash of what the features mean: a profile's expressions, resolutions and
                          * interval; 0 for columns of a file, which mean what they are called */
    size_t n;
    struct feature f[];
};

/* A copy of n features. E_PARSE names a feature whose name is malformed or comes twice; E_LIMIT
 * over SCHEMA_FEATURES_MAX or for none. The caller owns *ret. */
MUST_CHECK enum rc schema_new(const struct feature *f, size_t n, struct schema **ret,
                              struct err *err);
/* Give s its definition, and the hash that goes with it. While s is being made. */
void schema_define(struct schema *s, uint64_t definition);

struct schema *schema_copy(const struct schema *s); /* NULL: no memory */
void schema_free(struct schema *s);                 /* NULL is fine */
static inline void schema_freep(struct schema **s)
{
    schema_free(*s);
}
int schema_find(const struct schema *s, struct str name); /* index or -1 */

/* OK when b has a's features in a's order; else E_STATE and the first difference in words. The
 * definition is not compared: a file's columns may be scored by a live model. */
MUST_CHECK enum rc schema_match(const struct schema *a, const struct schema *b, struct err *err);
