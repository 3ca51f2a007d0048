/* SPDX-License-Identifier: Apache-2.0 */
/* model/tail.h promises that it counts what detect/watch.h opens: here they are held together. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "detect/watch.h"
#include "model/tail.h"

enum { ROWS = 1500, MANY = 400000 };

/* Steps and jumps on a coarse grid, so that ties are common; NaN for silence, -1 for a gap. */
static void random_scores(struct rng *rng, float *v, size_t n)
{
    float level = 4;

    for (size_t i = 0; i < n; i++) {
        level += (float)rng_below(rng, 5) - 2;
        level = level < 0 ? 0 : level > 30 ? 15 : level;
        v[i] = level + (rng_below(rng, 20) == 0 ? (float)rng_below(rng, 40) : 0);
        if (rng_below(rng, 100) == 0)
            v[i] = rng_below(rng, 2) ? NAN : -1;
    }
}

static size_t opened_by_watch(const float *v, size_t n, float u, struct confirm_spec confirm)
{
    struct watch w;
    struct incident in;
    size_t opened = 0;

    watch_init(&w, confirm);
    for (size_t i = 0; i < n; i++) {
        if (v[i] == -1) {
            watch_gap(&w);
            continue;
        }
        const struct verdict verdict = {.ts_ms = (int64_t)i,
                                        .score = v[i],
                                        .evidence = v[i],
                                        .threshold = u,
                                        .anomalous = v[i] > u};
        opened += watch_push(&w, &verdict, &in) == WATCH_OPENED;
    }
    return opened;
}

static struct tail tail_of(const float *v, size_t n, struct confirm_spec confirm)
{
    struct tail_builder *b;
    struct tail t;
    struct err err;

    assert_int_equal(tail_builder_new(confirm, TAIL_PEAKS_MAX, &b, &err), OK);
    for (size_t i = 0; i < n; i++) {
        if (v[i] == -1)
            tail_builder_gap(b);
        else
            tail_builder_push(b, v[i]);
    }
    assert_int_equal(tail_builder_take(b, 1000, &t, &err), OK);
    tail_builder_free(b);
    return t;
}

static void a_tail_counts_what_watch_opens_at_any_threshold(void **state)
{
    (void)state;
    static float v[ROWS];
    struct rng rng;

    rng_init(&rng, 11);
    for (int round = 0; round < 60; round++) {
        const uint32_t of = 1 + rng_below(&rng, 12), k = 1 + rng_below(&rng, of);
        const struct confirm_spec confirm = {k, of};
        random_scores(&rng, v, ROWS);
        struct tail t = tail_of(v, ROWS, confirm);
        for (float u = 0; u < 60; u += 0.5f)
            assert_int_equal(tail_count(&t, u), opened_by_watch(v, ROWS, u, confirm));
        tail_done(&t);
    }
}

static void too_many_peaks_leave_the_low_ones_out_and_count_the_others_right(void **state)
{
    (void)state;
    const struct confirm_spec confirm = {1, 1};
    float *v = calloc(MANY, sizeof *v);
    struct rng rng;

    assert_non_null(v);
    rng_init(&rng, 12);
    random_scores(&rng, v, MANY);
    struct tail t = tail_of(v, MANY, confirm);
    assert_true(t.n > TAIL_PEAKS_MAX / 4 && t.n <= TAIL_PEAKS_MAX);
    assert_true(t.floor > 0 && t.floor < 50);
    for (float u = t.floor; u < 70; u += 1)
        assert_int_equal(tail_count(&t, u), opened_by_watch(v, MANY, u, confirm));
    assert_int_equal(tail_count(&t, 0), tail_count(&t, t.floor));
    tail_done(&t);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tail_counts_what_watch_opens_at_any_threshold),
        cmocka_unit_test(too_many_peaks_leave_the_low_ones_out_and_count_the_others_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
