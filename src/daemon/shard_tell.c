/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "alert/alertmanager.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/model_files.h"
#include "daemon/shard_private.h"
#include "daemon/storekeeper.h"
#include "writeback/score_writer.h"

void shard_publish(struct shard *s, struct shard_slot *slot)
{
    entity_view(slot->entity, &s->view);
    board_publish(s->o.board, slot->board_slot, &s->view);
}

/* Gives m to the storekeeper, or counts what it would have kept. */
static void keep(struct shard *s, struct storekeeper_message *m)
{
    if (m && queue_push(s->o.store, m))
        return;
    telemetry_add(s->o.telemetry, m ? TEL_DROPPED_STORE_FULL : TEL_DROPPED_NO_MEMORY, 1);
    mem_free(m);
}

void shard_keep_frame(struct shard *s, size_t at, int64_t ts_ms, const struct entity_step *step)
{
    const struct entity *e = s->slot[at].entity;
    struct storekeeper_message *m =
        storekeeper_message_new(KEEP_FRAME, at, step->frame, entity_schema(e)->n);

    if (m) {
        m->ts_ms = ts_ms;
        m->scored = step->scored;
        m->verdict = step->verdict;
        m->model_id = entity_model_id(e);
    }
    keep(s, m);
}

static void keep_incident(struct shard *s, size_t at, const struct incident *in, const char *words)
{
    keep(s, storekeeper_incident_new(at, in, words));
}

void shard_keep_live(struct shard *s, size_t at)
{
    struct storekeeper_message *m = storekeeper_message_new(KEEP_LIVE, at, NULL, 0);

    if (m) {
        m->model_id = entity_model_id(s->slot[at].entity);
        m->ts_ms = s->slot[at].now.wall_ms;
    }
    keep(s, m);
}

void shard_keep_model(struct shard *s, size_t at, const char *reason)
{
    const struct entity *e = s->slot[at].entity;
    struct storekeeper_message *m = storekeeper_message_new(KEEP_MODEL, at, NULL, 0);

    if (m) {
        model_files_describe(entity_model(e), entity_model_id(e), &m->model);
        m->model.state = STORE_MODEL_LIVE;
        /* one that joins before its first tick has no time of its own */
        m->model.state_ms = s->slot[at].now.wall_ms ? s->slot[at].now.wall_ms : clock_wall_ms();
        (void)snprintf(m->model.reason, sizeof m->model.reason, "%s", reason);
    }
    keep(s, m);
}

void shard_tell_watching(struct shard *s, size_t at)
{
    const struct entity *e = s->slot[at].entity;
    const struct model *m = entity_model(e);

    announce_watching(s->o.announcer, entity_instance(e), m->schema->n,
                      m->stats.train_rows + m->stats.validation_rows, m->threshold,
                      m->threshold_widening, false);
    shard_tell_threshold(s, e);
}

void shard_tell_threshold(struct shard *s, const struct entity *e)
{
    const struct model *m = entity_model(e);
    char rate[64];

    if (!m || m->threshold_spec.method != THRESHOLD_STAGED)
        return;
    const bool held = m->threshold_by == THRESHOLD_BUDGET;
    (void)snprintf(rate, sizeof rate, "%.4g a week", m->threshold_spec.value);
    announce_break(s->o.announcer);
    log_event(LOG_INFO,
              held ? "the history holds the budget of alarms"
                   : "the history is too short for a budget of alarms: a percentile until then",
              "instance", entity_instance(e), "budget", rate, NULL);
}

void shard_tell_discontinuity(struct shard *s, const struct entity *e,
                              const struct entity_step *step)
{
    static const enum telemetry_id counter[] = {
        [CONTINUITY_GAP] = TEL_GAP,
        [CONTINUITY_SUSPENDED] = TEL_SUSPENDED,
        [CONTINUITY_CLOCK_JUMP] = TEL_CLOCK_JUMP,
        [CONTINUITY_CLOCK_STOPPED] = TEL_CLOCK_STOPPED,
        [CONTINUITY_REBOOTED] = TEL_REBOOTED,
    };
    char what[CONTINUITY_TEXT_MAX];

    if (step->continuity == CONTINUITY_OK)
        return;
    telemetry_add(s->o.telemetry, counter[step->continuity], 1);
    continuity_describe(step->continuity, step->continuity_ms, what);
    announce_break(s->o.announcer);
    log_event(LOG_WARN, what, "instance", entity_instance(e), NULL);
}

void shard_tell_learning(struct shard *s, struct shard_slot *slot)
{
    const struct entity *e = slot->entity;
    uint64_t rows, wanted;

    if (entity_phase(e) != PHASE_LEARNING)
        return;
    entity_progress(e, &rows, &wanted);
    const unsigned tenth = rows >= wanted ? 10 : (unsigned)(rows * 10 / wanted);
    announce_learning(s->o.announcer, entity_instance(e), rows, wanted, entity_interval_ms(e),
                      tenth != slot->told_tenth);
    slot->told_tenth = tenth;
}

void shard_tell_day(struct shard *s, const struct entity *e)
{
    const int64_t ms = entity_day_shift_ms(e);

    announce_break(s->o.announcer);
    log_event(LOG_INFO,
              ms > 0   ? "the day comes an hour sooner than it was learned: were clocks set?"
              : ms < 0 ? "the day comes an hour later than it was learned: were clocks set?"
                       : "the day comes when it was learned to",
              "instance", entity_instance(e), NULL);
}

void shard_tell_refuted(struct shard *s, const struct entity *e)
{
    char threshold[24];

    (void)snprintf(threshold, sizeof threshold, "%.4g", (double)entity_threshold(e));
    announce_break(s->o.announcer);
    log_event(LOG_WARN,
              "it rang more often than is credible, what was learned does not hold: the threshold "
              "goes up",
              "instance", entity_instance(e), "threshold", threshold, NULL);
}

void shard_tell_presence(struct shard *s, struct shard_slot *slot)
{
    static const char *const words[] = {
        [PRESENCE_FINE] = "back", [PRESENCE_ABSENT] = "absent", [PRESENCE_FROZEN] = "frozen"};
    const struct schema *schema = entity_schema(slot->entity);

    for (size_t i = 0; i < schema->n; i++) {
        const enum presence_state now = entity_presence(slot->entity, i);
        if (now != slot->told[i])
            announce_feature(s->o.announcer, entity_instance(slot->entity), schema->f[i].name,
                             words[now]);
        slot->told[i] = now;
    }
}

/* Those that nobody is paged for are a line in the log. */
static void tell_quietly(struct shard *s, const struct entity *e, const struct entity_step *step)
{
    const struct incident *in = &step->incident;
    const bool opened = step->event == WATCH_OPENED;
    char score[32], threshold[32];

    if (step->event == WATCH_UPDATED)
        return;
    if (opened)
        telemetry_add(s->o.telemetry, in->maintenance ? TEL_MAINTAINED : TEL_OBSERVED, 1);
    (void)snprintf(score, sizeof score, "%.4g", (double)in->peak_score);
    (void)snprintf(threshold, sizeof threshold, "%.4g", (double)in->threshold);
    announce_break(s->o.announcer);
    log_event(LOG_INFO,
              in->maintenance
                  ? (opened ? "incident in maintenance opened" : "incident in maintenance closed")
                  : (opened ? "observed, nobody is paged" : "what was observed is over"),
              "instance", entity_instance(e), "score", score, "threshold", threshold, "cause",
              in->n_causes ? entity_schema(e)->f[in->causes[0].feature].name : "-", NULL);
}

void shard_tell_incident(struct shard *s, size_t at, const struct entity_step *step)
{
    const struct entity *e = s->slot[at].entity;
    const struct schema *schema = entity_schema(e);

    if (step->event == WATCH_QUIET)
        return;
    if (watch_pages(step->event, &step->incident)) {
        telemetry_add(s->o.telemetry, TEL_INCIDENTS, 1);
        announce_opened(s->o.announcer, entity_instance(e), schema, &step->incident);
    } else if (!incident_pages(&step->incident)) {
        tell_quietly(s, e, step);
    } else if (step->event == WATCH_CLOSED) {
        announce_closed(s->o.announcer, entity_instance(e), schema, &step->incident);
    }
    keep_incident(s, at, &step->incident, "");
    if (incident_pages(&step->incident))
        alertmanager_tell(s->o.alertmanager, entity_instance(e), schema, &step->incident, "");
}

void shard_tell_slow(struct shard *s, size_t at, enum watch_event event,
                     const struct slow_change *slow)
{
    const struct entity *e = s->slot[at].entity;
    char text[REFERENCE_TEXT_MAX];

    if (event == WATCH_QUIET)
        return;
    reference_describe(slow, entity_schema(e), text);
    if (event == WATCH_OPENED)
        telemetry_add(s->o.telemetry, TEL_INCIDENTS, 1);
    announce_break(s->o.announcer);
    log_event(event == WATCH_CLOSED ? LOG_INFO : LOG_WARN,
              slow->incident.accepted ? "slow incident accepted by an operator: the new normal"
              : event == WATCH_OPENED ? "slow incident opened"
              : event == WATCH_CLOSED ? "slow incident closed"
                                      : "slow incident grew",
              "instance", entity_instance(e), "why", text, NULL);
    keep_incident(s, at, &slow->incident, text);
    alertmanager_tell(s->o.alertmanager, entity_instance(e), entity_schema(e), &slow->incident,
                      text);
}

void shard_tell_slow_goes_on(struct shard *s, size_t at)
{
    const struct entity *e = s->slot[at].entity;
    struct slow_change slow;
    char text[REFERENCE_TEXT_MAX];

    if (!entity_slow(e, &slow))
        return;
    reference_describe(&slow, entity_schema(e), text);
    announce_break(s->o.announcer);
    log_event(LOG_WARN, "slow incident goes on", "instance", entity_instance(e), "why", text, NULL);
    keep_incident(s, at, &slow.incident, text);
    alertmanager_tell(s->o.alertmanager, entity_instance(e), entity_schema(e), &slow.incident,
                      text);
}

static bool is_state_due(const struct shard *s, size_t at, int64_t resume_ms, int64_t ts_ms)
{
    enum { MINUTE_MS = 60 * 1000, MINUTES = 60 };
    const int64_t after_ms = (int64_t)(at % MINUTES) * MINUTE_MS;

    return resume_ms != s->slot[at].kept_ms &&
           (ts_ms >= resume_ms + after_ms || ts_ms < resume_ms); /* a clock that was set back */
}

void shard_keep_reference(struct shard *s, size_t at, int64_t ts_ms, bool now)
{
    const struct reference *r = entity_reference(s->slot[at].entity);
    const int64_t resume_ms = reference_resume_ms(r);
    CLEANUP(buf_done) struct buf state = {.limit = STORE_STATE_MAX};

    buf_init(&state, STORE_STATE_MAX);
    if (!now && !is_state_due(s, at, resume_ms, ts_ms))
        return;
    s->slot[at].kept_ms = resume_ms;
    reference_encode(r, &state);
    keep(s, state.failed ? NULL : storekeeper_state_new(at, ts_ms, state.p, state.n));
}

void shard_write_score(struct shard *s, size_t at, const struct verdict *v, bool ended)
{
    struct written_score score = {.ts_ms = v->ts_ms,
                                  .score = (double)v->score,
                                  .threshold = (double)v->threshold,
                                  .detected = s->view.ringing,
                                  .ended = ended};

    if (!s->o.writer)
        return;
    (void)snprintf(score.instance, sizeof score.instance, "%s",
                   entity_instance(s->slot[at].entity));
    (void)score_writer_push(s->o.writer, &score); /* counts what it drops */
}

void shard_tell_dropped(struct shard *s, struct shard_slot *slot, const struct err *err)
{
    telemetry_add(s->o.telemetry,
                  err->rc == E_STATE   ? TEL_DROPPED_OUT_OF_ORDER
                  : err->rc == E_NOMEM ? TEL_DROPPED_NO_MEMORY
                                       : TEL_DROPPED_SERIES_LIMIT,
                  1);
    if (slot->dropped == err->rc)
        return;
    slot->dropped = err->rc;
    announce_break(s->o.announcer);
    log_event(LOG_WARN, "tick dropped", "instance", entity_instance(slot->entity), "err", err->msg,
              NULL);
}
