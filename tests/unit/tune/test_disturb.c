/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "../test.h"

#include "tune/disturb.h"

enum { N = 4, ROWS = 2000, STILL = 3 };

static float X[ROWS * N], copy[ROWS * N], again[ROWS * N];
static int64_t ts[ROWS];
static uint8_t label[ROWS], label_again[ROWS];

/* Uniform values, all different, of widths 1, 10 and 100, and a feature that stands still. */
static struct dataset world(size_t rows)
{
    for (size_t r = 0; r < ROWS; r++) {
        ts[r] = (int64_t)r;
        for (size_t i = 0; i < N; i++) /* 677 and ROWS have no common factor */
            X[r * N + i] = i == STILL ? 7 : powf(10, (float)i) * (float)(r * 677 % ROWS) / ROWS;
    }
    return (struct dataset){.rows = rows, .n = N, .capacity = rows, .ts_ms = ts, .X = X};
}

static void disturb(const struct dataset *d, float size, uint64_t seed)
{
    float spread[N];
    struct err err;

    assert_int_equal(disturb_spreads(d, spread, &err), OK);
    assert_int_equal(disturb_apply(d, spread, size, false, seed, copy, label, &err), OK);
}

static void a_spread_is_in_the_features_own_unit(void **state)
{
    (void)state;
    const struct dataset d = world(ROWS);
    float spread[N];
    struct err err;

    assert_int_equal(disturb_spreads(&d, spread, &err), OK);
    /* 80 % of the width over twice the normal 90 % quantile */
    for (size_t i = 0; i < STILL; i++)
        assert_float_equal(spread[i] / powf(10, (float)i), 0.8f / 2.563f, 0.02f);
    assert_true(spread[STILL] == 0);
}

static void a_feature_that_seldom_moves_has_a_spread(void **state)
{
    (void)state;
    const struct dataset d = world(ROWS);
    float spread[N];
    struct err err;

    for (size_t r = 0; r < ROWS; r += 50)
        X[r * N + STILL] = 8; /* outside of both quantiles */
    assert_int_equal(disturb_spreads(&d, spread, &err), OK);
    assert_float_equal(spread[STILL], 0.14f, 0.001f); /* sqrt(0.02 * 0.98) */
}

static void the_same_seed_gives_the_same_copy(void **state)
{
    (void)state;
    const struct dataset d = world(ROWS);

    disturb(&d, 2, 9);
    memcpy(again, copy, sizeof copy);
    memcpy(label_again, label, sizeof label);
    disturb(&d, 2, 10);
    assert_memory_not_equal(copy, again, sizeof copy);
    disturb(&d, 2, 9);
    assert_memory_equal(copy, again, sizeof copy);
    assert_memory_equal(label, label_again, sizeof label);
}

static void rows_change_only_where_the_label_says_so(void **state)
{
    (void)state;
    const struct dataset d = world(ROWS);
    size_t count[DISTURB_LABEL + DISTURB_APART] = {0};

    disturb(&d, 4, 1);
    for (size_t r = 0; r < ROWS; r++) {
        assert_true(label[r] < DISTURB_LABEL + DISTURB_APART);
        count[label[r]]++;
        if (label[r] < DISTURB_LABEL)
            assert_memory_equal(copy + r * N, X + r * N, N * sizeof *X);
        else if (label[r] <= DISTURB_LABEL + DISTURB_DRIFT)
            assert_memory_not_equal(copy + r * N, X + r * N, N * sizeof *X);
        assert_true(copy[r * N + STILL] == 7);
    }
    for (size_t k = 0; k < DISTURB_APART; k++)
        assert_true(count[DISTURB_LABEL + k] > 0);
    /* rare enough to need precision, and most rows count */
    const size_t disturbed = ROWS - count[DISTURB_NONE] - count[DISTURB_AFTER];
    assert_in_range(disturbed, ROWS / 20, ROWS / 4);
    assert_true(count[DISTURB_AFTER] <= disturbed && count[DISTURB_AFTER] > disturbed / 2);
}

/* What the kinds are, row by row of feature i that changed in a stretch. */
static void check_stretch(size_t first, size_t rows, enum disturb_kind kind, size_t i, float off)
{
    for (size_t k = 0; k < rows; k++) {
        const float old = X[(first + k) * N + i], new = copy[(first + k) * N + i];
        const float tolerance = 1e-5f * (1 + fabsf(old) + off);

        if (kind == DISTURB_SHIFT || kind == DISTURB_SPIKE)
            assert_float_equal(fabsf(new - old), off, tolerance);
        if (kind == DISTURB_DRIFT)
            assert_float_equal(fabsf(new - old), off * (float)(k + 1) / (float)rows, tolerance);
        if (kind == DISTURB_BURST)
            assert_true(fabsf(new - old) <= 1.7321f * off + tolerance);
        if (kind == DISTURB_STUCK)
            assert_true(new == X[first * N + i]);
        if (kind == DISTURB_SWAP) {
            size_t at = 0; /* values are all different: the row that it came from */
            while (at < ROWS && X[at * N + i] != new)
                at++;
            assert_true(at < ROWS);
            assert_true(k == 0 || X[(at - 1) * N + i] == copy[(first + k - 1) * N + i]);
        }
    }
}

/* Checks the features that changed in [first, end); how many. */
static size_t check_event(size_t first, size_t end, const float *spread, float size)
{
    const enum disturb_kind kind = (enum disturb_kind)(label[first] - DISTURB_LABEL);
    size_t checked = 0;

    if (kind == DISTURB_SPIKE)
        assert_in_range(end - first, 1, 3);
    for (size_t i = 0; i < N; i++)
        if (copy[(end - 1) * N + i] != X[(end - 1) * N + i]) {
            check_stretch(first, end - first, kind, i, size * spread[i]);
            checked++;
        }
    return checked;
}

static void each_kind_does_what_it_is_called(void **state)
{
    (void)state;
    const struct dataset d = world(ROWS);
    size_t checked[DISTURB_APART] = {0};
    float spread[N];
    struct err err;

    assert_int_equal(disturb_spreads(&d, spread, &err), OK);
    for (uint64_t seed = 0; seed < 20; seed++) {
        disturb(&d, 8, seed);
        for (size_t first = 0, end; first < ROWS; first = end) {
            for (end = first + 1; end < ROWS && label[end] == label[first];)
                end++;
            if (label[first] >= DISTURB_LABEL)
                checked[label[first] - DISTURB_LABEL] += check_event(first, end, spread, 8);
        }
    }
    for (size_t k = 0; k < DISTURB_APART; k++)
        assert_true(checked[k] > 20);
}

/* One offset a feature all along, in the way of two rows, of the size as a root mean square. */
static void joint_ones_move_all_features_as_they_move(void **state)
{
    (void)state;
    const struct dataset d = world(ROWS);
    float spread[N];
    struct err err;
    size_t events = 0;

    assert_int_equal(disturb_spreads(&d, spread, &err), OK);
    assert_int_equal(disturb_apply(&d, spread, 3, true, 1, copy, label, &err), OK);
    for (size_t r = 0; r < ROWS; r++) {
        double squares = 0;
        if (label[r] != DISTURB_LABEL + DISTURB_JOINT) {
            assert_memory_equal(copy + r * N, X + r * N, N * sizeof *X);
            continue;
        }
        for (size_t i = 0; i < STILL; i++) {
            const double off = (double)(copy[r * N + i] - X[r * N + i]) / (double)spread[i];
            squares += off * off;
            /* these features are one value in three units */
            assert_true(fabs(fabs(off) - 3) < 1e-3);
        }
        assert_true(fabs(sqrt(squares / STILL) - 3) < 1e-3);
        events += label[r - 1] != label[r];
    }
    assert_true(events > 5);
}

static void what_is_missing_stays_missing(void **state)
{
    (void)state;
    const struct dataset d = world(ROWS);

    for (size_t r = 0; r < ROWS; r += 3)
        X[r * N] = NAN;
    for (uint64_t seed = 0; seed < 20; seed++) {
        disturb(&d, 4, seed);
        for (size_t r = 0; r < ROWS; r++)
            for (size_t i = 0; i < N; i++)
                assert_true(isnan(copy[r * N + i]) == isnan(X[r * N + i]));
    }
}

static void few_rows_and_still_ones_are_refused(void **state)
{
    (void)state;
    const struct dataset few = world(DISTURB_ROWS_MIN - 1), enough = world(DISTURB_ROWS_MIN);
    const float still[N] = {0}, spread[N] = {1, 10, 100, 0};
    struct err err;

    assert_int_equal(disturb_apply(&few, spread, 1, false, 1, copy, label, &err), E_STATE);
    assert_non_null(strstr(err.msg, "99 rows"));
    assert_int_equal(disturb_apply(&enough, still, 1, false, 1, copy, label, &err), E_STATE);
    assert_non_null(strstr(err.msg, "no feature moves"));
    for (uint64_t seed = 0; seed < 100; seed++) { /* and the least that is taken is disturbed */
        assert_int_equal(disturb_apply(&enough, spread, 1, seed % 2, seed, copy, label, &err), OK);
        size_t disturbed = 0;
        for (size_t r = 0; r < enough.rows; r++)
            disturbed += label[r] >= DISTURB_LABEL;
        assert_in_range(disturbed, 1, enough.rows / 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spread_is_in_the_features_own_unit),
        cmocka_unit_test(a_feature_that_seldom_moves_has_a_spread),
        cmocka_unit_test(the_same_seed_gives_the_same_copy),
        cmocka_unit_test(rows_change_only_where_the_label_says_so),
        cmocka_unit_test(each_kind_does_what_it_is_called),
        cmocka_unit_test(joint_ones_move_all_features_as_they_move),
        cmocka_unit_test(what_is_missing_stays_missing),
        cmocka_unit_test(few_rows_and_still_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
