/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* targets - what became of those that are asked for their metrics: for an API and for /metrics
 *
 * Plain values, a copy of one moment. */

struct target_view {
    const char *job, *instance, *url;
    bool asked;        /* an answer came, or failed, at least once */
    bool up;           /* the last scrape worked */
    int64_t last_ms;   /* of the last scrape, Unix milliseconds */
    double duration_s; /* of the last scrape */
    uint64_t scrapes;  /* so far */
    uint64_t failures; /* of them */
    uint64_t dropped;  /* ticks that were not taken: the line was full, or it cannot be an entity */
    size_t samples;    /* of the last good body */
    size_t taken;      /* of them, into the snapshot */
    const char *error; /* of the last scrape, "" */
};

struct target_list {
    size_t n;
    struct target_view *v; /* by job, then by instance */
};

/* Who can tell; list NULL: nobody asks anybody. */
struct target_lister {
    void *arg;
    /* A copy of this moment, to be freed by target_list_free. NULL: no memory, or nobody is asked
     * just now. Called from the server's thread. */
    struct target_list *(*list)(void *arg);
};

void target_list_free(struct target_list *l); /* NULL is fine */
static inline void target_list_freep(struct target_list **l)
{
    target_list_free(*l);
}
