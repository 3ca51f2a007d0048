/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/intake.h"
#include "data/push.h"
#include "data/series.h"
#include "data/source_spec.h"
#include "data/telemetry.h"

/* remote_write - receives what Prometheus, vmagent and others push: Remote-Write 1.0 and 2.0
 *
 * A body is unpacked, decoded and held to its specification before any of it counts. Then all of
 * its samples that can be taken are, or, when there is no room, none is, and the sender is to come
 * again. docs/remote_write.md has what is answered when, and what a crash can lose.
 * Thread: any, one at a time (a lock inside): the server's calls remote_write_take, and a thread
 * of its own sees to it that ticks do not wait for the next push. The intake is called by both,
 * never by two at once.
 * Source: prometheus.io/docs/specs/prw, remote_write_spec, remote_write_spec_2_0. */
struct remote_write;

struct remote_write_options {
    const struct remote_write_spec *spec; /* lent, like all here, until remote_write_free */
    const struct intake *intake;
    struct telemetry *telemetry;
    /* Whether some feature asks for this series (its labels are not sorted). NULL: all are taken.
     * Asked once a series. */
    bool (*wants)(void *arg, const struct series *s);
    void *wants_arg;
    const char *share; /* the label of series that says whom their entity is like (intake->group);
                          NULL: nobody asks */
    uint64_t seed;     /* one that no sender knows: see known_series.h */
};

MUST_CHECK enum rc remote_write_new(const struct remote_write_options *o, struct remote_write **ret,
                                    struct err *err);
void remote_write_free(struct remote_write *r); /* stops; NULL is fine */
static inline void remote_write_freep(struct remote_write **r)
{
    remote_write_free(*r);
}

/* A struct push_receiver's function: arg is the struct remote_write. */
void remote_write_take(void *arg, const struct push *p, struct push_reply *ret);

/* Time passes; what remote_write_start's thread calls each second, and tests in its place. True:
 * more is due, call again soon. */
bool remote_write_poll(struct remote_write *r, int64_t wall_ms, int64_t mono_ms);

MUST_CHECK enum rc remote_write_start(struct remote_write *r, struct err *err);
/* Ends the thread, answers 503 from now on, and hands on what waits for more of its time, as far as
 * the intake takes it. After it the intake is not called. */
void remote_write_stop(struct remote_write *r);
