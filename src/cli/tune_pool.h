/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/settings.h"
#include "tune/search.h"
#include "tune/trial.h"

/* tune_pool - threads that each run one execution at a time
 *
 * They share nothing but the material, which is only read: a task goes to one of them by its queue
 * and comes back by the pool's. Thread: the pool is its holder's. */

struct tune_task {
    struct search_job job;
    struct learn_spec spec;
    struct search_result result; /* when rc is OK */
    enum rc rc;
    struct err err;
    int64_t took_ms;
    size_t worker; /* set by the pool */
};

struct tune_pool;

/* material: lent for the pool's life. */
MUST_CHECK enum rc tune_pool_new(size_t threads, const struct trial_material *material,
                                 struct tune_pool **ret, struct err *err);
/* Cancels what runs, at the end of its epoch; frees tasks that nobody took. NULL is fine. */
void tune_pool_free(struct tune_pool *p);
static inline void tune_pool_freep(struct tune_pool **p)
{
    tune_pool_free(*p);
}

bool tune_pool_idle(const struct tune_pool *p);                 /* a thread waits for a task */
void tune_pool_start(struct tune_pool *p, struct tune_task *t); /* takes t; only when one is idle */
struct tune_task *tune_pool_wait(struct tune_pool *p, int timeout_ms); /* the caller's; or NULL */
size_t tune_pool_running(const struct tune_pool *p);
double tune_pool_progress(const struct tune_pool *p); /* executions in work, as parts of one */
