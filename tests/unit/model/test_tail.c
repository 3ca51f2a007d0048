/* SPDX-License-Identifier: Apache-2.0 */
/* That a tail counts what watch would open is in ../detect/test_tail_watch.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../rng_normal.h"
#include "base/mem.h"
#include "model/tail.h"

static const struct confirm_spec three_of_five = {3, 5};
enum { MINUTE = 60 * 1000, WEEK = 7 * 24 * 60 /* minutes */ };

enum kind { SQUARES, MEAN_OF_SQUARES, EXPONENTIAL, PARETO, BURSTS, INCIDENTS };

/* A smoothed score, as live ones are; PARETO's tail has shape 1/4. BURSTS: a job three times a day
 * on top of squares. INCIDENTS: three a week, far out. */
struct source {
    enum kind kind;
    struct rng rng;
    double smooth, extra;
    uint32_t left;
};

static double uniform(struct rng *r)
{
    return ((double)(rng_u64(r) >> 11) + 1) * 0x1p-53;
}

static double draw(struct source *s)
{
    double sum = 0;

    if (s->kind == EXPONENTIAL)
        return -log(uniform(&s->rng));
    if (s->kind == PARETO)
        return pow(uniform(&s->rng), -0.25) - 1;
    const int n = s->kind == SQUARES ? 1 : 10;
    for (int i = 0; i < n; i++) {
        const double z = rng_normal(&s->rng);
        sum += z * z / n;
    }
    return sum;
}

static float next(struct source *s)
{
    double x = draw(s);

    if (s->kind == BURSTS || s->kind == INCIDENTS) {
        const double each = s->kind == BURSTS ? 1440 / 3.0 : WEEK / 3.0;
        if (s->left > 0) {
            s->left--;
        } else {
            s->extra = 0;
            if (uniform(&s->rng) < 1 / each) {
                s->left = 3 + rng_below(&s->rng, 17);
                s->extra = s->kind == BURSTS ? -1.5 * log(uniform(&s->rng))
                                             : 8 - 15 * log(uniform(&s->rng));
            }
        }
        x += s->extra;
    }
    s->smooth += 0.2 * (x - s->smooth);
    return (float)s->smooth;
}

static struct tail history(enum kind kind, uint64_t seed, size_t rows)
{
    struct source s = {.kind = kind};
    struct tail_builder *b;
    struct tail t;
    struct err err;

    rng_init(&s.rng, seed);
    assert_int_equal(tail_builder_new(three_of_five, TAIL_PEAKS_MAX, &b, &err), OK);
    for (int i = 0; i < 30; i++)
        (void)next(&s);
    for (size_t r = 0; r < rows; r++)
        tail_builder_push(b, next(&s));
    assert_int_equal(tail_builder_take(b, MINUTE, &t, &err), OK);
    tail_builder_free(b);
    return t;
}

static struct tail_threshold threshold(const struct tail *t, double per_week)
{
    struct tail_threshold found;
    struct err err;

    assert_int_equal(tail_threshold(t, per_week, &found, &err), OK);
    assert_true(isfinite(found.threshold) && found.widening >= 1);
    return found;
}

/* Achieved over promised, on later rows: the mean over ten histories. */
static double kept(enum kind learned, enum kind later, size_t rows, double per_week)
{
    enum { WEEKS = 40, HISTORIES = 10 };
    struct tail after = history(later, 1000, WEEKS * WEEK);
    double sum = 0;

    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        struct tail t = history(learned, seed, rows);
        const float u = threshold(&t, per_week).threshold;
        sum += (double)tail_count(&after, u) / WEEKS / per_week / HISTORIES;
        tail_done(&t);
    }
    tail_done(&after);
    return sum;
}

static void a_promise_is_kept_within_a_factor_of_two_on_every_kind_of_tail(void **state)
{
    (void)state;
    for (enum kind k = SQUARES; k <= PARETO; k++)
        for (size_t weeks = 1; weeks <= 4; weeks += 3) {
            const double rare = kept(k, k, weeks * WEEK, 1), often = kept(k, k, weeks * WEEK, 7);
            const double least = weeks == 1 ? 0.4 : 0.5; /* the shape is kept from under 0 */
            if (!(rare > least && rare < 2 && often > 0.5 && often < 2))
                fail_msg("kind %d, %zu weeks: %g and %g", (int)k, weeks, rare, often);
        }
    const double bursts = kept(BURSTS, BURSTS, 4 * WEEK, 1);
    assert_true(bursts > 0.5 && bursts < 2);
}

static void many_alarms_are_read_off_the_history_itself(void **state)
{
    (void)state;
    struct tail t = history(MEAN_OF_SQUARES, 3, 4 * WEEK);

    for (double asked = 14; asked < 200; asked *= 2) {
        const struct tail_threshold found = threshold(&t, asked / 4);
        assert_false(found.extrapolated);
        assert_true(found.widening == 1);
        assert_in_range(tail_count(&t, found.threshold), (size_t)(asked * 0.8), (size_t)asked);
    }
    tail_done(&t);
}

static void fewer_alarms_ask_for_a_higher_threshold(void **state)
{
    (void)state;
    static const size_t rows[] = {40, 400, WEEK};
    for (size_t i = 0; i < 3; i++) {
        struct tail t = history(EXPONENTIAL, 4, rows[i]);
        float last = INFINITY;
        for (double asked = 0.01; asked < 1000; asked *= 1.7) {
            const float u = threshold(&t, asked).threshold;
            assert_true(u <= last * 1.1f); /* where the tail meets what was seen, a little */
            last = u;
        }
        assert_true(last > 0);
        tail_done(&t);
    }
}

static void shorter_history_widens_more(void **state)
{
    (void)state;
    float last = INFINITY;

    for (size_t rows = 60; rows <= 4 * WEEK; rows *= 8) {
        double sum = 0;
        for (uint64_t seed = 0; seed < 10; seed++) {
            struct tail t = history(MEAN_OF_SQUARES, seed, rows);
            sum += (double)threshold(&t, 2).widening / 10;
            tail_done(&t);
        }
        assert_true(sum < (double)last);
        last = (float)sum;
    }
    assert_true(last < 1.05f);
}

/* Incidents in what was learned from cost little: the promise is of the normal rows. */
static void incidents_in_the_history_are_gated(void **state)
{
    (void)state;
    struct tail t = history(INCIDENTS, 2, 4 * WEEK);

    assert_in_range(threshold(&t, 1).gated, 4, 14); /* twelve expected, not all far out */
    tail_done(&t);
    const double often = kept(INCIDENTS, MEAN_OF_SQUARES, 4 * WEEK, 7);
    assert_true(often > 0.4 && often < 1.5);
    t = history(BURSTS, 2, 4 * WEEK); /* what comes daily is how the machine is */
    assert_true(threshold(&t, 1).gated <= 2);
    tail_done(&t);
    for (enum kind k = SQUARES; k <= EXPONENTIAL; k++) { /* no incident, none found */
        t = history(k, 3, 4 * WEEK);
        assert_true(threshold(&t, 1).gated <= 1);
        tail_done(&t);
    }
    t = history(INCIDENTS, 2, WEEK / 7); /* of one day nobody can tell */
    assert_int_equal(threshold(&t, 1).gated, 0);
    tail_done(&t);
}

/* One peak for each height, at one score a second; then quiet until the history is so long. */
static struct tail of_highest(const float *heights, size_t n, int64_t seconds, size_t peaks_max)
{
    struct tail_builder *b;
    struct tail t;
    struct err err;

    assert_int_equal(tail_builder_new(three_of_five, peaks_max, &b, &err), OK);
    for (size_t i = 0; i < n; i++)
        for (int r = 0; r < 10; r++, seconds--)
            tail_builder_push(b, r < 3 ? heights[i] : 0);
    for (; seconds > 0; seconds--)
        tail_builder_push(b, 0);
    assert_int_equal(tail_builder_take(b, 1000, &t, &err), OK);
    tail_builder_free(b);
    return t;
}

static struct tail of_heights(const float *heights, size_t n, int64_t seconds)
{
    return of_highest(heights, n, seconds, TAIL_PEAKS_MAX);
}

/* Minutes of quiet and one burst: a fit to the quiet alone would ring for the burst each week. */
static void a_rare_rate_is_not_put_under_what_was_just_seen(void **state)
{
    (void)state;
    static const float heights[] = {0.001f, 0.002f, 0.001f, 0.003f, 0.002f,
                                    0.001f, 0.004f, 0.016f, 1.3f,   0.001f};
    struct tail t = of_heights(heights, 10, 450);

    for (double per_week = 0.01; per_week < 60; per_week *= 2)
        assert_int_equal(tail_count(&t, threshold(&t, per_week).threshold), 0);
    assert_true(threshold(&t, 7000).threshold < 1); /* seven are expected: one of them is none */
    tail_done(&t);
}

static float least(const struct tail *t, double per_week)
{
    struct err err;
    float u;

    assert_int_equal(tail_least(t, per_week, &u, &err), OK);
    return u;
}

static void what_was_fitted_to_refutes_a_threshold_that_it_passes_too_often(void **state)
{
    (void)state;
    enum { N = 30, HOUR = 3600, A_WEEK = 7 * 24 * HOUR };
    float heights[N];
    for (size_t i = 0; i < N; i++)
        heights[i] = (float)(i + 1);

    struct tail t = of_heights(heights, N, HOUR);
    assert_true(least(&t, 1) == 29);         /* none is expected; one may have been an incident */
    assert_true(least(&t, 5.0 * 168) == 18); /* of five, eleven in one history of a hundred */
    tail_done(&t);
    t = of_heights(heights, N, A_WEEK);
    assert_true(least(&t, 1) == 12);   /* one is expected, four may come, fourteen are spared */
    assert_true(least(&t, 1000) == 0); /* more may come than there are: none is refuted */
    tail_done(&t);
    t = of_heights(heights, 0, HOUR);
    assert_true(least(&t, 1) == 0);
    tail_done(&t);
    t = of_heights(heights, 1, HOUR); /* which is spared */
    assert_true(least(&t, 1) == 0);
    tail_done(&t);
}

/* Of what was left out nothing is known: it refutes nothing. */
static void kept_peaks_refute_as_all_of_them_or_not_at_all(void **state)
{
    (void)state;
    enum { N = 700, A_WEEK = 7 * 24 * 3600 };
    float heights[N];
    for (size_t i = 0; i < N; i++)
        heights[i] = 1 + (float)(i * 7919 % N);

    struct tail all = of_heights(heights, N, A_WEEK), few = of_highest(heights, N, A_WEEK, 64);
    assert_true(all.n == N && few.n >= 32 && few.n <= 64);
    for (double per_week = 0.1; per_week < 400; per_week *= 1.5) {
        const float whole = least(&all, per_week), kept = least(&few, per_week);
        assert_true(kept == whole || kept == 0);
        assert_true((kept == whole) == (tail_count(&all, whole) < few.n));
    }
    tail_done(&all);
    tail_done(&few);
}

static void a_history_that_never_moved_has_a_threshold_over_it(void **state)
{
    (void)state;
    for (int level = 0; level < 2; level++) {
        struct tail_builder *b;
        struct tail t;
        struct err err;

        assert_int_equal(tail_builder_new(three_of_five, TAIL_PEAKS_MAX, &b, &err), OK);
        for (int r = 0; r < 500; r++)
            tail_builder_push(b, (float)level);
        assert_int_equal(tail_builder_take(b, 1000, &t, &err), OK);
        const struct tail_threshold found = threshold(&t, 2);
        assert_true(level == 0 ? found.threshold >= 0 : found.threshold > 1);
        assert_int_equal(tail_count(&t, found.threshold), 0);
        tail_done(&t);
        tail_builder_free(b);
    }
}

/* Minutes of history; rows are minutes, and peaks come some 40 rows apart. */
static void a_rate_is_held_once_the_history_has_enough_peaks_for_it(void **state)
{
    (void)state;
    for (enum kind k = SQUARES; k <= PARETO; k++) {
        size_t held = 0;
        for (uint64_t seed = 1; seed <= 5; seed++) {
            struct tail t = history(k, seed, 120);
            struct tail_threshold found = threshold(&t, 2);
            assert_false(tail_holds(&found)); /* two hours: three peaks or four */
            tail_done(&t);
            t = history(k, seed, WEEK);
            found = threshold(&t, 2);
            held += tail_holds(&found);
            tail_done(&t);
        }
        assert_int_equal(held, 5);
    }
    /* what is asked for oftener is held sooner, and what is read off at once */
    struct tail t = history(EXPONENTIAL, 1, 1440);
    const struct tail_threshold often = threshold(&t, 7 * 24), rare = threshold(&t, 0.001);
    assert_true(!often.extrapolated && tail_holds(&often));
    assert_true(rare.extrapolated && rare.beyond > often.beyond);
    tail_done(&t);
}

static void what_no_tail_was_fitted_to_holds_no_rate(void **state)
{
    (void)state;
    /* 45 peaks are enough for one passed 1000 times more rarely: 45 (1000^(1/45) - 1) is 7.46, and
     * a tenth more than ln 1000 is 7.60; 30 are not, with 7.77 */
    struct tail_threshold t = {
        .threshold = 1, .scale = 1, .peaks = 45, .extrapolated = true, .beyond = 1000};

    assert_true(tail_holds(&t));
    t.peaks = 30;
    assert_false(tail_holds(&t));
    t.peaks = 45;
    t.gated = 15;
    assert_false(tail_holds(&t));
    t.gated = 0;
    t.scale = 0;
    assert_false(tail_holds(&t));
    t.beyond = 1;
    assert_true(tail_holds(&t)); /* it asks for no more than was seen */
    t.threshold = 0;             /* nothing was over nothing */
    assert_false(tail_holds(&t));
}

static void no_score_is_refused_and_too_little_memory(void **state)
{
    (void)state;
    struct tail_threshold found;
    struct tail_builder *b = NULL;
    struct tail t = {0}, copy;
    struct err err;

    mem_fail_at(1);
    assert_int_equal(tail_builder_new(three_of_five, TAIL_PEAKS_MAX, &b, &err), E_NOMEM);
    mem_fail_at(0);
    assert_int_equal(tail_builder_new(three_of_five, TAIL_PEAKS_MAX, &b, &err), OK);
    tail_builder_push(b, NAN);
    mem_fail_at(1);
    assert_int_equal(tail_builder_take(b, 1000, &t, &err), E_NOMEM);
    mem_fail_at(0);
    assert_int_equal(tail_builder_take(b, 1000, &t, &err), OK);
    assert_int_equal(tail_threshold(&t, 1, &found, &err), E_STATE);
    tail_done(&t);
    tail_builder_free(b);

    t = history(EXPONENTIAL, 1, 1000);
    for (uint64_t n = 1; n <= 2; n++) {
        mem_fail_at(n);
        assert_int_equal(tail_threshold(&t, 1, &found, &err), E_NOMEM);
    }
    float u;
    mem_fail_at(1);
    assert_int_equal(tail_least(&t, 1, &u, &err), E_NOMEM);
    mem_fail_at(1);
    assert_int_equal(tail_copy(&t, &copy, &err), E_NOMEM);
    mem_fail_at(0);
    tail_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_promise_is_kept_within_a_factor_of_two_on_every_kind_of_tail),
        cmocka_unit_test(many_alarms_are_read_off_the_history_itself),
        cmocka_unit_test(fewer_alarms_ask_for_a_higher_threshold),
        cmocka_unit_test(shorter_history_widens_more),
        cmocka_unit_test(incidents_in_the_history_are_gated),
        cmocka_unit_test(a_rare_rate_is_not_put_under_what_was_just_seen),
        cmocka_unit_test(what_was_fitted_to_refutes_a_threshold_that_it_passes_too_often),
        cmocka_unit_test(kept_peaks_refute_as_all_of_them_or_not_at_all),
        cmocka_unit_test(a_history_that_never_moved_has_a_threshold_over_it),
        cmocka_unit_test(a_rate_is_held_once_the_history_has_enough_peaks_for_it),
        cmocka_unit_test(what_no_tail_was_fitted_to_holds_no_rate),
        cmocka_unit_test(no_score_is_refused_and_too_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
