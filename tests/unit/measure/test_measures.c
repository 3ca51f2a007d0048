/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of ranking and vus on any scores. */
#include "../test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "measure/ranking.h"
#include "measure/vus.h"

enum { ROWS = 2000, WINDOW = 40 };

static uint8_t label[ROWS];
static double score[ROWS];

/* Events of 1 to 30 rows, about a twentieth of all; scores that are uniform noise. */
static void make(uint64_t seed)
{
    struct rng rng;

    rng_init(&rng, seed);
    memset(label, 0, sizeof label);
    for (size_t i = 0; i < ROWS; i++)
        score[i] = (double)rng_float(&rng);
    for (size_t i = 50; i + 60 < ROWS; i += 200 + rng_below(&rng, 200))
        memset(label + i, 1, 1 + rng_below(&rng, 30));
}

struct all {
    struct point_measures p;
    struct vus v;
};

static struct all measure_rows(size_t rows, size_t window)
{
    struct ranking r = {0};
    struct events e = {0};
    struct all a;
    struct err err;

    assert_int_equal(events_find(label, rows, &e, &err), OK);
    assert_int_equal(ranking_new(score, rows, &r, &err), OK);
    assert_int_equal(ranking_measure(&r, &e, &a.p, &err), OK);
    assert_int_equal(vus_measure(&r, &e, window, &a.v, &err), OK);
    ranking_done(&r);
    events_done(&e);
    return a;
}

static struct all measure(size_t window)
{
    return measure_rows(ROWS, window);
}

static void a_perfect_score_has_areas_of_1(void **state)
{
    (void)state;
    make(1);
    for (size_t i = 0; i < ROWS; i++)
        score[i] += label[i];

    const struct all a = measure(0);
    CHECK_NEAR(a.p.auc_pr, 1, 1e-12);
    CHECK_NEAR(a.p.auc_roc, 1, 1e-12);
    CHECK_NEAR(a.p.f1, 1, 1e-12);
    CHECK_NEAR(a.p.pa_f1, 1, 1e-12);
    CHECK_NEAR(a.p.event_f1, 1, 1e-12);
    /* its 250 thresholds jump over the edge of the events: one step of about ROWS / 250 rows */
    assert_true(a.v.vus_pr > 0.99 && a.v.vus_pr <= 1 && a.v.vus_roc > 0.99);
    /* a score that is right is worth as much when buffers forgive more than it needs */
    assert_true(measure(WINDOW).v.vus_pr > 0.9);
}

static void a_worst_score_finds_nothing(void **state)
{
    (void)state;
    make(2);
    for (size_t i = 0; i < ROWS; i++)
        score[i] -= label[i];

    const struct all a = measure(0);
    CHECK_NEAR(a.p.auc_roc, 0, 1e-12);
    assert_true(a.p.auc_pr < 0.06 && a.v.vus_roc < 0.01);
}

static void noise_is_worth_the_base_rate(void **state)
{
    (void)state;
    double pr = 0, roc = 0, base = 0, vus_pr = 0;
    const int seeds = 20;

    for (int s = 1; s <= seeds; s++) {
        make((uint64_t)s);
        const struct all a = measure(0);
        pr += a.p.auc_pr / seeds;
        roc += a.p.auc_roc / seeds;
        vus_pr += a.v.vus_pr / seeds;
        for (size_t i = 0; i < ROWS; i++)
            base += (double)label[i] / ROWS / seeds;
    }
    CHECK_NEAR(pr, base, 0.015);
    CHECK_NEAR(vus_pr, base, 0.015);
    CHECK_NEAR(roc, 0.5, 0.02);
}

static void a_monotone_transform_changes_nothing(void **state)
{
    (void)state;
    make(3);
    for (size_t i = 0; i < ROWS; i++)
        score[i] = floor(50 * (score[i] + 0.4 * label[i])); /* with ties */
    const struct all a = measure(WINDOW);
    const double f1_threshold = a.p.f1_threshold;

    for (size_t i = 0; i < ROWS; i++)
        score[i] = exp(score[i] / 10) - 1e3;
    const struct all b = measure(WINDOW);
    assert_memory_equal(&a.v, &b.v, sizeof a.v);
    assert_true(a.p.auc_pr == b.p.auc_pr && a.p.auc_roc == b.p.auc_roc && a.p.f1 == b.p.f1 &&
                a.p.pa_f1 == b.p.pa_f1 && a.p.event_f1 == b.p.event_f1);
    assert_true(b.p.f1_threshold == exp(f1_threshold / 10) - 1e3);
}

static void equal_scores_are_one_threshold(void **state)
{
    (void)state;
    make(4);
    for (size_t i = 0; i < ROWS; i++)
        score[i] = 7;
    double base = 0;
    for (size_t i = 0; i < ROWS; i++)
        base += (double)label[i] / ROWS;

    const struct all a = measure(WINDOW);
    CHECK_NEAR(a.p.auc_pr, base, 1e-12);
    CHECK_NEAR(a.p.auc_roc, 0.5, 1e-12);
    assert_true(a.p.f1_threshold == 7 && a.p.pa_f1_threshold == 7);
}

static void a_score_a_little_late_is_forgiven_by_vus_alone(void **state)
{
    (void)state;
    double prompt[ROWS];

    make(5);
    for (size_t i = 0; i < ROWS; i++)
        prompt[i] = score[i] + label[i];
    memcpy(score, prompt, sizeof score);
    const struct all a = measure(WINDOW);
    for (size_t i = 0; i < ROWS; i++)
        score[i] = prompt[i < 8 ? 0 : i - 8];
    const struct all b = measure(WINDOW);
    const double lost = a.p.auc_pr - b.p.auc_pr, lost_vus = a.v.vus_pr - b.v.vus_pr;
    assert_true(lost > 0.2 && lost_vus > 0 && lost_vus < 0.75 * lost);
}

static void buffers_are_cut_at_the_ends(void **state)
{
    (void)state;
    make(6);
    memset(label, 0, sizeof label);
    label[0] = label[1] = label[9] = 1;

    const struct all a = measure_rows(10, VUS_WINDOW_MAX); /* wider than all there is */
    assert_true(a.v.vus_pr > 0 && a.v.vus_pr <= 1 && isfinite(a.v.vus_roc));
}

static void missing_scores_rank_last(void **state)
{
    (void)state;
    double some[] = {(double)NAN, 3, -2, (double)NAN}, none[] = {(double)NAN, (double)NAN};

    assert_int_equal(ranking_fill(some, 4), 2);
    assert_true(some[0] == -2 && some[1] == 3 && some[2] == -2 && some[3] == -2);
    assert_int_equal(ranking_fill(none, 2), 2);
    assert_true(isnan(none[0]) && isnan(none[1]));
}

static void no_memory_is_said(void **state)
{
    (void)state;
    struct ranking r = {0};
    struct events e = {0};
    struct point_measures p;
    struct vus v;
    struct err err;

    make(7);
    mem_fail_at(1);
    assert_int_equal(events_find(label, ROWS, &e, &err), E_NOMEM);
    mem_fail_at(1);
    assert_int_equal(ranking_new(score, ROWS, &r, &err), E_NOMEM);
    assert_int_equal(events_find(label, ROWS, &e, &err), OK);
    assert_int_equal(ranking_new(score, ROWS, &r, &err), OK);
    mem_fail_at(1);
    assert_int_equal(ranking_measure(&r, &e, &p, &err), E_NOMEM);
    for (uint64_t n = 1; n <= 4; n++) {
        mem_fail_at(n);
        assert_int_equal(vus_measure(&r, &e, WINDOW, &v, &err), E_NOMEM);
    }
    mem_fail_at(0);
    ranking_done(&r);
    events_done(&e);
}

static void events_are_found_by_row(void **state)
{
    (void)state;
    const uint8_t marks[] = {1, 1, 0, 0, 1, 0, 1};
    const int at[] = {0, 0, -1, -1, 1, -1, 2};
    struct events e = {0};
    struct err err;

    assert_int_equal(events_find(marks, 7, &e, &err), OK);
    assert_int_equal(e.n, 3);
    assert_int_equal(e.marked, 4);
    assert_true(e.v[0].first == 0 && e.v[0].last == 1 && e.v[2].first == 6 && e.v[2].last == 6);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(events_at(&e, i), at[i]);
    events_done(&e);
    assert_int_equal(events_find(marks, 0, &e, &err), OK);
    assert_true(e.n == 0 && events_at(&e, 0) == -1);
    events_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_perfect_score_has_areas_of_1),
        cmocka_unit_test(a_worst_score_finds_nothing),
        cmocka_unit_test(noise_is_worth_the_base_rate),
        cmocka_unit_test(a_monotone_transform_changes_nothing),
        cmocka_unit_test(equal_scores_are_one_threshold),
        cmocka_unit_test(a_score_a_little_late_is_forgiven_by_vus_alone),
        cmocka_unit_test(buffers_are_cut_at_the_ends),
        cmocka_unit_test(missing_scores_rank_last),
        cmocka_unit_test(no_memory_is_said),
        cmocka_unit_test(events_are_found_by_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
