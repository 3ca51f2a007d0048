/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../test.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/stats.h"
#include "detect/drift.h"
#include "detect/hours.h"
#include "fake_days.h"

#define DAY_MS (INT64_C(86400) * 1000)
#define START (20000 * DAY_MS)

enum { N = FAKE_KINDS, STEP_MS = 300 * 1000, NEVER = -1 };

/* A model by hand, of what fake_days does in a week: drift reads scaler and scores alone. */
struct made {
    struct schema *schema;
    struct model model;
    float scores[1000];
};

static void made_done(struct made *m)
{
    scaler_done(&m->model.scaler);
    schema_free(m->schema);
}

static void make(struct made *m, const struct fake_days *like)
{
    enum { ROWS = 2000 };
    static float column[N][ROWS];
    struct scaler *const s = &m->model.scaler;
    struct fake_days f = *like;
    struct err err;
    float x[N];

    *m = (struct made){.schema = fake_days_schema(&f)};
    assert_int_equal(scaler_alloc(N, s, &err), OK);
    for (int64_t r = 0; r < ROWS; r++) {
        fake_days_frame(&f, START - (ROWS - r) * STEP_MS, x);
        for (size_t i = 0; i < N; i++)
            column[i][r] = x[i];
    }
    for (size_t i = 0; i < N; i++) {
        s->low[i] = stats_quantile(column[i], ROWS, 0);
        s->span[i] = stats_quantile(column[i], ROWS, 1) - s->low[i];
        s->median[i] = stats_quantile(column[i], ROWS, 0.5);
    }
    for (size_t i = 0; i < 1000; i++)
        m->scores[i] = 0.01f + 0.0001f * (float)i; /* median 0.06, 90 % quantile 0.1 */
    m->model.schema = m->schema;
    m->model.scores = m->scores;
    m->model.n_scores = 1000;
}

static struct drift *drift_of(struct made *m)
{
    struct drift *d;
    struct err err;

    assert_int_equal(drift_new(&m->model, &d, &err), OK);
    return d;
}

struct change {
    int feature; /* NEVER: none */
    float add;
    float score; /* of every frame */
    int64_t step_ms;
    int64_t hours; /* how long the change holds */
};

/* Days after the model was made, with a change after the first; hours until the first finding
 * after it began, or NEVER. */
static int64_t first_finding(const struct change *c, int64_t days, struct drift_finding *ret,
                             unsigned *ret_n)
{
    CLEANUP(made_done) struct made m;
    struct fake_days f;
    struct drift_finding finding;
    int64_t first = NEVER;
    float x[N];

    *ret_n = 0;
    fake_days_init(&f, N, STEP_MS, 3);
    make(&m, &f);
    f.interval_ms = c->step_ms;
    struct drift *const d = drift_of(&m);
    for (int64_t t = START; t < START + days * DAY_MS; t += c->step_ms) {
        const int64_t in = t - START - DAY_MS;
        const bool holds = in >= 0 && in < c->hours * HOURS_MS;
        fake_days_frame(&f, t, x);
        if (c->feature != NEVER && holds)
            x[c->feature] += c->add;
        if (drift_push(d, t, x, holds ? c->score : 0.06f, &finding) && (*ret_n)++ == 0) {
            *ret = finding;
            first = in / HOURS_MS;
        }
    }
    drift_free(d);
    return first;
}

static void an_error_three_times_the_calibration_is_drift_within_a_day(void **state)
{
    (void)state;
    const struct change c = {.feature = NEVER, .score = 0.18f, .step_ms = STEP_MS, .hours = 72};
    struct drift_finding f;
    char text[DRIFT_TEXT_MAX];
    unsigned n;

    const int64_t after = first_finding(&c, 6, &f, &n);
    assert_in_range(after, 5, 12);
    assert_int_equal(n, 1); /* told once */
    assert_int_equal(f.kind, DRIFT_ERROR);
    assert_int_equal(f.since_ms, START + DAY_MS);
    drift_describe(&f, NULL, text);
    assert_memory_equal(text, "error drifted: score 3.00 times the calibration's median for ", 61);
}

static void an_error_at_the_edge_of_the_calibration_is_none(void **state)
{
    (void)state;
    const struct change c = {.feature = NEVER, .score = 0.1f, .step_ms = STEP_MS, .hours = 1000};
    const struct change low = {.feature = NEVER, .score = 0, .step_ms = STEP_MS, .hours = 1000};
    struct drift_finding f;
    unsigned n;

    assert_int_equal(first_finding(&c, 20, &f, &n), NEVER);
    assert_int_equal(first_finding(&low, 20, &f, &n), NEVER);
}

static void an_input_outside_what_was_learned_is_named(void **state)
{
    (void)state;
    const struct change c = {
        .feature = FAKE_MEMORY, .add = 0.2f, .score = 0.06f, .step_ms = STEP_MS, .hours = 72};
    struct drift_finding f;
    struct fake_days days;
    char text[DRIFT_TEXT_MAX];
    unsigned n;

    fake_days_init(&days, N, STEP_MS, 1);
    struct schema *schema = fake_days_schema(&days);
    const int64_t after = first_finding(&c, 6, &f, &n);
    assert_in_range(after, 4, 12);
    assert_int_equal(n, 1);
    assert_int_equal(f.kind, DRIFT_INPUT);
    assert_int_equal(f.feature, FAKE_MEMORY);
    assert_float_equal(f.level - f.learned, 0.2, 0.02);
    assert_true(f.edge > f.learned && f.edge < f.level);
    drift_describe(&f, schema, text);
    assert_memory_equal(text, "input drifted: memory_used 3", 28);
    assert_non_null(strstr(text, " (at most "));
    schema_free(schema);
}

static void the_interval_changes_little(void **state)
{
    (void)state;
    struct change c = {.feature = FAKE_FILES, .add = -1900, .score = 0.06f, .hours = 72};
    static const int64_t steps[] = {10 * 1000, 60 * 1000, 300 * 1000};
    struct drift_finding f;
    unsigned n;

    for (size_t k = 0; k < 3; k++) {
        c.step_ms = steps[k];
        assert_in_range(first_finding(&c, 4, &f, &n), 6, 10);
        assert_int_equal(f.feature, FAKE_FILES);
        assert_true(f.edge < f.learned);
    }
}

static void three_wild_hours_are_none(void **state)
{
    (void)state;
    const struct change c = {
        .feature = FAKE_MEMORY, .add = 100, .score = 1e9f, .step_ms = STEP_MS, .hours = 3};
    struct drift_finding f;
    unsigned n;

    assert_int_equal(first_finding(&c, 10, &f, &n), NEVER);
}

static void thirty_days_of_rhythm_and_noise_are_silent(void **state)
{
    (void)state;
    const struct change c = {.feature = NEVER, .score = 0.06f, .step_ms = STEP_MS, .hours = 0};
    struct drift_finding f;
    unsigned n;

    assert_int_equal(first_finding(&c, 31, &f, &n), NEVER);
    assert_int_equal(n, 0);
}

static void inputs_that_follow_one_that_was_told_are_the_same_drift(void **state)
{
    (void)state;
    CLEANUP(made_done) struct made m;
    struct fake_days f;
    struct drift_finding finding;
    float x[N];
    unsigned told = 0;

    fake_days_init(&f, N, STEP_MS, 3);
    make(&m, &f);
    struct drift *const d = drift_of(&m);
    for (int64_t t = START; t < START + 7 * DAY_MS; t += STEP_MS) {
        fake_days_frame(&f, t, x);
        for (size_t i = 0; i < N; i++) /* one more each ten hours, all well again, then one */
            if ((t < START + 4 * DAY_MS && t - START > (int64_t)i * 10 * HOURS_MS) ||
                (i == 0 && t > START + 6 * DAY_MS))
                x[i] += 3 * m.model.scaler.span[i];
        told += drift_push(d, t, x, NAN, &finding);
        if (t == START + 4 * DAY_MS)
            assert_int_equal(told, 1);
    }
    assert_int_equal(told, 2);
    drift_free(d);
}

static void missing_values_and_features_never_learned_are_no_evidence(void **state)
{
    (void)state;
    CLEANUP(made_done) struct made m;
    struct fake_days f;
    struct drift_finding finding;
    float x[N];

    fake_days_init(&f, N, STEP_MS, 3);
    make(&m, &f);
    m.model.scaler.constant[0] = SCALER_UNSEEN;
    m.model.scaler.constant[1] = SCALER_WEIGHTLESS;
    struct drift *const d = drift_of(&m);
    for (int64_t t = START; t < START + 5 * DAY_MS; t += STEP_MS) {
        for (size_t i = 0; i < N; i++)
            x[i] = i < 2 ? 1e30f : NAN;
        assert_false(drift_push(d, t, x, NAN, &finding));
    }
    assert_true(drift_evidence(d) == 0);
    drift_free(d);
}

static void a_constant_that_moved_is_drift(void **state)
{
    (void)state;
    CLEANUP(made_done) struct made m;
    struct fake_days f;
    struct drift_finding finding;
    float x[N];
    bool found = false;

    fake_days_init(&f, N, STEP_MS, 3);
    make(&m, &f);
    m.model.scaler.constant[4] = SCALER_CONSTANT;
    m.model.scaler.median[4] = 0;
    m.model.scaler.span[4] = 1;
    struct drift *const d = drift_of(&m);
    for (size_t i = 0; i < N; i++)
        x[i] = i == 4 ? 2 : NAN;
    for (int64_t t = START; !found && t < START + DAY_MS; t += STEP_MS)
        found = drift_push(d, t, x, NAN, &finding);
    assert_true(found);
    assert_int_equal(finding.feature, 4);
    drift_free(d);
}

static void no_memory_is_told_at_every_allocation(void **state)
{
    (void)state;
    CLEANUP(made_done) struct made m;
    struct fake_days f;
    struct drift *d = NULL;
    struct err err;

    fake_days_init(&f, N, STEP_MS, 3);
    make(&m, &f);
    for (uint64_t k = 1; k <= 3; k++) {
        mem_fail_at(k);
        assert_int_equal(drift_new(&m.model, &d, &err), E_NOMEM);
        assert_null(d);
    }
    mem_fail_at(0);
    assert_true(drift_bytes(50) < 8192); /* docs/drift.md says so */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_three_times_the_calibration_is_drift_within_a_day),
        cmocka_unit_test(an_error_at_the_edge_of_the_calibration_is_none),
        cmocka_unit_test(an_input_outside_what_was_learned_is_named),
        cmocka_unit_test(the_interval_changes_little),
        cmocka_unit_test(three_wild_hours_are_none),
        cmocka_unit_test(thirty_days_of_rhythm_and_noise_are_silent),
        cmocka_unit_test(inputs_that_follow_one_that_was_told_are_the_same_drift),
        cmocka_unit_test(missing_values_and_features_never_learned_are_no_evidence),
        cmocka_unit_test(a_constant_that_moved_is_drift),
        cmocka_unit_test(no_memory_is_told_at_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
