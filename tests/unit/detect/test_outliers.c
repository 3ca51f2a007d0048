/* SPDX-License-Identifier: Apache-2.0 */
/* What a bad second or a bad minute while learning costs: the machine below stands still but for
 * noise under its features' resolutions, when some of them burst. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../model/fixture.h"
#include "detect/scorer.h"
#include "detect/watch.h"

enum { N = 50, FAULTS = 6, BEFORE = 40, DURING = 20, AFTER = 40 };

struct burst {
    size_t first, rows; /* when */
    size_t features;    /* 0 to this one, not included */
    float size;         /* in resolutions */
};

/* An idle machine of N features with resolution 1: a common load, and noise. */
static struct dataset *idle(size_t rows, uint64_t seed)
{
    struct dataset *d;
    struct rng rng;
    struct err err;
    double load = 0;

    rng_init(&rng, seed);
    assert_int_equal(dataset_new(N, &d, &err), OK);
    for (size_t r = 0; r < rows; r++) {
        float frame[N];

        load = 0.9 * load + 0.1 * rng_normal(&rng);
        for (size_t i = 0; i < N; i++)
            frame[i] = (float)(100 + (i % 3 == 0 ? load : 0) +
                               0.05 * (double)(1 + i % 5) * rng_normal(&rng));
        assert_int_equal(dataset_append(d, 1000 * (int64_t)r, frame, &err), OK);
    }
    return d;
}

static struct model *learn(size_t rows, struct burst burst)
{
    struct schema *schema = fixture_schema(N);
    const struct model_provenance provenance = {0};
    struct dataset *d = idle(rows, 1);
    struct learn_spec spec;
    struct model *m;
    struct err err;

    settings_learn_defaults(&spec);
    for (size_t i = 0; i < N; i++)
        schema->f[i].resolution = 1;
    for (size_t r = burst.first; r < burst.first + burst.rows; r++)
        for (size_t i = 0; i < burst.features; i++)
            d->X[r * N + i] += burst.size;
    assert_int_equal(
        model_train(d, NULL, schema, &spec, &fixture_percentile, &provenance, NULL, NULL, &m, &err),
        OK);
    dataset_free(d);
    schema_free(schema);
    return m;
}

struct outcome {
    size_t opened, closed, named; /* faults */
    size_t anomalous;             /* of their frames, FAULTS * DURING in all */
    size_t quiet_rung;            /* anomalous frames before them */
};

static bool is_faulty(size_t feature, size_t fault, size_t features)
{
    for (size_t k = 0; k < features; k++)
        if (feature == 20 + (5 * fault + 11 * k) % 30)
            return true;
    return false;
}

/* After BEFORE quiet frames `features` of them stand off by `size` for DURING, then all is quiet.
 */
static void one_fault(struct model *m, size_t fault, size_t features, float size, struct outcome *o)
{
    struct dataset *d = idle(BEFORE + DURING + AFTER, 2 + fault);
    struct incident in;
    struct scorer *s;
    struct watch w;
    struct err err;

    assert_int_equal(scorer_new(m, &s, &err), OK);
    watch_init(&w, (struct confirm_spec){3, 5});
    for (size_t r = 0; r < d->rows; r++) {
        const bool during = r >= BEFORE && r < BEFORE + DURING;
        struct verdict v;

        for (size_t i = 0; during && i < N; i++)
            d->X[r * N + i] += is_faulty(i, fault, features) ? size : 0;
        scorer_push(s, d->ts_ms[r], d->X + r * N, &v);
        const enum watch_event event = watch_push(&w, &v, &in);
        o->quiet_rung += r < BEFORE && v.anomalous;
        o->anomalous += during && v.anomalous;
        o->opened += event == WATCH_OPENED && during;
        o->closed += event == WATCH_CLOSED && !during;
        o->named += event == WATCH_OPENED && is_faulty(in.causes[0].feature, fault, features);
    }
    scorer_free(s);
    dataset_free(d);
}

static struct outcome faults(struct model *m, size_t features, float size)
{
    struct outcome o = {0};

    for (size_t fault = 0; fault < FAULTS; fault++)
        one_fault(m, fault, features, size, &o);
    return o;
}

static void check_faults(struct model *m, size_t features, float size)
{
    const struct outcome o = faults(m, features, size);

    if (o.opened != FAULTS || o.closed != FAULTS || o.named != FAULTS ||
        o.anomalous < FAULTS * DURING * 9 / 10)
        fail_msg("%zu off by %g, threshold %g: %zu opened, %zu closed, %zu named, %zu of %d frames",
                 features, (double)size, (double)m->threshold, o.opened, o.closed, o.named,
                 o.anomalous, FAULTS * DURING);
}

/* Quiet frames are quiet, and what is named by its figures rings in nearly all frames, by its
 * name, from `one` resolutions on where one feature is off and from `two` where two are. */
static void check_model(struct model *m, float one, float two)
{
    const struct outcome quiet = faults(m, 0, 0);

    assert_int_equal(quiet.anomalous + quiet.quiet_rung, 0);
    for (float size = 5; size <= 20; size *= 2) {
        if (size >= one)
            check_faults(m, 1, size);
        if (size >= two)
            check_faults(m, 2, size);
    }
}

static void check(size_t rows, struct burst burst, float one, float two)
{
    struct model *m = learn(rows, burst);

    check_model(m, one, two);
    model_unref(m);
}

static void
a_machine_that_stood_still_for_ten_minutes_rings_for_one_feature_off_by_five(void **state)
{
    (void)state;
    check(120, (struct burst){0}, 10, 5); /* in two, for ten; the threshold is widened more */
    check(600, (struct burst){0}, 5, 5);
}

static void a_burst_in_the_training_part_makes_no_other_feature_deaf(void **state)
{
    (void)state;
    for (size_t rows = 120; rows <= 600; rows += 480)
        for (size_t length = 1; length <= 5; length += 4)
            for (size_t features = 3; features <= 10; features += 7)
                check(rows, (struct burst){rows / 3, length, features, 300}, rows < 600 ? 10 : 5,
                      5);
}

/* In short history it costs more. */
static void a_burst_in_the_validation_part_costs_a_few_resolutions(void **state)
{
    (void)state;
    check(120, (struct burst){108, 1, 3, 300}, 10, 5);
    check(120, (struct burst){108, 1, 10, 300}, 20, 10);
    check(120, (struct burst){108, 5, 3, 300}, 10, 10);
    check(120, (struct burst){108, 5, 10, 300}, 20, 10);
    check(600, (struct burst){540, 1, 3, 300}, 5, 5);
    check(600, (struct burst){540, 1, 10, 300}, 10, 5);
    check(600, (struct burst){540, 5, 3, 300}, 10, 5);
    check(600, (struct burst){540, 5, 10, 300}, 10, 10);
}

static void a_bursts_size_changes_nothing(void **state)
{
    (void)state;
    struct model *m = learn(120, (struct burst){110, 1, 5, 10});
    struct model *wild = learn(120, (struct burst){110, 1, 5, 1e7f});

    assert_true(fabsf(m->threshold - wild->threshold) < 0.01f * m->threshold);
    assert_int_equal(m->stats.epochs, wild->stats.epochs);
    model_unref(m);
    model_unref(wild);
}

/* Something that ran for a third and more of the validation part is how the machine is. */
static void a_sustained_job_widens_its_own_units_and_no_others(void **state)
{
    (void)state;
    for (size_t length = 8; length <= 15; length += 7)
        for (size_t features = 3; features <= 10; features += 7) {
            struct model *m = learn(120, (struct burst){95, length, features, 40});

            for (size_t i = 0; i < N; i++)
                assert_true(i < features ? m->unit_level[i] > 10 : m->unit_level[i] < 1);
            check_model(m, features > 3 ? 20 : 10, 10);
            model_unref(m);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_machine_that_stood_still_for_ten_minutes_rings_for_one_feature_off_by_five),
        cmocka_unit_test(a_burst_in_the_training_part_makes_no_other_feature_deaf),
        cmocka_unit_test(a_burst_in_the_validation_part_costs_a_few_resolutions),
        cmocka_unit_test(a_bursts_size_changes_nothing),
        cmocka_unit_test(a_sustained_job_widens_its_own_units_and_no_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
