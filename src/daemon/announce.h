/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/schema.h"
#include "data/verdict.h"

/* announce - what the daemon tells the person in front of it
 *
 * On a terminal: a progress bar while learning, and lines in words, with colour (unless NO_COLOR
 * is set). Elsewhere: the same as log events, progress every 10 %.
 * Thread: any; one lock keeps lines and bar apart. */
struct announcer;

/* pretty: stderr is a terminal and the user did not ask for a log format. */
MUST_CHECK enum rc announcer_new(bool pretty, struct announcer **ret, struct err *err);
void announcer_free(struct announcer *a); /* NULL is fine */

void announce_serving(struct announcer *a, const char *host, uint16_t port);
/* new_tenth: it is another tenth of the learning than when this entity was told of last. */
void announce_learning(struct announcer *a, const char *instance, uint64_t rows, uint64_t wanted,
                       int64_t interval_ms, bool new_tenth);
void announce_training(struct announcer *a, const char *instance, uint32_t epoch, uint32_t of);
void announce_watching(struct announcer *a, const char *instance, size_t features, uint64_t rows,
                       float threshold, float widening, bool restored);
void announce_opened(struct announcer *a, const char *instance, const struct schema *schema,
                     const struct incident *in);
void announce_closed(struct announcer *a, const char *instance, const struct schema *schema,
                     const struct incident *in);
void announce_feature(struct announcer *a, const char *instance, const char *feature,
                      const char *state);
/* Ends the bar, if one stands, so that a log line can follow. Call before log_event. */
void announce_break(struct announcer *a);
