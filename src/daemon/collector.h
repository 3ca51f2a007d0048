/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "base/queue.h"
#include "data/telemetry.h"
#include "source/host.h"

/* collector - the thread that reads the host source at each interval and sends ticks to a shard
 *
 * Ticks keep their phase: a late one does not shift the next, a missed one is not made up for.
 * Thread: start and stop from main. */
struct collector;

struct collector_options {
    struct host *host; /* lent until collector_stop */
    int64_t interval_ms;
    size_t slot;                 /* the entity's */
    struct queue *shard;         /* of struct shard_message; lent */
    struct telemetry *telemetry; /* lent */
};

MUST_CHECK enum rc collector_start(const struct collector_options *o, struct collector **ret,
                                   struct err *err);
void collector_stop(struct collector *c); /* at once, waits for the thread; NULL is fine */
