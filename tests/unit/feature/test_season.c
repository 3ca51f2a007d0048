/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../rng_normal.h"
#include "base/mem.h"
#include "feature/season.h"

/* Rows of N features: 0 follows the day, 1 is noise, 2 stands still, 3 follows the day and is
 * weightless. */
enum { N = 4, MINUTE_MS = 60 * 1000, DAY_MINUTES = 24 * 60 };

#define DAY_MS (INT64_C(60000) * DAY_MINUTES)

static const double HEIGHT = 100;

struct rows {
    size_t n, capacity;
    int64_t *ts_ms;
    float *X; /* [n][N] */
};

/* What feature 0 is at this time, less its mean. */
static double rhythm(int64_t ts_ms)
{
    const double turn = (double)((ts_ms % DAY_MS + DAY_MS) % DAY_MS) / (double)DAY_MS;

    return HEIGHT * (sin(2 * M_PI * turn) + 0.5 * sin(4 * M_PI * turn + 1));
}

static void add_row(struct rows *rows, int64_t ts_ms, double noise, struct rng *rng)
{
    if (rows->n == rows->capacity) {
        rows->capacity = rows->capacity ? 2 * rows->capacity : 1024;
        rows->ts_ms = realloc(rows->ts_ms, rows->capacity * sizeof *rows->ts_ms);
        rows->X = realloc(rows->X, rows->capacity * N * sizeof *rows->X);
        assert_true(rows->ts_ms && rows->X);
    }
    float *const x = rows->X + rows->n * N;
    rows->ts_ms[rows->n++] = ts_ms;
    x[0] = (float)(1000 + rhythm(ts_ms) + noise * rng_normal(rng));
    x[1] = (float)(50 + noise * rng_normal(rng));
    x[2] = 7.1f;
    x[3] = (float)rhythm(ts_ms);
}

static struct rows make(int64_t start_ms, int64_t interval_ms, size_t days, double noise)
{
    struct rows rows = {0};
    struct rng rng;

    rng_init(&rng, 1 + days);
    for (int64_t t = 0; t < (int64_t)days * DAY_MS; t += interval_ms)
        add_row(&rows, start_ms + t, noise, &rng);
    return rows;
}

static void rows_done(struct rows *rows)
{
    free(rows->ts_ms);
    free(rows->X);
}

static struct schema *four(void)
{
    struct feature f[N] = {{.name = "a"}, {.name = "b"}, {.name = "c"}, {.name = "d"}};
    struct schema *schema;
    struct err err;

    f[3].weightless = true;
    assert_int_equal(schema_new(f, N, &schema, &err), OK);
    return schema;
}

static struct season fit(const struct rows *rows, int64_t interval_ms)
{
    struct schema *schema = four();
    struct season s;
    struct err err;

    if (season_fit(rows->ts_ms, rows->X, rows->n, schema, interval_ms, &s, &err) != OK)
        fail_msg("%s", err.msg);
    schema_free(schema);
    return s;
}

/* The most that the season is off feature 0's rhythm, over a day's minutes. */
static double worst(const struct season *s)
{
    double most = 0;

    for (int64_t t = 0; t < DAY_MS; t += MINUTE_MS)
        most = fmax(most, fabs((double)season_at(s, t, 0) - rhythm(t)));
    return most;
}

static double largest(const struct season *s, size_t feature)
{
    double most = 0;

    for (size_t i = 0; i < s->slots; i++)
        most = fmax(most, fabs((double)s->offset[i * N + feature]));
    return most;
}

static void a_daily_rhythm_is_found_and_taken_off(void **state)
{
    (void)state;
    static const struct {
        int64_t start_ms, interval_ms;
        size_t days, slots;
        double noise, within;
    } c[] = {
        {0, MINUTE_MS, 3, 96, 0, 1.5}, /* smoothing flattens the top by about a hundredth */
        {0, MINUTE_MS, 3, 96, 20, 6},
        {0, 5 * MINUTE_MS, 14, 96, 20, 6},
        {17 * MINUTE_MS * 60, MINUTE_MS, 3, 96, 20, 6}, /* from five in the afternoon on */
        /* what comes once a slot says what is at that place of it; smoothing takes the rest */
        {0, 20 * MINUTE_MS, 7, 72, 20, 10},
        {0, 60 * MINUTE_MS, 14, 24, 5, 10},
        {40 * MINUTE_MS, 60 * MINUTE_MS, 14, 24, 5, 10},
        {-40 * DAY_MS - 12345, MINUTE_MS, 3, 96, 20, 6}, /* before 1970 */
    };

    for (size_t k = 0; k < sizeof c / sizeof c[0]; k++) {
        struct rows rows = make(c[k].start_ms, c[k].interval_ms, c[k].days, c[k].noise);
        struct season s = fit(&rows, c[k].interval_ms);
        assert_int_equal(s.slots, c[k].slots);

        if (worst(&s) > c[k].within)
            fail_msg("case %zu: off by %g", k, worst(&s));
        for (size_t r = 0; r < rows.n; r += 7) {
            float less[N];
            const float *x = rows.X + r * N;
            season_subtract(&s, rows.ts_ms[r], x, less);
            for (size_t i = 0; i < N; i++)
                assert_true(less[i] == x[i] - season_at(&s, rows.ts_ms[r], i));
        }
        season_done(&s);
        rows_done(&rows);
    }
}

static void noise_alone_has_almost_no_season(void **state)
{
    (void)state;
    double rest = 0;

    for (size_t days = 2; days <= 20; days++) {
        struct rows rows = make(0, 5 * MINUTE_MS, days, 20);
        struct season s = fit(&rows, 5 * MINUTE_MS);
        /* three rows a slot and day, three slots smoothed */
        const double unshrunk = 20 / sqrt(3.0 * 3 * (double)days);

        assert_true(largest(&s, 1) < 1.7 * unshrunk);
        for (size_t i = 0; i < s.slots; i++)
            rest += pow((double)s.offset[i * N + 1] / unshrunk, 2) / (19.0 * (double)s.slots);
        assert_true(largest(&s, 0) > HEIGHT); /* beside it, what there is is found */
        season_done(&s);
        rows_done(&rows);
    }
    assert_true(rest < 0.05); /* of its variance; 1 if it were not shrunk */
}

static void what_stands_still_or_is_weightless_is_left_alone(void **state)
{
    (void)state;
    struct rows rows = make(0, MINUTE_MS, 3, 20);
    struct season s = fit(&rows, MINUTE_MS);

    for (int64_t t = 0; t < DAY_MS; t += 10 * MINUTE_MS) {
        float x[N] = {1, 2, 7.1f, 4};
        season_subtract(&s, t, x, x); /* in place */
        assert_true(x[2] == 7.1f && x[3] == 4);
        assert_true(season_at(&s, t, 3) == 0);
    }
    season_done(&s);
    rows_done(&rows);
}

static void under_two_days_there_is_none(void **state)
{
    (void)state;
    struct rows rows = make(0, MINUTE_MS, 3, 20);
    const size_t two_days = 2 * DAY_MINUTES;

    rows.n = two_days - 2;
    struct season s = fit(&rows, MINUTE_MS);
    assert_true(s.slots == 0 && s.offset == NULL);
    const float x[N] = {1, NAN, 3, 4};
    float less[N];
    season_subtract(&s, 5, x, less);
    assert_memory_equal(x, less, sizeof x);
    assert_true(season_at(&s, 5, 0) == 0);
    season_done(&s);

    rows.n = two_days;
    s = fit(&rows, MINUTE_MS);
    assert_int_equal(s.slots, SEASON_SLOTS);
    season_done(&s);

    for (int64_t interval = 0; interval <= 1; interval++) { /* not known; as long as the day */
        s = fit(&rows, interval * DAY_MS);
        assert_int_equal(s.slots, 0);
        season_done(&s);
    }
    rows.n = 1;
    s = fit(&rows, MINUTE_MS);
    assert_int_equal(s.slots, 0);
    season_done(&s);
    rows_done(&rows);
}

/* A tenth of all values, two hours each day, and days on end. */
static void what_is_missing_is_done_without(void **state)
{
    (void)state;
    struct rows rows = {0};
    struct rng rng;

    rng_init(&rng, 5);
    for (int64_t t = 0; t < 12 * DAY_MS; t += MINUTE_MS) {
        const int64_t day = t / DAY_MS, hour = t / MINUTE_MS / 60 % 24;
        if ((day > 3 && day < 8) || hour == (5 * day) % 24 || hour == (5 * day + 1) % 24)
            continue;
        add_row(&rows, t, 20, &rng);
        if (rng_below(&rng, 10) == 0)
            rows.X[(rows.n - 1) * N] = rng_below(&rng, 2) ? NAN : INFINITY;
    }
    struct season s = fit(&rows, MINUTE_MS);
    if (worst(&s) > 12)
        fail_msg("off by %g", worst(&s));
    float less[N];
    season_subtract(&s, 0, (const float[N]){NAN, 1, 1, 1}, less);
    assert_true(isnan(less[0]) && isfinite(less[1]));
    season_done(&s);
    rows_done(&rows);
}

static void between_slots_it_is_continuous_over_midnight_too(void **state)
{
    (void)state;
    struct rows rows = make(0, MINUTE_MS, 3, 30);
    struct season s = fit(&rows, MINUTE_MS);
    const int64_t slot_ms = DAY_MS / SEASON_SLOTS;
    double steepest = 0;

    for (size_t i = 0; i < s.slots; i++) {
        const float a = s.offset[i * N], b = s.offset[(i + 1) % s.slots * N];
        const int64_t middle = (int64_t)i * slot_ms + slot_ms * 7 / 15; /* of its 15 minutes */
        steepest = fmax(steepest, fabs((double)b - (double)a) / (double)slot_ms);
        assert_float_equal(season_at(&s, middle, 0), a, 1e-4);
        assert_float_equal(season_at(&s, middle + slot_ms / 2, 0), (a + b) / 2, 1e-4);
    }
    for (int64_t t = -DAY_MS; t < DAY_MS; t += 1000) {
        const double step = fabs((double)season_at(&s, t + 1000, 0) - (double)season_at(&s, t, 0));
        assert_true(step <= 1000 * steepest + 1e-3);
        assert_true(season_at(&s, t, 0) == season_at(&s, t + 40 * DAY_MS, 0)); /* each day alike */
    }
    season_done(&s);
    rows_done(&rows);
}

static void older_days_than_the_last_four_hundred_do_not_count(void **state)
{
    (void)state;
    struct rows rows = make(0, 60 * MINUTE_MS, SEASON_DAYS_MAX + 50, 1);

    for (size_t r = 0; r < 50 * 24; r++)
        rows.X[r * N] = 1e6f * (float)(r % 24);
    struct season s = fit(&rows, 60 * MINUTE_MS);
    assert_true(worst(&s) < 30);
    season_done(&s);
    rows_done(&rows);
}

/* Promises for any rows: whatever comes, it is finite, and so is what lies between. */
static void hostile_rows_give_a_finite_season(void **state)
{
    (void)state;
    static const float extreme[] = {0,        FLT_MAX, -FLT_MAX, FLT_MIN, 1e-45f, 1,
                                    INFINITY, NAN,     -1e30f,   1e30f,   3.4e38f};
    static const int64_t edge[] = {INT64_MIN, -1, 0, 1, INT64_MAX, DAY_MS - 1, 86399999999999};
    struct schema *schema = four();
    struct rng rng;
    struct err err;

    rng_init(&rng, 9);
    for (int round = 0; round < 300; round++) {
        int64_t ts_ms[64];
        float X[64][N];
        struct season s;
        for (size_t r = 0; r < 64; r++) {
            const uint64_t far = rng_u64(&rng) >> (round % 2 ? 0 : 34);
            ts_ms[r] = (int64_t)far;
            for (size_t k = r; k > 0 && ts_ms[k] < ts_ms[k - 1]; k--) {
                const int64_t t = ts_ms[k];
                ts_ms[k] = ts_ms[k - 1];
                ts_ms[k - 1] = t;
            }
            for (size_t i = 0; i < N; i++)
                X[r][i] = extreme[rng_below(&rng, sizeof extreme / sizeof extreme[0])];
        }
        const int64_t interval = round % 3 ? 1 + (int64_t)(rng_u64(&rng) >> 40) : 3600000;
        assert_int_equal(season_fit(ts_ms, X[0], 64, schema, interval, &s, &err), OK);
        for (size_t i = 0; i < s.slots * N; i++)
            assert_true(isfinite(s.offset[i]));
        for (size_t k = 0; k < sizeof edge / sizeof edge[0]; k++)
            for (size_t i = 0; i < N; i++)
                assert_true(isfinite(season_at(&s, edge[k], i)));
        season_done(&s);
    }
    schema_free(schema);
}

static void without_memory_it_says_so_and_leaves_nothing(void **state)
{
    (void)state;
    struct rows rows = make(0, 30 * MINUTE_MS, 3, 20);
    struct schema *schema = four();
    struct season s;
    uint64_t n = 0;
    struct err err;

    for (enum rc rc = E_NOMEM; rc != OK;) {
        mem_fail_at(++n);
        rc = season_fit(rows.ts_ms, rows.X, rows.n, schema, 30 * MINUTE_MS, &s, &err);
        mem_fail_at(0);
        assert_true(rc == OK || (rc == E_NOMEM && err.msg[0] && !s.offset && s.slots == 0));
        assert_true(n < 20);
    }
    assert_true(n > 4);
    season_done(&s);
    schema_free(schema);
    rows_done(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_daily_rhythm_is_found_and_taken_off),
        cmocka_unit_test(noise_alone_has_almost_no_season),
        cmocka_unit_test(what_stands_still_or_is_weightless_is_left_alone),
        cmocka_unit_test(under_two_days_there_is_none),
        cmocka_unit_test(what_is_missing_is_done_without),
        cmocka_unit_test(between_slots_it_is_continuous_over_midnight_too),
        cmocka_unit_test(older_days_than_the_last_four_hundred_do_not_count),
        cmocka_unit_test(hostile_rows_give_a_finite_season),
        cmocka_unit_test(without_memory_it_says_so_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
