/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* yaml - a YAML file as a small tree in which every node knows its line (parsed by libyaml)
 *
 * One document; plain scalars, maps with scalar keys, lists. Refused with a sentence: anchors
 * and aliases, tags, duplicate keys, more than YAML_DEPTH_MAX levels, YAML_NODES_MAX nodes or
 * YAML_BYTES_MAX bytes, bytes that are not UTF-8. Every message starts with FILE:LINE:COLUMN.
 * Thread: immutable once parsed. */

enum { YAML_DEPTH_MAX = 16, YAML_NODES_MAX = 65536, YAML_BYTES_MAX = 1 << 20 };

enum yaml_kind { YAML_SCALAR, YAML_MAP, YAML_LIST };

struct yaml_node {
    enum yaml_kind kind;
    bool quoted;              /* a scalar in quotes: "15" is text */
    uint32_t line, column;    /* from 1 */
    struct str scalar;        /* YAML_SCALAR; NUL-terminated too. A null value is an empty scalar */
    size_t n;                 /* entries of a map or list */
    struct yaml_node *keys;   /* YAML_MAP: [n] scalars */
    struct yaml_node *values; /* YAML_MAP, YAML_LIST: [n] */
};

struct yaml;

/* Takes nothing: text is copied. `file` is the name that messages use. */
MUST_CHECK enum rc yaml_parse(struct str text, const char *file, struct yaml **ret,
                              struct err *err);
/* NULL is fine. libyaml calls its own, exported yaml_free: the linker's name must differ. */
void yaml_free(struct yaml *y) __asm__("tocsin_yaml_free");
static inline void yaml_freep(struct yaml **y)
{
    yaml_free(*y);
}
const struct yaml_node *yaml_root(const struct yaml *y); /* an empty file is an empty map */
const char *yaml_file(const struct yaml *y);

const char *yaml_kind_name(const struct yaml_node *node); /* "a list", "a map", "a single value" */
/* "key:" with nothing after it */
static inline bool yaml_is_null(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && node->scalar.n == 0 && !node->quoted;
}

/* The value under key, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* "FILE:LINE:COLUMN: " and the sentence; returns E_CONFIG. */
enum rc yaml_fail(const struct yaml *y, const struct yaml_node *at, struct err *err,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* at is a map whose keys are all known; else E_CONFIG that names the nearest known key. `what`
 * is the map in words ("the configuration", "learn"). */
MUST_CHECK enum rc yaml_expect_keys(const struct yaml *y, const struct yaml_node *at,
                                    const char *what, const char *const *known, size_t n_known,
                                    struct err *err);
