/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "detect/counterfactual.h"

/* A machine whose score is known: a sum of the features that are off, of which some are off only
 * because others mislead the model about them. */
enum { N = 12 };

struct world {
    float off[N];
    int misled_by[N]; /* a feature whose restoration restores this one too; -1: none */
    unsigned asked;
};

static float ask(void *arg, const uint8_t *restored, float *part)
{
    struct world *w = arg;
    float sum = 0;

    w->asked++;
    for (int i = 0; i < N; i++) {
        const int by = w->misled_by[i];
        part[i] = restored[i] || (by >= 0 && restored[by]) ? 0 : w->off[i];
        sum += part[i];
    }
    return sum;
}

static struct counterfactual find(struct world *w, float threshold, uint8_t *restored)
{
    const uint8_t none[N] = {0};
    struct counterfactual c;
    float part[N];

    const float score = ask(w, none, part);
    w->asked = 0;
    counterfactual_find(N, score, threshold, ask, w, restored, part, &c);
    return c;
}

static struct world still(void)
{
    struct world w = {0};

    for (int i = 0; i < N; i++)
        w.misled_by[i] = -1;
    return w;
}

static void one_cause_is_enough_for_what_it_misled(void **state)
{
    (void)state;
    struct world w = still();
    uint8_t restored[N];

    w.off[3] = 5;
    w.off[7] = 4; /* off because 3 is */
    w.misled_by[7] = 3;
    const struct counterfactual c = find(&w, 1, restored);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.feature[0], 3);
    assert_float_equal(c.score, 0, 0);
}

static void a_member_that_turns_out_needless_leaves(void **state)
{
    (void)state;
    struct world w = still();
    uint8_t restored[N];

    w.off[1] = 5; /* the largest part, and a mere victim */
    w.misled_by[1] = 2;
    w.off[2] = 4;
    const struct counterfactual c = find(&w, 1, restored);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.feature[0], 2);
    assert_int_equal(restored[1], 0);
    assert_int_equal(restored[2], 1);
}

static void none_of_at_most_so_many_is_said(void **state)
{
    (void)state;
    struct world w = still();
    uint8_t restored[N];

    for (int i = 0; i < N; i++)
        w.off[i] = 1;
    const struct counterfactual c = find(&w, 2, restored); /* ten are needed */
    assert_int_equal(c.n, 0);
    assert_true(isnan(c.score));
    assert_int_equal(w.asked, COUNTERFACTUAL_MAX);
}

static void a_quiet_frame_needs_no_group(void **state)
{
    (void)state;
    struct world w = still();
    uint8_t restored[N];
    float part[N] = {0};
    struct counterfactual c;

    w.off[0] = 1;
    assert_int_equal(find(&w, 1, restored).n, 0); /* at the threshold is not over it */
    assert_int_equal(w.asked, 0);
    counterfactual_find(N, NAN, 1, ask, &w, restored, part, &c);
    assert_int_equal(c.n, 0);
}

/* Whatever the machine: what it finds silences, nothing in it could be left out, and it asks no
 * more often than it promises. */
static void every_group_silences_and_none_with_one_less_does(void **state)
{
    (void)state;
    struct rng rng;
    unsigned found = 0, pruned = 0;

    rng_init(&rng, 1);
    for (int run = 0; run < 5000; run++) {
        struct world w = still();
        uint8_t restored[N];
        float part[N];

        for (int i = 0; i < N; i++) {
            w.off[i] = rng_float(&rng) < 0.6f ? rng_float(&rng) : 0;
            if (rng_float(&rng) < 0.4f)
                w.misled_by[i] = (int)(rng_u64(&rng) % N);
        }
        const float threshold = 0.1f + rng_float(&rng);
        const struct counterfactual c = find(&w, threshold, restored);
        assert_true(w.asked <= COUNTERFACTUAL_SCORES);
        assert_int_equal(w.asked, c.asked);
        if (!c.n)
            continue;
        found++;
        pruned += c.asked > 2u * c.n;
        unsigned members = 0;
        for (int i = 0; i < N; i++)
            members += restored[i];
        assert_int_equal(members, c.n);
        assert_true(ask(&w, restored, part) <= threshold);
        assert_true(ask(&w, restored, part) == c.score);
        for (uint8_t k = 0; c.n > 1 && k < c.n; k++) {
            restored[c.feature[k]] = 0;
            assert_true(ask(&w, restored, part) > threshold);
            restored[c.feature[k]] = 1;
        }
    }
    assert_true(found > 3000);
    assert_true(pruned > 50); /* so that leaving was tested too */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_cause_is_enough_for_what_it_misled),
        cmocka_unit_test(a_member_that_turns_out_needless_leaves),
        cmocka_unit_test(none_of_at_most_so_many_is_said),
        cmocka_unit_test(a_quiet_frame_needs_no_group),
        cmocka_unit_test(every_group_silences_and_none_with_one_less_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
