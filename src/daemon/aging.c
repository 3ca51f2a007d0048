/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/aging.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "feature/season.h"

enum rc aging_init(struct aging *a, const struct schema *schema, struct err *err)
{
    memset(a, 0, sizeof *a);
    a->scratch = mem_array(schema->n, sizeof *a->scratch);
    if (!a->scratch)
        return err_set(err, E_NOMEM, "aging: no memory");
    return reference_new(schema, &a->reference, err);
}

void aging_done(struct aging *a)
{
    reference_free(a->reference);
    drift_free(a->drift);
    mem_free(a->scratch);
}

enum rc aging_set_model(struct aging *a, const struct model *m, struct err *err)
{
    struct drift *d = NULL;

    if (drift_new(m, &d, err) != OK)
        return err->rc;
    drift_free(a->drift);
    a->drift = d;
    return OK;
}

void aging_take_reference(struct aging *a, struct reference *r)
{
    reference_free(a->reference);
    a->reference = r;
}

enum watch_event aging_accept(struct aging *a, int64_t ts_ms, struct slow_change *ret)
{
    const enum watch_event event = reference_accept(a->reference, ts_ms, REFERENCE_OPEN, ret);

    if (event != WATCH_QUIET)
        ret->incident.kind = INCIDENT_SLOW;
    return event;
}

void aging_recall(struct aging *a, int64_t ts_ms, const float *frame, bool learnable)
{
    struct slow_change unheard; /* what is open in the end is told */

    (void)reference_push(a->reference, ts_ms, frame, learnable, &unheard);
}

void aging_push(struct aging *a, const struct model *m, int64_t ts_ms, int64_t day_shift_ms,
                const float *frame, float score, bool learnable, struct aging_step *ret)
{
    ret->event = reference_push(a->reference, ts_ms, frame, learnable, &ret->slow);
    if (ret->event != WATCH_QUIET)
        ret->slow.incident.kind = INCIDENT_SLOW;
    ret->drifted = false;
    if (!m || !a->drift || !learnable)
        return;
    season_subtract(&m->season, season_time(ts_ms, day_shift_ms), frame, a->scratch);
    ret->drifted = drift_push(a->drift, ts_ms, a->scratch, score, &ret->drift);
}

bool aging_slow(const struct aging *a, struct slow_change *ret)
{
    if (!reference_open(a->reference, ret))
        return false;
    ret->incident.kind = INCIDENT_SLOW;
    return true;
}

float aging_drift_evidence(const struct aging *a)
{
    return a->drift ? drift_evidence(a->drift) : NAN;
}
