/* SPDX-License-Identifier: Apache-2.0 */
/* What a bad second or a bad minute while learning costs: the machine below stands still but for
 * noise under its features' resolutions, when some of them burst. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

enum { N = 50, LATER = 200 };

static const struct threshold_spec percentile = {THRESHOLD_PERCENTILE, 99.5};

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
        model_train(d, NULL, schema, &spec, &percentile, &provenance, NULL, NULL, &m, &err), OK);
    dataset_free(d);
    schema_free(schema);
    return m;
}

/* Of LATER frames, in how many `faulty` features off by `size` resolutions ring. */
static size_t rings(const struct model *m, size_t faulty, float size)
{
    struct dataset *d = idle(LATER, 2);
    float *work = mem_array_aligned(model_work_size(m), sizeof *work);
    size_t rung = 0;

    for (size_t r = 0; r < d->rows; r++) {
        float *const x = d->X + r * N, expected[N], error[N];
        uint8_t present[N];

        memset(present, 1, sizeof present);
        for (size_t k = 0; k < faulty; k++)
            x[20 + (r * 7 + k * 11) % 30] += size;
        rung += model_score(m, x, present, expected, error, work) > m->threshold;
    }
    mem_free(work);
    dataset_free(d);
    return rung;
}

/* Quiet frames are quiet, and what is named by its figures rings in nearly all frames. */
static void check(const struct model *m, float one, float two)
{
    assert_int_equal(rings(m, 0, 0), 0);
    for (float size = 5; size <= 20; size *= 2) {
        if (size >= one)
            assert_true(rings(m, 1, size) >= LATER * 9 / 10);
        if (size >= two)
            assert_true(rings(m, 2, size) >= LATER * 9 / 10);
    }
}

static void a_machine_that_stood_still_rings_for_one_feature_off_by_five(void **state)
{
    (void)state;
    for (size_t rows = 120; rows <= 600; rows += 480) {
        struct model *m = learn(rows, (struct burst){0});
        check(m, 5, 5);
        model_unref(m);
    }
}

static void a_burst_in_the_training_part_makes_no_other_feature_deaf(void **state)
{
    (void)state;
    for (size_t rows = 120; rows <= 600; rows += 480)
        for (size_t length = 1; length <= 5; length += 4)
            for (size_t features = 3; features <= 10; features += 7) {
                struct model *m = learn(rows, (struct burst){rows / 3, length, features, 300});
                check(m, 5, 5);
                model_unref(m);
            }
}

static void a_burst_in_the_validation_part_costs_a_few_resolutions(void **state)
{
    (void)state;
    for (size_t rows = 120; rows <= 600; rows += 480)
        for (size_t length = 1; length <= 5; length += 4)
            for (size_t features = 3; features <= 10; features += 7) {
                struct model *m = learn(rows, (struct burst){rows * 9 / 10, length, features, 300});
                const bool wide = features > 3 && length > 1;
                check(m, wide ? 20 : 10, wide ? 10 : 5);
                model_unref(m);
            }
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
static void a_sustained_job_makes_its_own_features_tolerant_and_no_others(void **state)
{
    (void)state;
    for (size_t length = 8; length <= 15; length += 7)
        for (size_t features = 3; features <= 10; features += 7) {
            struct model *m = learn(120, (struct burst){95, length, features, 40});

            for (size_t i = 0; i < N; i++)
                assert_true(i < features ? m->tolerance[i] > 10 : m->tolerance[i] < 3);
            check(m, features > 3 ? 20 : 10, 10);
            model_unref(m);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_that_stood_still_rings_for_one_feature_off_by_five),
        cmocka_unit_test(a_burst_in_the_training_part_makes_no_other_feature_deaf),
        cmocka_unit_test(a_burst_in_the_validation_part_costs_a_few_resolutions),
        cmocka_unit_test(a_bursts_size_changes_nothing),
        cmocka_unit_test(a_sustained_job_makes_its_own_features_tolerant_and_no_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
