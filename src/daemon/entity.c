/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/entity_private.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum rc entity_new(const struct entity_options *o, struct entity **ret, struct err *err)
{
    const struct schema *schema = profile_schema(o->profile);
    CLEANUP(entity_freep)
    struct entity *e = mem_alloc(sizeof *e + schema->n * sizeof e->frame[0]);

    if (!e)
        return err_set(err, E_NOMEM, "entity '%s': no memory", o->instance);
    if (strlen(o->instance) >= sizeof e->instance)
        return err_set(err, E_LIMIT, "instance '%.40s…': longer than %zu bytes", o->instance,
                       sizeof e->instance - 1);
    memcpy(e->instance, o->instance, strlen(o->instance) + 1);
    e->profile = o->profile;
    e->schema = schema;
    e->interval_ms = o->interval_ms;
    e->remote = o->remote;
    e->wanted_rows = o->wanted_rows;
    e->phase = PHASE_LEARNING;
    e->base = mem_array(profile_base_count(o->profile), sizeof *e->base);
    if (!e->base)
        return err_set(err, E_NOMEM, "entity '%s': no memory", o->instance);
    continuity_init(&e->continuity, o->interval_ms);
    line_init(&e->line, o->confirm, o->interval_ms);
    if (evaluator_new(o->profile, o->interval_ms, &e->evaluator, err) != OK ||
        deriver_new(o->profile, &e->deriver, err) != OK ||
        aging_init(&e->aging, schema, err) != OK || dataset_new(schema->n, &e->learned, err) != OK)
        return err_wrap(err, "entity '%s'", o->instance);
    *ret = TAKE(e);
    return OK;
}

void entity_free(struct entity *e)
{
    if (!e)
        return;
    evaluator_free(e->evaluator);
    deriver_free(e->deriver);
    mem_free(e->base);
    dataset_free(e->learned);
    line_done(&e->line);
    presence_free(e->presence);
    aging_done(&e->aging);
    mem_free(e);
}

/* What is made of several samples is not made of those on both sides of a gap. */
static void fill_anew(struct entity *e)
{
    deriver_clear(e->deriver);
    if (e->presence)
        presence_clear(e->presence);
    e->ready_ms = 0;
}

static void forget_frames(struct entity *e)
{
    fill_anew(e);
    line_forget(&e->line);
}

/* What came before the clock or the machine jumped must not stand beside what comes after it. */
static void forget_windows(struct entity *e)
{
    evaluator_clear(e->evaluator);
    forget_frames(e);
}

/* Training sees time that rises by the interval, even over a clock set back. */
static enum rc learn(struct entity *e, int64_t ts_ms, const float *frame, struct err *err)
{
    const size_t rows = e->learned->rows;

    if (rows && ts_ms <= e->learned->ts_ms[rows - 1])
        ts_ms = e->learned->ts_ms[rows - 1] + e->interval_ms;
    return dataset_append(e->learned, ts_ms, frame, err);
}

static void judge(struct entity *e, struct entity_step *ret)
{
    struct line_step step;

    line_push(&e->line, e->frame_ms, e->frame, &step);
    e->verdict = step.verdict;
    e->scored = true;
    ret->scored = true;
    ret->verdict = step.verdict;
    ret->event = step.event;
    if (step.event != WATCH_QUIET)
        ret->incident = step.incident;
    ret->presence_changed = presence_push(e->presence, e->frame);
    ret->day_shifted = step.day_shifted;
    ret->refuted = step.refuted;
}

void entity_recall_verdict(struct entity *e, struct watch *w, const struct verdict *v,
                           bool after_gap)
{
    assert(e->phase == PHASE_WATCHING);
    line_recall_verdict(&e->line, w, v, after_gap);
}

void entity_count_verdict(struct entity *e, struct watch *w, const struct verdict *v,
                          bool after_gap)
{
    assert(e->phase == PHASE_WATCHING);
    line_count_verdict(&e->line, w, v, after_gap);
}

static bool windows_are_full(struct entity *e, int64_t ts_ms)
{
    if (e->ready_ms == 0)
        e->ready_ms = ts_ms + profile_window_ms(e->profile);
    return ts_ms >= e->ready_ms;
}

/* The frame in e->frame, whatever it was made from. */
static enum rc take_frame(struct entity *e, int64_t ts_ms, struct entity_step *ret, struct err *err)
{
    e->frame_ms = ts_ms;
    if (e->phase != PHASE_WATCHING && line_note(&e->line, e->schema, ts_ms, e->frame, err) != OK)
        return err->rc;
    if (e->phase == PHASE_LEARNING && learn(e, ts_ms, e->frame, err) != OK)
        return err->rc;
    ret->frame = e->frame;
    if (e->phase == PHASE_LEARNING) {
        ret->training_due = !e->gathering && e->learned->rows >= e->wanted_rows;
    } else if (e->phase == PHASE_WATCHING && e->gathering) {
        line_recall(&e->line, ts_ms, e->frame); /* its past is no news: nobody is paged for it */
    } else if (e->phase == PHASE_WATCHING) {
        judge(e, ret);
    }
    if (!e->line.watch.held)
        aging_push(&e->aging, e->line.model, ts_ms, entity_day_shift_ms(e), e->frame,
                   ret->scored ? ret->verdict.score : NAN, line_is_quiet(&e->line), &ret->aging);
    return OK;
}

static void note_continuity(struct entity *e, int64_t ts_ms, const struct continuity_clocks *clocks,
                            struct entity_step *ret)
{
    ret->continuity = continuity_push(&e->continuity, clocks, &ret->continuity_ms);
    if (ret->continuity == CONTINUITY_OK)
        return;
    continuity_describe(ret->continuity, ret->continuity_ms, e->discontinuity);
    e->discontinuity_ms = ts_ms;
}

enum rc entity_tick(struct entity *e, const struct snapshot *s,
                    const struct continuity_clocks *clocks, struct entity_step *ret,
                    struct err *err)
{
    memset(ret, 0, sizeof *ret);
    note_continuity(e, s->ts_ms, clocks, ret);
    /* A late tick of this machine is no break: its clocks are sound, and one that stalls must be
     * heard. Of another one, a rate over the few samples since would be far under the truth: what
     * a window lacks at its beginning is only guessed (prometheus, extrapolatedRate). The line
     * tells by itself how long a gap makes another time (departure_is_gap). */
    if (ret->continuity == CONTINUITY_GAP && e->remote) {
        evaluator_clear(e->evaluator);
        fill_anew(e);
    } else if (ret->continuity != CONTINUITY_OK && ret->continuity != CONTINUITY_GAP) {
        forget_windows(e);
    }
    if (evaluator_push(e->evaluator, s, err) != OK)
        return err->rc;
    e->stale[0] = '\0';
    if (evaluator_renewed(e->evaluator))
        forget_frames(e);
    if (evaluator_rebooted(e->evaluator)) { /* which has forgotten the samples already */
        forget_frames(e);
        ret->continuity = CONTINUITY_REBOOTED;
        continuity_describe(ret->continuity, 0, e->discontinuity);
        e->discontinuity_ms = s->ts_ms;
    }
    if (!windows_are_full(e, s->ts_ms))
        return OK;
    evaluator_eval(e->evaluator, s->ts_ms, e->base);
    deriver_apply(e->deriver, s->ts_ms, e->base, e->frame);
    return take_frame(e, s->ts_ms, ret, err);
}

enum rc entity_frame(struct entity *e, int64_t ts_ms, const double *base, size_t n,
                     struct entity_step *ret, struct err *err)
{
    const struct continuity_clocks clocks = {ts_ms, ts_ms, ts_ms};

    memset(ret, 0, sizeof *ret);
    if (n != profile_base_count(e->profile))
        return err_set(err, E_STATE, "a frame of %zu base features; the profile has %zu", n,
                       profile_base_count(e->profile));
    if (ts_ms <= e->frame_ms)
        return err_set(err, E_STATE, "a frame %" PRId64 " ms before the last one",
                       e->frame_ms - ts_ms);
    note_continuity(e, ts_ms, &clocks, ret);
    if (ret->continuity != CONTINUITY_OK) { /* a gap: there is one clock, and it goes on */
        fill_anew(e);
        e->ready_ms = ts_ms + profile_window_ms(e->profile); /* the server's windows fill too */
    }
    e->stale[0] = '\0';
    if (ts_ms < e->ready_ms)
        return OK;
    deriver_apply(e->deriver, ts_ms, base, e->frame);
    return take_frame(e, ts_ms, ret, err);
}

void entity_gather(struct entity *e)
{
    e->gathering = e->phase != PHASE_TRAINING;
}

bool entity_caught_up(struct entity *e)
{
    e->gathering = false;
    return e->phase == PHASE_LEARNING && e->learned->rows >= e->wanted_rows;
}

void entity_set_stale(struct entity *e, int64_t ts_ms, const char *why)
{
    if (!e->stale[0])
        e->stale_ms = ts_ms;
    (void)snprintf(e->stale, sizeof e->stale, "%s", why);
    str_make_printable(e->stale);
}

bool entity_is_stale(const struct entity *e)
{
    return e->stale[0] != '\0';
}

void entity_set_group(struct entity *e, const char *name)
{
    (void)snprintf(e->group, sizeof e->group, "%s", name);
    str_make_printable(e->group);
}

void entity_set_chosen(struct entity *e, bool chosen)
{
    e->chosen = chosen;
}

bool entity_is_chosen(const struct entity *e)
{
    return e->chosen;
}

bool entity_can_train(const struct entity *e)
{
    return e->phase == PHASE_LEARNING && !e->gathering && e->learned->rows > 0;
}

bool entity_is_gathering(const struct entity *e)
{
    return e->phase == PHASE_LEARNING && e->gathering;
}

int64_t entity_last_ms(const struct entity *e)
{
    return e->frame_ms;
}

void entity_set_last(struct entity *e, int64_t ts_ms)
{
    e->frame_ms = ts_ms;
}

void entity_hold(struct entity *e, bool held)
{
    line_hold(&e->line, held);
}

enum rc entity_recall(struct entity *e, int64_t ts_ms, const float *frame, struct err *err)
{
    assert(e->phase == PHASE_LEARNING);
    e->frame_ms = ts_ms;
    return learn(e, ts_ms, frame, err);
}

enum rc entity_warm(struct entity *e, int64_t ts_ms, const float *frame, struct err *err)
{
    if (e->phase != PHASE_WATCHING)
        return line_note(&e->line, e->schema, ts_ms, frame, err);
    line_recall(&e->line, ts_ms, frame);
    return OK;
}

void entity_warm_day(struct entity *e, int64_t ts_ms, const float *frame)
{
    assert(e->phase == PHASE_WATCHING);
    line_recall_day(&e->line, ts_ms, frame);
}

struct dataset *entity_take_training(struct entity *e)
{
    assert(e->phase == PHASE_LEARNING && e->learned);
    e->phase = PHASE_TRAINING;
    return TAKE(e->learned);
}

void entity_training_failed(struct entity *e, struct dataset *d)
{
    assert(e->phase == PHASE_TRAINING);
    e->phase = PHASE_LEARNING;
    e->learned = d;
    const uint64_t more = d->rows + d->rows / 4 + 1;
    e->wanted_rows = more > e->wanted_rows ? more : e->wanted_rows;
}

enum rc entity_set_model(struct entity *e, struct model *m, uint64_t model_id, struct err *err)
{
    CLEANUP(presence_freep) struct presence *presence = NULL;

    if (schema_match(e->schema, m->schema, err) != OK)
        return err_wrap(err, "model for '%s'", e->instance);
    if (e->schema->hash != m->schema->hash)
        return err_set(err, E_STATE,
                       "model for '%s': the features have the same names, but the profile's "
                       "expressions or the interval changed since",
                       e->instance);
    if (presence_new(&m->scaler, &presence, err) != OK)
        return err->rc;
    if (e->phase == PHASE_WATCHING) /* before the old model goes, whose scaler it reads */
        presence_resume(presence, e->presence);
    /* The line last: once it has let go of the old model, e->presence must go too. (Should it fail,
     * drift alone is of the new model: at worst that orders a training.) */
    const bool same = e->phase == PHASE_WATCHING && e->model_id == model_id; /* another threshold */
    if ((!same && aging_set_model(&e->aging, m, err) != OK) ||
        line_set_model(&e->line, e->schema, m, err) != OK)
        return err->rc;
    presence_free(e->presence);
    dataset_free(TAKE(e->learned));
    e->presence = TAKE(presence);
    e->model_id = model_id;
    if (e->phase != PHASE_WATCHING) { /* nothing judged is to be made of the trainer's own load */
        evaluator_clear(e->evaluator);
        fill_anew(e);
    }
    e->phase = PHASE_WATCHING;
    return OK;
}

enum watch_event entity_end(struct entity *e, struct incident *ret)
{
    return watch_end(&e->line.watch, ret);
}

bool entity_slow(const struct entity *e, struct slow_change *ret)
{
    return aging_slow(&e->aging, ret);
}

enum watch_event entity_accept_slow(struct entity *e, int64_t ts_ms, struct slow_change *ret)
{
    return aging_accept(&e->aging, ts_ms, ret);
}

const struct reference *entity_reference(const struct entity *e)
{
    return e->aging.reference;
}

void entity_take_reference(struct entity *e, struct reference *r)
{
    aging_take_reference(&e->aging, r);
}

void entity_recall_slow(struct entity *e, int64_t ts_ms, const float *frame, bool learnable)
{
    aging_recall(&e->aging, ts_ms, frame, learnable);
}

void entity_set_confirm(struct entity *e, struct confirm_spec confirm)
{
    watch_confirm(&e->line.watch, confirm);
}

int64_t entity_day_shift_ms(const struct entity *e)
{
    return line_day_shift_ms(&e->line);
}

enum phase entity_phase(const struct entity *e)
{
    return e->phase;
}

const struct schema *entity_schema(const struct entity *e)
{
    return e->schema;
}

const struct model *entity_model(const struct entity *e)
{
    return e->line.model;
}

struct model *entity_model_ref(const struct entity *e)
{
    return e->line.model ? model_ref(e->line.model) : NULL;
}

uint64_t entity_model_id(const struct entity *e)
{
    return e->model_id;
}

const char *entity_instance(const struct entity *e)
{
    return e->instance;
}

const struct profile *entity_profile(const struct entity *e)
{
    return e->profile;
}

int64_t entity_interval_ms(const struct entity *e)
{
    return e->interval_ms;
}

enum presence_state entity_presence(const struct entity *e, size_t feature)
{
    return presence_of(e->presence, feature);
}

void entity_progress(const struct entity *e, uint64_t *ret_rows, uint64_t *ret_wanted)
{
    *ret_rows = e->learned ? e->learned->rows : e->wanted_rows;
    *ret_wanted = e->wanted_rows;
}
