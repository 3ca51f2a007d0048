/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "data/series.h"

/* plan - all base expressions of a profile, compiled into one flat list of steps
 *
 * A node's arguments come before it, so one pass from first to last computes everything. Equal
 * nodes and equal selectors are stored once, whichever features they come from. Names, matchers
 * and regular expressions are resolved against series when a series is first seen
 * (feature/binding.h), never per sample.
 * Thread: immutable once its profile is loaded, so any thread may read it. */

enum {
    PLAN_NODES_MAX = 8192,
    PLAN_SELECTORS_MAX = 2048,
    PLAN_MATCHERS_MAX = 16, /* of one selector */
    PLAN_LABELS_MAX = 32,   /* of one by, without, on or ignoring */
};

enum plan_op {
    PLAN_NUMBER,    /* number */
    PLAN_TIME,      /* the evaluation's time in seconds */
    PLAN_VECTOR,    /* a: scalar -> vector of one element without labels */
    PLAN_SCALAR,    /* a: vector -> its only value, else NaN */
    PLAN_SELECT,    /* selector: the newest samples */
    PLAN_RANGE,     /* selector, range_ms, fn (enum range_fn): one value a series */
    PLAN_MAP,       /* a, b: fn (enum map_fn) on each value of a; b the scalar bound, or a again */
    PLAN_AGGREGATE, /* a: fn (enum aggregate_fn) over groups by (or without) labels */
    PLAN_BINARY,    /* a, b: fn (enum binary_fn); vectors are matched on (or ignoring) labels */
};

enum range_fn {
    RANGE_RATE,
    RANGE_INCREASE,
    RANGE_DELTA,
    RANGE_IRATE,
    RANGE_IDELTA,
    RANGE_AVG,
    RANGE_MIN,
    RANGE_MAX,
    RANGE_SUM,
    RANGE_COUNT,
    RANGE_LAST,
};

enum map_fn { MAP_NEGATE, MAP_ABS, MAP_CLAMP_MIN, MAP_CLAMP_MAX };

enum aggregate_fn { AGGREGATE_SUM, AGGREGATE_AVG, AGGREGATE_MIN, AGGREGATE_MAX, AGGREGATE_COUNT };

enum binary_fn {
    BINARY_ADD,
    BINARY_SUB,
    BINARY_MUL,
    BINARY_DIV,
    BINARY_MOD,
    BINARY_POW,
    BINARY_EQ,
    BINARY_NE,
    BINARY_LT,
    BINARY_LE,
    BINARY_GT,
    BINARY_GE,
    BINARY_AND,
    BINARY_OR,
    BINARY_UNLESS,
};

enum plan_type { PLAN_TYPE_SCALAR, PLAN_TYPE_VECTOR };

struct plan_node {
    uint8_t op, fn;
    uint8_t type; /* enum plan_type */
    bool as_bool; /* BINARY: the bool modifier */
    bool keep;    /* by, on: the labels are kept; without, ignoring: they are left out */
    uint8_t n_labels;
    uint32_t labels; /* first of its names in plan->labels */
    uint32_t a, b;   /* argument nodes */
    uint32_t selector;
    int64_t range_ms;
    double number;
};

enum matcher_op { MATCHER_EQ, MATCHER_NE, MATCHER_RE, MATCHER_NRE };

struct plan_matcher {
    struct str label, value;
    enum matcher_op op;
    struct regex *re; /* MATCHER_RE, MATCHER_NRE: owned */
};

struct plan_selector {
    struct str name;
    struct plan_matcher *matchers; /* sorted; owned */
    size_t n_matchers;
    int64_t range_ms; /* the longest that a node asks for; 0: the newest sample alone */
};

struct plan_list { /* labels[first .. first + n) */
    uint64_t hash;
    uint32_t first, n;
};

struct plan {
    struct plan_node *nodes;
    struct plan_selector *selectors;
    struct str *labels; /* label names of all nodes */
    struct plan_list *lists;
    char **strings; /* owned bytes behind every struct str here */
    size_t n_nodes, n_selectors, n_labels, n_lists, n_strings;
};

void plan_done(struct plan *p); /* a zeroed plan is an empty one */

/* The number of a node or selector equal to this one, added if it is new. The selector's strings
 * are copied; its regular expressions are compiled here. E_LIMIT, E_NOMEM, E_PARSE. */
MUST_CHECK enum rc plan_node_add(struct plan *p, const struct plan_node *node, uint32_t *ret,
                                 struct err *err);
MUST_CHECK enum rc plan_selector_add(struct plan *p, const struct plan_selector *selector,
                                     uint32_t *ret, struct err *err);
MUST_CHECK enum rc plan_labels_add(struct plan *p, const struct str *names, size_t n,
                                   uint32_t *ret_first, struct err *err);

bool plan_selector_matches(const struct plan_selector *selector, const struct series *s);
