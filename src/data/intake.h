/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/series.h"

/* intake - where a source hands on what it got of many entities
 *
 * The daemon implements it, once for each configured source; a source knows nothing of what comes
 * after. An entity is made at the first tick or frame with its name.
 * Thread: one thread calls for one entity at a time; different ones may call at once. */
struct intake {
    void *arg; /* the first argument of each */

    /* All samples of one entity at s->ts_ms, a time after the entity's last one, unless it is of
     * this machine's clock and that was set back. Takes s whatever comes of it, but for E_LIMIT:
     * the line is full, s is the caller's still, to be handed on again later or to be refused to
     * who sent it. E_CONFIG: no such entity may be made (its name, or too many of them). */
    enum rc (*tick)(void *arg, const char *instance, struct snapshot *s, struct err *err);

    /* The same with base features that a server evaluated: base[n] in the order of the profile, NaN
     * where there was none. Times rise; the past comes first, then the present. E_LIMIT: full, try
     * again. */
    enum rc (*frame)(void *arg, const char *instance, int64_t ts_ms, const double *base, size_t n,
                     struct err *err);

    /* The time of the last frame that is known of the entity, of an earlier run too; 0: none. Its
     * past begins after that. Makes the entity; E_CONFIG and E_LIMIT as tick. */
    enum rc (*last_ms)(void *arg, const char *instance, int64_t *ret_ms, struct err *err);

    /* The entity is one of those that are alike, which share a model: the value of the label that
     * the configuration says (model.share), as far as GROUP_NAME_MAX allows; "": it has none. To be
     * said before its first tick, and again when it is another or after the entity was stale.
     * Makes the entity; E_CONFIG and E_LIMIT as tick. */
    enum rc (*group)(void *arg, const char *instance, const char *name, struct err *err);

    /* No more of the entity's past is coming: learn from what came. Until this is called, an entity
     * whose first frame was of the past only gathers. E_LIMIT: full, try again. */
    enum rc (*caught_up)(void *arg, const char *instance, struct err *err);

    /* The entity could not be asked at ts_ms, or says that it is gone: why, in a few words
     * ("connection refused"). It is stale until its next tick: never an anomaly by itself. */
    void (*stale)(void *arg, const char *instance, int64_t ts_ms, const char *why);
};
