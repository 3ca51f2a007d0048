/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/promotion.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "detect/scorer.h"
#include "detect/watch.h"

struct bell {
    struct scorer *scorer;
    struct watch watch;
    bool rang; /* since the incident's start */
};

struct rehearsal {
    struct confirm_spec confirm;
    struct bell live, candidate;
    bool incident, confirmed, reached; /* of the incident in work: a frame of its own was seen */
    int64_t start_ms;
    struct promotion_figures figures;
};

enum rc rehearsal_new(struct model *live, struct model *candidate, struct confirm_spec confirm,
                      struct rehearsal **ret, struct err *err)
{
    CLEANUP(rehearsal_freep) struct rehearsal *r = mem_alloc(sizeof *r);

    if (!r)
        return err_set(err, E_NOMEM, "rehearsal: no memory");
    r->confirm = confirm;
    if (scorer_new(live, &r->live.scorer, err) != OK ||
        scorer_new(candidate, &r->candidate.scorer, err) != OK)
        return err->rc;
    rehearsal_quiet(r);
    *ret = TAKE(r);
    return OK;
}

void rehearsal_free(struct rehearsal *r)
{
    if (!r)
        return;
    scorer_free(r->live.scorer);
    scorer_free(r->candidate.scorer);
    mem_free(r);
}

/* Count the incident that ends here. */
static void settle(struct rehearsal *r)
{
    struct promotion_figures *f = &r->figures;
    const bool heard = r->live.rang, hears = r->candidate.rang;

    if (!r->incident || !r->reached)
        return;
    if (!heard) {
        f->unheard++;
        f->unheard_gained += hears;
    } else if (r->confirmed) {
        f->confirmed++;
        f->confirmed_missed += !hears;
    } else {
        f->unmarked++;
        f->unmarked_missed += !hears;
    }
}

static void forget(struct bell *b, struct confirm_spec confirm)
{
    scorer_clear(b->scorer);
    watch_init(&b->watch, confirm);
    b->rang = false;
}

static void begin(struct rehearsal *r, bool incident)
{
    settle(r);
    forget(&r->live, r->confirm);
    forget(&r->candidate, r->confirm);
    r->incident = incident;
    r->reached = false;
}

void rehearsal_quiet(struct rehearsal *r)
{
    begin(r, false);
}

void rehearsal_incident(struct rehearsal *r, int64_t start_ms, bool confirmed)
{
    begin(r, true);
    r->start_ms = start_ms;
    r->confirmed = confirmed;
}

static enum watch_event hear(struct bell *b, int64_t ts_ms, const float *frame)
{
    struct verdict v;
    struct incident in;

    scorer_push(b->scorer, ts_ms, frame, &v);
    return watch_push(&b->watch, &v, &in);
}

void rehearsal_push(struct rehearsal *r, int64_t ts_ms, const float *frame)
{
    struct promotion_figures *f = &r->figures;
    const bool live_opened = hear(&r->live, ts_ms, frame) == WATCH_OPENED;
    const bool candidate_opened = hear(&r->candidate, ts_ms, frame) == WATCH_OPENED;

    if (r->incident) {
        if (ts_ms < r->start_ms)
            return;
        r->reached = true;
        r->live.rang |= r->live.watch.open;
        r->candidate.rang |= r->candidate.watch.open;
        return;
    }
    f->quiet_frames++;
    f->live_opened += live_opened;
    f->candidate_opened += candidate_opened;
    f->live_ringing += r->live.watch.open;
    f->candidate_ringing += r->candidate.watch.open;
}

void rehearsal_figures(struct rehearsal *r, struct promotion_figures *ret)
{
    rehearsal_quiet(r);
    *ret = r->figures;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

bool promotion_judge(const struct promotion_figures *f, char ret_reason[PROMOTION_REASON_MAX])
{
    const double live = share(f->live_ringing, f->quiet_frames);
    const double candidate = share(f->candidate_ringing, f->quiet_frames);

    if (f->confirmed_missed > 0) {
        (void)snprintf(ret_reason, PROMOTION_REASON_MAX,
                       "it does not ring for %" PRIu32 " of %" PRIu32
                       " confirmed incidents that the live model rings for",
                       f->confirmed_missed, f->confirmed);
        return false;
    }
    if (f->unmarked_missed > f->unmarked / PROMOTION_MISSED) {
        (void)snprintf(ret_reason, PROMOTION_REASON_MAX,
                       "it does not ring for %" PRIu32 " of %" PRIu32
                       " incidents that the live model rings for, more than one in %d",
                       f->unmarked_missed, f->unmarked, PROMOTION_MISSED);
        return false;
    }
    if (f->candidate_opened > f->live_opened + PROMOTION_OPENED * (f->entities ? f->entities : 1)) {
        (void)snprintf(ret_reason, PROMOTION_REASON_MAX,
                       "it opens %" PRIu32 " incidents in %" PRIu64
                       " quiet frames, the live model %" PRIu32,
                       f->candidate_opened, f->quiet_frames, f->live_opened);
        return false;
    }
    if (candidate > live + PROMOTION_RINGING) {
        (void)snprintf(ret_reason, PROMOTION_REASON_MAX,
                       "it rings for %.1f %% of %" PRIu64 " quiet frames, the live model for "
                       "%.1f %%",
                       100 * candidate, f->quiet_frames, 100 * live);
        return false;
    }
    (void)snprintf(ret_reason, PROMOTION_REASON_MAX,
                   "it rings for %" PRIu32 " of %" PRIu32
                   " incidents that the live model rings for, and opens %" PRIu32 " in %" PRIu64
                   " quiet frames, the live model %" PRIu32,
                   f->confirmed + f->unmarked - f->unmarked_missed, f->confirmed + f->unmarked,
                   f->candidate_opened, f->quiet_frames, f->live_opened);
    return true;
}
