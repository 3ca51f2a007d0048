/* SPDX-License-Identifier: Apache-2.0 */
/* What one wild frame, a level that shifts, a constant that moves and values that are missing make
 * of verdicts and incidents, on a machine that is busy while it is learned. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../model/fixture.h"
#include "detect/scorer.h"
#include "detect/watch.h"

enum { N = FIXTURE_N, CONSTANT = FIXTURE_CONSTANT, LEARNED = 1000 };
enum { BEFORE = 60, FRAMES = 160, SEEDS = 10 };

static struct model *model;

static int learn(void **state)
{
    struct learn_spec spec;
    struct dataset *d = fixture_machine(LEARNED, 1);

    (void)state;
    settings_learn_defaults(&spec);
    model = fixture_learn(d, NULL, &spec);
    dataset_free(d);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    model_unref(model);
    return 0;
}

struct outcome {
    size_t anomalous[2]; /* frames: before the fault, and from its first one on */
    size_t opened;       /* frame at which the first incident opened, or 0 */
    size_t incidents, cause;
};

/* From frame BEFORE on, for `rows` of them, feature i is off by `off`; missing: so many values
 * of a thousand. */
static struct outcome run(uint64_t seed, size_t i, float off, size_t rows, uint32_t missing)
{
    struct dataset *d = fixture_machine(FRAMES, 100 + seed);
    struct outcome o = {0};
    struct scorer *s;
    struct incident in;
    struct watch w;
    struct rng rng;
    struct err err;

    rng_init(&rng, seed);
    assert_int_equal(scorer_new(model, &s, &err), OK);
    watch_init(&w, (struct confirm_spec){3, 5});
    for (size_t r = 0; r < FRAMES; r++) {
        float *const x = d->X + r * N;
        struct verdict v;

        if (r >= BEFORE && r < BEFORE + rows)
            x[i] += off;
        for (size_t k = 0; k < N; k++)
            if (missing && rng_below(&rng, 1000) < missing)
                x[k] = NAN;
        scorer_push(s, d->ts_ms[r], x, &v);
        o.anomalous[r >= BEFORE] += v.anomalous;
        if (watch_push(&w, &v, &in) == WATCH_OPENED && o.incidents++ == 0) {
            o.opened = r;
            o.cause = in.causes[0].feature;
        }
    }
    scorer_free(s);
    dataset_free(d);
    return o;
}

/* Sums over all features that move, and SEEDS machines each. */
struct tally {
    size_t runs, rung, opened, named;
    size_t anomalous; /* frames, from the fault on */
    size_t frames_to; /* open, the first one included */
};

static struct tally run_all(float units, size_t rows, uint32_t missing)
{
    struct tally t = {0};

    for (size_t i = 0; i < N; i++)
        for (uint64_t seed = 0; seed < SEEDS && model_learned(model, i); seed++) {
            const struct outcome o = run(seed, i, units * model->unit_level[i], rows, missing);
            t.runs++;
            t.rung += o.anomalous[1] > 0;
            t.anomalous += o.anomalous[1];
            t.opened += o.incidents > 0;
            t.named += o.incidents > 0 && o.cause == i;
            t.frames_to += o.incidents > 0 ? o.opened - BEFORE + 1 : 0;
        }
    return t;
}

static void quiet_machines_are_quiet_with_values_missing_too(void **state)
{
    (void)state;
    for (uint32_t missing = 0; missing <= 600; missing += 150) {
        size_t anomalous = 0, incidents = 0;
        for (uint64_t seed = 0; seed < 100; seed++) {
            const struct outcome o = run(seed, 0, 0, 0, missing);
            anomalous += o.anomalous[0] + o.anomalous[1];
            incidents += o.incidents;
        }
        assert_true(anomalous <= 100 * FRAMES / 1000); /* 99.5 %, widened */
        assert_true(incidents <= 1);
    }
}

/* Mostly it is one anomalous verdict. Another may follow while the score is still high: of a usual
 * frame whose own evidence is. */
static void one_wild_frame_is_seen_and_opens_nothing(void **state)
{
    (void)state;
    for (float units = 20; units < 1e9f; units *= 100) {
        const struct tally t = run_all(units, 1, 0);
        assert_int_equal(t.rung, t.runs);
        assert_int_equal(t.opened, 0);
        assert_in_range(t.anomalous, t.runs, t.runs * 3 / 2);
    }
    for (uint32_t missing = 150; missing <= 600; missing += 150)
        assert_int_equal(run_all(1e6f, 1, missing).opened, 0);
}

static void a_level_that_shifts_is_anomalous_for_as_long_as_it_stays(void **state)
{
    (void)state;
    for (float units = 20; units < 1e9f; units *= 100) {
        const struct tally t = run_all(units, FRAMES, 0);
        assert_int_equal(t.named, t.runs);
        assert_int_equal(t.frames_to, 3 * t.runs);
        assert_int_equal(t.anomalous, (FRAMES - BEFORE) * t.runs);
    }
    const struct tally weak = run_all(10, FRAMES, 0);
    assert_int_equal(weak.named, weak.runs);
    assert_true(weak.frames_to < 5 * weak.runs);
    assert_true(weak.anomalous > (FRAMES - BEFORE) * weak.runs * 98 / 100);
}

static void three_values_in_ten_missing_cost_a_few_frames(void **state)
{
    (void)state;
    for (float units = 15; units < 1e9f; units *= 100) {
        const struct tally t = run_all(units, FRAMES, 300);
        assert_int_equal(t.named, t.runs);
        assert_true(t.frames_to < 6 * t.runs); /* of three that are needed */
        assert_true(t.anomalous > (FRAMES - BEFORE) * t.runs * 65 / 100);
    }
}

static void a_constant_rings_with_its_name_once_it_moved(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        for (int sign = -1; sign <= 1; sign += 2) { /* it stands at 12; a tenth of it is a move */
            assert_int_equal(run(seed, CONSTANT, (float)sign * 1.1f, FRAMES, 0).incidents, 0);
            for (float off = 1.3f; off < 1e9f; off *= 50) {
                const struct outcome o = run(seed, CONSTANT, (float)sign * off, FRAMES, 0);
                assert_int_equal(o.cause, CONSTANT);
                assert_in_range(o.opened, BEFORE + 2, BEFORE + (off < 2 ? 15 : 2));
                assert_true(o.anomalous[1] >= FRAMES - BEFORE - (off < 2 ? 15 : 0));
            }
            assert_int_equal(run(seed, CONSTANT, (float)sign * 1e6f, 1, 0).incidents, 0);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quiet_machines_are_quiet_with_values_missing_too),
        cmocka_unit_test(one_wild_frame_is_seen_and_opens_nothing),
        cmocka_unit_test(a_level_that_shifts_is_anomalous_for_as_long_as_it_stays),
        cmocka_unit_test(three_values_in_ten_missing_cost_a_few_frames),
        cmocka_unit_test(a_constant_rings_with_its_name_once_it_moved),
    };
    return cmocka_run_group_tests(tests, learn, forget);
}
