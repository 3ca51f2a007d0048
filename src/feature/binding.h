/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "feature/history.h"
#include "feature/plan.h"

/* binding - a plan tied to the series that there are, so that a tick works on numbers alone
 *
 * For every step it fixes which elements its vector can have, to which group each belongs in an
 * aggregation and which pairs a binary operator matches. A tick only says which elements are
 * present and what they are worth. Made anew when a selector meets a new series.
 * Metric names play no part: a selector has just one, and no supported step groups by it.
 * Thread: its holder's. */

enum { BINDING_ELEMENTS_MAX = 1 << 22 };

/* One series that some selector matches, and where its samples are. */
struct slot {
    const struct series *series;
    uint32_t id; /* in the series set */
    uint32_t class, index;
};

struct slot_list { /* the slots of one selector */
    uint32_t *slots;
    size_t n, capacity;
};

struct bound_node {
    uint32_t at, n;   /* its elements: value[at .. at + n), present[at .. at + n) */
    uint32_t map;     /* in maps: slots, or the groups of a's elements, then of b's */
    uint32_t groups;  /* number of groups */
    uint32_t scratch; /* AGGREGATE, BINARY: [groups] of value and present */
    bool failed;      /* this tick: the server would answer with an error */
};

struct binding {
    struct bound_node *nodes; /* [plan->n_nodes] */
    uint32_t *maps;
    double *value;
    uint8_t *present;
    size_t n_maps, n_elements;
};

/* lists[plan->n_selectors]. E_LIMIT, E_NOMEM. */
MUST_CHECK enum rc binding_init(struct binding *b, const struct plan *plan,
                                const struct slot_list *lists, const struct slot *slots,
                                struct err *err);
void binding_done(struct binding *b); /* a zeroed binding is fine */

/* Compute every step at ts_ms. No allocation. */
void binding_eval(struct binding *b, const struct plan *plan, const struct history *h,
                  const struct slot *slots, int64_t ts_ms);
/* The value of a step: its scalar, or its vector's only element, else NaN. */
double binding_value(const struct binding *b, uint32_t node);
