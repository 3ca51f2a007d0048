/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "departure_fixture.h"

/* The header's words, in double and without haste: all frames so far since the last gap. */
struct plain {
    size_t n;
    int64_t last_ms;
    double x[LONGEST][N]; /* less the season; NaN where missing */
    double evidence[LONGEST];
    int counted[LONGEST];
    double part[LONGEST][N]; /* NaN where what counts is missing */
    double off[LONGEST][2];  /* of the constant: deviations of its level and its change */
};

static double season(const struct model *m, int64_t ts_ms, size_t i)
{
    const int64_t day = 86400000;
    const double slots = (double)m->season.slots;
    const double at =
        (double)((ts_ms % day + day) % day) / (double)day * slots + slots - (double)m->season.place;
    const size_t before = (size_t)at % m->season.slots, after = (before + 1) % m->season.slots;
    const double share = at - floor(at);

    return (1 - share) * (double)m->season.offset[before * N + i] +
           share * (double)m->season.offset[after * N + i];
}

/* What stands for feature i of the last frame, and the last three that came before it; how many. */
static double filled(const struct model *m, const struct plain *p, size_t i)
{
    for (size_t age = 0; age < p->n && age <= FILL_TICKS; age++)
        if (!isnan(p->x[p->n - 1 - age][i]))
            return p->x[p->n - 1 - age][i];
    return (double)m->scaler.median[i];
}

static double change(const struct plain *p, size_t i)
{
    double v[3];
    size_t found = 0, missed = 0;

    for (size_t k = p->n - 1; k > 0 && found < 3 && missed <= FILL_TICKS; k--) {
        const double x = p->x[k - 1][i];
        missed = isnan(x) ? missed + 1 : 0;
        if (!isnan(x))
            v[found++] = x;
    }
    if (found < 3)
        return 0;
    const double median = fmax(fmin(v[0], v[1]), fmin(fmax(v[0], v[1]), v[2]));
    return p->x[p->n - 1][i] - median;
}

static double loss(double z, bool bounded)
{
    const double a = fmin(fabs(z), 1e6);

    return a <= 3 ? a * a : bounded ? 9 : 6 * a - 9;
}

/* How many times as large the unit of the constant's level (0) or change (1) is by now. */
static double awake(const struct plain *p, int which)
{
    double sum = 0;
    int moves = 0;

    for (size_t age = 1; age <= AWAKE_FRAMES && age < p->n; age++) {
        const double *off = p->off[p->n - 1 - age];
        sum += off[which] * off[which];
        moves += fabs(off[1]) > 1;
    }
    return moves > 2 ? fmax(1, (moves - 2) / 30.0 * sqrt(sum / AWAKE_FRAMES)) : 1;
}

static void note_constant(const struct model *m, struct plain *p)
{
    const double x = p->x[p->n - 1][CONSTANT];
    double *off = p->off[p->n - 1];

    off[0] =
        isnan(x) ? 0 : (x - (double)m->scaler.median[CONSTANT]) / (double)m->unit_level[CONSTANT];
    off[1] = isnan(x) ? 0 : change(p, CONSTANT) / (double)m->unit_change[CONSTANT];
    for (int k = 0; k < 2; k++)
        off[k] = fabs(off[k]) <= 1 ? 0 : fmax(fmin(off[k], 1e6), -1e6);
}

static double plain_evidence(const struct model *m, struct plain *p, bool bounded, double *part)
{
    double z[N], y[N], sum = 0;
    int counted = 0;

    for (size_t i = 0; i < N; i++)
        z[i] = (filled(m, p, i) - (double)m->scaler.low[i]) / (double)m->scaler.span[i];
    fixture_forward(m, z, y);
    for (size_t i = 0; i < N; i++) {
        const uint8_t kind = m->scaler.constant[i];
        const double x = p->x[p->n - 1][i];
        part[i] = 0;
        p->part[p->n - 1][i] = isnan(x) && !kind ? (double)NAN : 0;
        if (isnan(x) || kind == SCALER_UNSEEN || (kind && fabs(z[i] - 0.5) < 0.999))
            continue;
        const double expected = kind ? (double)m->scaler.median[i]
                                     : (double)m->scaler.low[i] + y[i] * (double)m->scaler.span[i];
        const bool cut = bounded && m->schema->f[i].resolution > 0;
        part[i] = loss((x - expected) / (double)m->unit_level[i] / (kind ? awake(p, 0) : 1), cut) +
                  loss(change(p, i) / (double)m->unit_change[i] / (kind ? awake(p, 1) : 1), cut);
        p->part[p->n - 1][i] = part[i];
        sum += part[i];
        counted++;
    }
    p->counted[p->n - 1] = counted;
    note_constant(m, p);
    return counted ? sum / counted : (double)NAN;
}

/* What feature i lends to a frame of that age; NaN: nothing. */
static double own(const struct plain *p, size_t i, size_t to)
{
    double sum = 0, weights = 0;
    size_t missed = 0, oldest = 0;

    for (size_t age = 0; age < SMOOTH_FRAMES && age < p->n && missed <= FILL_TICKS; age++) {
        const double part = p->part[p->n - 1 - age][i];
        missed = isnan(part) ? missed + 1 : 0;
        if (isnan(part))
            continue;
        sum += pow(0.8, (double)age) * part;
        weights += pow(0.8, (double)age);
        oldest = age;
    }
    return to <= oldest ? sum / weights : (double)NAN;
}

static double with_lent(const struct plain *p, size_t t)
{
    double sum = p->evidence[t] * p->counted[t];
    int counted = p->counted[t];

    for (size_t i = 0; i < N; i++)
        if (isnan(p->part[t][i]) && !isnan(own(p, i, p->n - 1 - t))) {
            sum += own(p, i, p->n - 1 - t);
            counted++;
        }
    return sum / counted;
}

/* The score; ret_part[N]. */
static double plain_push(const struct model *m, struct plain *p, int64_t ts_ms, const float *frame,
                         bool bounded, double *ret_part)
{
    double sum = 0, weights = 0;

    if (p->n > 0 && (ts_ms < p->last_ms || ts_ms - p->last_ms > DEPARTURE_GAP * m->interval_ms))
        p->n = 0;
    p->last_ms = ts_ms;
    assert_true(p->n < LONGEST);
    for (size_t i = 0; i < N; i++)
        p->x[p->n][i] = isfinite(frame[i]) ? (double)frame[i] - season(m, ts_ms, i) : (double)NAN;
    p->n++;
    p->evidence[p->n - 1] = plain_evidence(m, p, bounded, ret_part);
    for (size_t age = 0; age < SMOOTH_FRAMES && age < p->n; age++)
        if (!isnan(p->evidence[p->n - 1 - age])) {
            sum += pow(0.8, (double)age) * with_lent(p, p->n - 1 - age);
            weights += pow(0.8, (double)age);
        }
    return isnan(p->evidence[p->n - 1]) ? (double)NAN : sum / weights;
}

static bool near(double a, double b)
{
    return isnan(a) ? isnan(b) : fabs(a - b) <= 1e-3 * fabs(b) + 1e-3;
}

static void check_frame(const struct departure_score *s, const struct plain *p, double score,
                        const double *part, const float *frame)
{
    size_t here = 0;

    assert_true(near((double)s->score, score));
    assert_true(near((double)s->evidence, p->evidence[p->n - 1]));
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(s->here[i], isfinite(frame[i]));
        here += s->here[i];
        assert_true(near((double)s->part[i], part[i]));
        assert_true(isfinite(s->value[i]) && isfinite(s->expected[i]));
        assert_true(!s->here[i] ||
                    fabsf(s->value[i] - frame[i]) <= 1e-6f * fabsf(frame[i]) + 1e-3f);
    }
    assert_int_equal(s->present, here);
}

static void score_is_the_headers_formula(void **state)
{
    (void)state;
    static struct frames f;
    static struct plain p;
    struct rng rng;

    rng_init(&rng, 3);
    for (uint64_t run = 0; run < 12; run++) {
        const bool bounded = run % 2;
        struct departure *d = new_departure(model, bounded);
        size_t scored = 0;
        some_frames(&f, LONGEST, run < 4 ? 0 : 8, run < 2 ? 0 : 30, run);
        p.n = 0;
        int64_t shift = 0;
        for (size_t t = 0; t < f.n; t++) {
            struct departure_score s;
            double part[N];
            if (rng_below(&rng, 40) == 0) /* late, lost, set back */
                shift += (int64_t)(rng_below(&rng, 6) * INTERVAL_MS) - INTERVAL_MS;
            const double score = plain_push(model, &p, f.ts_ms[t] + shift, f.x[t], bounded, part);
            departure_push(d, f.ts_ms[t] + shift, f.x[t], &s);
            check_frame(&s, &p, score, part, f.x[t]);
            scored += !isnan(s.score);
        }
        assert_in_range(scored, LONGEST * 9 / 10, LONGEST);
        departure_free(d);
    }
}

static void value_and_expectation_are_natural_with_the_season_in_them(void **state)
{
    (void)state;
    static struct frames f;
    struct departure *d = new_departure(model, false);
    double off = 0;

    some_frames(&f, A_DAY, 0, 0, 1);
    for (size_t t = 0; t < f.n; t++) {
        struct departure_score s;
        departure_push(d, f.ts_ms[t], f.x[t], &s);
        assert_float_equal(s.value[1], f.x[t][1], 1e-2);
        assert_true(s.expected[CONSTANT] == 12);
        off += (double)fabsf(s.expected[1] - f.x[t][1]) / A_DAY;
    }
    assert_true(off < 100); /* of a swing of 600 */
    departure_free(d);
}

static void nothing_that_comes_later_changes_a_score(void **state)
{
    (void)state;
    static struct frames f, other;
    struct departure *a = new_departure(model, false), *b = new_departure(model, false);
    struct departure_score s, same;

    some_frames(&f, 100, 8, 20, 1);
    some_frames(&other, 100, 3, 2, 9);
    for (size_t t = 0; t < 100; t++) {
        departure_push(a, f.ts_ms[t], f.x[t], &s);
        departure_push(b, f.ts_ms[t], t < 60 ? f.x[t] : other.x[t], &same);
        assert_true(memcmp(&s.score, &same.score, sizeof s.score) == 0 || t >= 60);
        assert_true(memcmp(&s.evidence, &same.evidence, sizeof s.evidence) == 0 || t >= 60);
    }
    departure_free(a);
    departure_free(b);
}

/* The evidence of a usual frame in which feature i is off by `units` of its level. */
static double evidence_of(bool bounded, size_t i, float units)
{
    struct departure *d = new_departure(model, bounded);
    struct departure_score s;
    static struct frames f;

    some_frames(&f, 20, 0, 0, 1);
    f.x[19][i] += units * model->unit_level[i];
    for (size_t t = 0; t < f.n; t++)
        departure_push(d, f.ts_ms[t], f.x[t], &s);
    departure_free(d);
    return (double)s.evidence;
}

static void one_wild_feature_counts_by_its_distance_and_bounded_no_more_than_so_much(void **state)
{
    (void)state;
    enum { COUNTED = N - 2, KNOWN = 1, UNKNOWN = 2 }; /* whether its resolution is */
    const double usual = evidence_of(true, KNOWN, 0);

    for (float units = 10; units < 1e30f; units *= 1000) {
        assert_true(evidence_of(true, KNOWN, units) <= usual + 2 * 9.0 / COUNTED + 0.5);
        assert_true(evidence_of(true, KNOWN, units) >= 2 * 9.0 / COUNTED);
        assert_true(evidence_of(true, UNKNOWN, units) == evidence_of(false, UNKNOWN, units));
    }
    const double far = evidence_of(false, KNOWN, 1000), twice = evidence_of(false, KNOWN, 2000);
    assert_true(twice > 1.9 * far && twice < 2.1 * far); /* and not four times */
    assert_true(isfinite(evidence_of(false, KNOWN, 1e33f)));
}

/* The score of frame `last`, `late_ms` after its time; after the frames before it, or none. */
static struct departure_score with_gap(size_t last, int64_t late_ms, bool anew)
{
    struct departure *d = new_departure(model, false);
    static struct frames f;
    struct departure_score s;

    some_frames(&f, last + 1, 0, 3, 1);
    for (size_t t = 0; t < last; t++)
        departure_push(d, f.ts_ms[t], f.x[t], &s);
    if (anew)
        departure_clear(d);
    departure_push(d, f.ts_ms[last] + late_ms, f.x[last], &s);
    departure_free(d);
    return s;
}

static void a_frame_after_a_gap_or_before_the_last_begins_a_new_past(void **state)
{
    (void)state;
    static const struct {
        int64_t late_ms;
        bool gap;
    } c[] = {{0, false},
             {1, false},
             {(DEPARTURE_GAP - 1) * INTERVAL_MS, false},
             {(DEPARTURE_GAP - 1) * INTERVAL_MS + 1, true},
             {100 * A_DAY * INTERVAL_MS, true},
             {-INTERVAL_MS, false}, /* at the very time of the last */
             {-INTERVAL_MS - 1, true},
             {-100 * A_DAY * INTERVAL_MS, true}};

    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        const struct departure_score s = with_gap(50, c[i].late_ms, false);
        const struct departure_score anew = with_gap(50, c[i].late_ms, true);
        assert_true((s.score == s.evidence) == c[i].gap);
        assert_true((s.score == anew.score && s.evidence == anew.evidence) == c[i].gap);
        assert_true(anew.score == anew.evidence);
    }
    model->interval_ms = 0; /* not known: never late, but the clock may be set back */
    const struct departure_score late = with_gap(50, INT64_MAX / 2, false);
    const struct departure_score early = with_gap(50, -INTERVAL_MS - 1, false);
    model->interval_ms = INTERVAL_MS;
    assert_true(late.score != late.evidence && early.score == early.evidence);
}

static void times_at_the_ends_of_the_clock_are_no_matter(void **state)
{
    (void)state;
    static const int64_t ts_ms[] = {INT64_MAX, INT64_MIN, INT64_MIN, -1, 0, INT64_MAX, INT64_MAX};
    struct departure *d = new_departure(model, false);
    struct departure_score s;

    for (size_t i = 0; i < sizeof ts_ms / sizeof ts_ms[0]; i++) {
        departure_push(d, ts_ms[i], days->X, &s);
        assert_true(isfinite(s.score));
    }
    departure_free(d);
}

/* After two different pasts, one longer, the same frames; how many until the scores are the same
 * for good. */
static size_t memory_of(uint32_t missing, uint64_t seed)
{
    static struct frames past[2], f;
    struct departure *d[2];
    struct departure_score s[2];
    size_t last = 0;

    some_frames(&f, LONGEST, missing, 20, seed);
    for (size_t k = 0; k < 2; k++) {
        d[k] = new_departure(model, false);
        some_frames(&past[k], 50, missing, 4, 100 * seed + k);
        for (size_t t = 7 * k; t < 50; t++)
            departure_push(d[k], f.ts_ms[t], past[k].x[t], &s[k]);
    }
    for (size_t t = 50; t < f.n; t++) {
        for (size_t k = 0; k < 2; k++)
            departure_push(d[k], f.ts_ms[t], f.x[t], &s[k]);
        if (memcmp(&s[0].score, &s[1].score, sizeof s[0].score) != 0 ||
            memcmp(&s[0].evidence, &s[1].evidence, sizeof s[0].evidence) != 0 ||
            memcmp(s[0].expected, s[1].expected, N * sizeof(float)) != 0)
            last = t - 50 + 1;
    }
    departure_free(d[0]);
    departure_free(d[1]);
    return last + 1;
}

static void a_score_knows_of_its_memory_and_of_nothing_before(void **state)
{
    (void)state;
    size_t complete = 0, gaps = 0;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        const size_t c = memory_of(0, seed), g = memory_of(1 + (uint32_t)seed % 8, seed);
        complete = c > complete ? c : complete;
        gaps = g > gaps ? g : gaps;
    }
    assert_true(complete > SMOOTH_FRAMES);
    assert_true(complete <= SMOOTH_FRAMES + RECENT_VALUES + AWAKE_FRAMES);
    assert_true(gaps > complete);
    assert_true(gaps <= DEPARTURE_MEMORY);
}

static void a_fixed_threshold_has_the_plain_reconstruction_error(void **state)
{
    (void)state;
    const struct threshold_spec fixed = {.method = THRESHOLD_FIXED, .value = 0.1998};
    static struct frames f;
    struct departure *d, *watched = new_departure(model, false);
    struct model *classic;
    struct err err;

    assert_int_equal(model_with_threshold(model, &fixed, &classic, &err), OK);
    d = new_departure(classic, false);
    some_frames(&f, 200, 8, 20, 1);
    for (size_t t = 0; t < f.n; t++) {
        struct departure_score s, other;
        double sum = 0;
        size_t counted = 0;
        departure_push(d, f.ts_ms[t], f.x[t], &s);
        departure_push(watched, f.ts_ms[t], f.x[t], &other);
        assert_memory_equal(&s.reconstruction, &other.reconstruction, sizeof(float));
        assert_memory_equal(&s.score, &s.reconstruction, sizeof(float));
        assert_memory_equal(&s.evidence, &s.reconstruction, sizeof(float));
        for (size_t i = 0; i < N; i++) {
            sum += (double)s.part[i];
            counted += s.here[i] && (model_learned(classic, i) || s.part[i] > 0);
        }
        assert_true(counted == 0 ? isnan(s.score) : near((double)s.score, sum / (double)counted));
    }
    departure_free(d);
    departure_free(watched);
    model_unref(classic);
}

static void without_memory_it_says_so_and_leaks_nothing(void **state)
{
    (void)state;
    struct departure *d = NULL;
    struct err err;
    uint64_t n = 0;

    for (enum rc rc = E_NOMEM; rc != OK;) {
        mem_fail_at(++n);
        rc = departure_new(model, false, &d, &err);
        mem_fail_at(0);
        assert_true(rc == OK || (rc == E_NOMEM && !d && err.msg[0]));
        assert_true(n < 20);
    }
    assert_true(n > 5);
    departure_free(d);
    departure_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_is_the_headers_formula),
        cmocka_unit_test(value_and_expectation_are_natural_with_the_season_in_them),
        cmocka_unit_test(nothing_that_comes_later_changes_a_score),
        cmocka_unit_test(one_wild_feature_counts_by_its_distance_and_bounded_no_more_than_so_much),
        cmocka_unit_test(a_frame_after_a_gap_or_before_the_last_begins_a_new_past),
        cmocka_unit_test(times_at_the_ends_of_the_clock_are_no_matter),
        cmocka_unit_test(a_score_knows_of_its_memory_and_of_nothing_before),
        cmocka_unit_test(a_fixed_threshold_has_the_plain_reconstruction_error),
        cmocka_unit_test(without_memory_it_says_so_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, learn, forget);
}
