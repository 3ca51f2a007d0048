/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A machine of two metrics that one rhythm moves, and a third that stands still, tick by tick. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../rng_normal.h"
#include "daemon/entity.h"

/* A day of ticks is driven through the whole line here: no thread, no clock, no file. */

enum { INTERVAL_MS = 1000, WANTED = 120 };

static const char profile_text[] =
    "name: test\n"
    "features:\n"
    "  - {name: work, expr: 'rate(work_total[5s])', unit: ops/s, group: cpu, resolution: 0.2}\n"
    "  - {name: level, expr: level, unit: ratio, group: memory, resolution: 0.05}\n"
    "  - {name: swap, expr: swap, unit: count, group: memory, resolution: 10}\n"
    "derive:\n"
    "  - {name: level_mean, expr: 'mean(level, 3)', unit: ratio, group: memory, resolution: "
    "0.05}\n";

struct fixture {
    struct profile *profile;
    struct entity *entity, *other; /* this machine, and one that is asked from elsewhere */
    int ticks_of_training;
    struct dataset *learned; /* and what came while the trainer worked */
    struct model *model;     /* that was made of it */
    struct series_set *set;
    uint32_t work, level, swap;
    double work_total, swap_now, level_shift;
    bool level_gone;
    struct rng rng;
    int64_t t; /* ticks so far */
    struct continuity_clocks clocks;
    struct entity_step step;
};

static inline int set_up(void **state)
{
    static struct fixture x;
    const struct entity_options o = {
        .instance = "host-a", .interval_ms = INTERVAL_MS, .wanted_rows = WANTED, .confirm = {3, 5}};
    struct entity_options with = o;
    struct err err;

    memset(&x, 0, sizeof x);
    rng_init(&x.rng, 1);
    x.clocks = (struct continuity_clocks){1700000000000, 50000, 60000};
    const struct str text = {profile_text, sizeof profile_text - 1};
    if (profile_parse(text, "test.yml", INTERVAL_MS, &x.profile, &err) != OK)
        return 1;
    with.profile = x.profile;
    *state = &x;
    struct entity_options of_other = with;
    of_other.remote = true;
    return entity_new(&with, &x.entity, &err) != OK ||
           entity_new(&of_other, &x.other, &err) != OK || series_set_new(&x.set, &err) != OK ||
           series_set_intern(x.set, STR("work_total"), NULL, 0, METRIC_COUNTER, &x.work, &err) ||
           series_set_intern(x.set, STR("level"), NULL, 0, METRIC_GAUGE, &x.level, &err) ||
           series_set_intern(x.set, STR("swap"), NULL, 0, METRIC_GAUGE, &x.swap, &err);
}

static inline int tear_down(void **state)
{
    struct fixture *x = *state;

    entity_free(x->entity);
    entity_free(x->other);
    model_unref(x->model);
    dataset_free(x->learned);
    profile_free(x->profile);
    series_set_unref(x->set);
    return 0;
}

/* One tick of a machine whose work and level follow one rhythm. */
static inline void tick(struct fixture *x)
{
    struct snapshot *s = snapshot_new(x->set, x->clocks.wall_ms);
    const double phase = sin((double)x->t / 10), noise = 0.02 * rng_normal(&x->rng);
    struct err err;

    assert_non_null(s);
    x->work_total += 5 + 3 * phase + noise;
    s->v[x->work] = x->work_total;
    if (!x->level_gone)
        s->v[x->level] = 0.5 + 0.2 * phase + noise / 10 + x->level_shift;
    s->v[x->swap] = x->swap_now;
    assert_int_equal(entity_tick(x->entity, s, &x->clocks, &x->step, &err), OK);
    snapshot_free(s);
    x->t++;
    x->clocks.wall_ms += INTERVAL_MS;
    x->clocks.mono_ms += INTERVAL_MS;
    x->clocks.boot_ms += INTERVAL_MS;
}

static inline void learn_and_train(struct fixture *x)
{
    const struct model_provenance provenance = {.created_ms = 1};
    struct learn_spec learn;
    struct threshold_spec threshold;
    struct dataset *d;
    struct model *m = NULL;
    struct err err;

    settings_learn_defaults(&learn);
    settings_threshold_defaults(&threshold);
    do
        tick(x);
    while (!x->step.training_due);
    d = entity_take_training(x->entity);
    assert_int_equal(d->rows, WANTED);
    assert_int_equal(entity_phase(x->entity), PHASE_TRAINING);
    assert_int_equal(model_train(d, NULL, entity_schema(x->entity), &learn, &threshold, &provenance,
                                 NULL, NULL, &m, &err),
                     OK);
    for (int i = 0; i < x->ticks_of_training; i++) {
        tick(x);
        assert_int_equal(dataset_append(d, x->clocks.wall_ms - INTERVAL_MS, x->step.frame, &err),
                         OK);
    }
    assert_int_equal(entity_set_model(x->entity, m, 42, &err), OK);
    x->model = m;
    x->learned = d;
}
