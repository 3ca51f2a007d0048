/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../rng_normal.h"
#include "base/mem.h"
#include "detect/promotion.h"

/* A machine of four features that follow one load; a fault lifts one of them off it. */
enum { N = 4, ROWS = 600 };

static const struct confirm_spec confirm = {.k = 3, .of = 5};

struct source {
    struct rng rng;
    int t;
    double centre, swing; /* of the load */
    double fault;
    int on_off; /* the fault comes and goes in steps of as many frames; 0: it stays */
};

static void next(struct source *s, float frame[N])
{
    const double load = s->centre + s->swing * sin((double)s->t++ / 10);

    for (size_t i = 0; i < N; i++)
        frame[i] = (float)(load * (double)(i + 1) + 0.05 * rng_normal(&s->rng));
    if (s->on_off == 0 || s->t / s->on_off % 2)
        frame[0] += (float)s->fault;
}

static struct model *learn(struct source s)
{
    const struct model_provenance provenance = {0};
    const struct threshold_spec threshold = {.method = THRESHOLD_PERCENTILE, .value = 99.5};
    struct feature f[N] = {0};
    struct learn_spec spec;
    struct schema *schema;
    struct dataset *d;
    struct model *m = NULL;
    struct err err;

    settings_learn_defaults(&spec);
    for (size_t i = 0; i < N; i++) {
        (void)snprintf(f[i].name, sizeof f[i].name, "f%zu", i);
        f[i].resolution = 0.5f;
    }
    assert_int_equal(schema_new(f, N, &schema, &err), OK);
    assert_int_equal(dataset_new(N, &d, &err), OK);
    for (int r = 0; r < ROWS; r++) {
        float frame[N];
        next(&s, frame);
        assert_int_equal(dataset_append(d, r, frame, &err), OK);
    }
    assert_int_equal(
        model_train(d, NULL, schema, &spec, &threshold, &provenance, NULL, NULL, &m, &err), OK);
    dataset_free(d);
    schema_free(schema);
    return m;
}

static struct source machine(uint64_t seed)
{
    struct source s = {.centre = 10, .swing = 4};

    rng_init(&s.rng, seed);
    return s;
}

static void push(struct rehearsal *r, struct source *s, int64_t *t, int n)
{
    for (int i = 0; i < n; i++) {
        float frame[N];
        next(s, frame);
        rehearsal_push(r, (*t)++, frame);
    }
}

/* Two incidents of that fault, the first confirmed, and a quiet stretch. */
static struct promotion_figures rehearse(struct model *live, struct model *candidate, double fault,
                                         const struct source *quiet)
{
    struct rehearsal *r = NULL;
    struct promotion_figures f;
    struct source s = machine(50);
    struct source calm = *quiet;
    struct err err;
    int64_t t = 0;

    assert_int_equal(rehearsal_new(live, candidate, confirm, &r, &err), OK);
    for (int i = 0; i < 2; i++) {
        rehearsal_incident(r, t + 20, i == 0);
        push(r, &s, &t, 20);
        s.fault = fault;
        push(r, &s, &t, 30);
        s.fault = 0;
    }
    rehearsal_quiet(r);
    push(r, &calm, &t, 1000);
    rehearsal_figures(r, &f);
    rehearsal_free(r);
    return f;
}

static void as_good_a_model_is_promoted(void **state)
{
    struct model *live = learn(machine(1)), *candidate = learn(machine(2));
    const struct source quiet = machine(3);
    char reason[PROMOTION_REASON_MAX];

    (void)state;
    const struct promotion_figures f = rehearse(live, candidate, 25, &quiet);
    assert_int_equal(f.confirmed, 1);
    assert_int_equal(f.unmarked, 1);
    assert_int_equal(f.quiet_frames, 1000);
    assert_int_equal(f.confirmed_missed + f.unmarked_missed, 0);
    assert_true(promotion_judge(&f, reason));
    assert_non_null(strstr(reason, "rings for 2 of 2"));
    model_unref(live);
    model_unref(candidate);
}

static void one_that_learned_the_fault_is_rejected(void **state)
{
    struct source faulty = machine(2);
    struct model *live = learn(machine(1)), *candidate;
    const struct source quiet = machine(3);
    char reason[PROMOTION_REASON_MAX];

    (void)state;
    faulty.fault = 25;
    faulty.on_off = 30;
    candidate = learn(faulty);
    const struct promotion_figures f = rehearse(live, candidate, 25, &quiet);
    assert_int_equal(f.confirmed, 1);
    assert_int_equal(f.confirmed_missed, 1);
    assert_int_equal(f.unmarked_missed, 1);
    assert_false(promotion_judge(&f, reason));
    assert_non_null(strstr(reason, "1 of 1 confirmed"));
    model_unref(live);
    model_unref(candidate);
}

static void one_that_rings_when_all_is_quiet_is_rejected(void **state)
{
    struct source narrow = machine(2);
    struct model *live = learn(machine(1)), *candidate;
    const struct source quiet = machine(3);
    char reason[PROMOTION_REASON_MAX];

    (void)state;
    narrow.swing = 0.2; /* never saw the load move */
    candidate = learn(narrow);
    const struct promotion_figures f = rehearse(live, candidate, 25, &quiet);
    assert_int_equal(f.live_opened, 0);
    assert_true(f.candidate_opened > PROMOTION_OPENED || f.candidate_ringing > 500);
    assert_false(promotion_judge(&f, reason));
    assert_non_null(strstr(reason, "quiet frames"));
    model_unref(live);
    model_unref(candidate);
}

static void what_the_live_model_does_not_hear_is_no_duty(void **state)
{
    struct source faulty = machine(2);
    struct model *live, *candidate = learn(machine(1));
    const struct source quiet = machine(3);
    char reason[PROMOTION_REASON_MAX];

    (void)state;
    faulty.fault = 25;
    faulty.on_off = 30;
    live = learn(faulty);
    const struct promotion_figures f = rehearse(live, candidate, 25, &quiet);
    assert_int_equal(f.unheard, 2);
    assert_int_equal(f.unheard_gained, 2);
    assert_int_equal(f.confirmed + f.unmarked, 0);
    assert_true(promotion_judge(&f, reason));
    model_unref(live);
    model_unref(candidate);
}

static void an_incident_without_frames_does_not_count(void **state)
{
    struct model *m = learn(machine(1));
    struct rehearsal *r = NULL;
    struct promotion_figures f;
    struct source s = machine(3);
    struct err err;
    int64_t t = 0;

    (void)state;
    assert_int_equal(rehearsal_new(m, m, confirm, &r, &err), OK);
    rehearsal_incident(r, 1000, true);
    push(r, &s, &t, 20); /* all before its start */
    rehearsal_incident(r, 2000, true);
    rehearsal_figures(r, &f);
    assert_int_equal(f.confirmed + f.unmarked + f.unheard, 0);
    assert_int_equal(f.quiet_frames, 0);
    rehearsal_free(r);
    model_unref(m);
}

static void the_bounds_are_as_they_are_written(void **state)
{
    char reason[PROMOTION_REASON_MAX];
    struct promotion_figures f = {.unmarked = 19, .unmarked_missed = 1, .quiet_frames = 1000};

    (void)state;
    assert_true(promotion_judge(&f, reason));
    f.unmarked_missed = 2;
    assert_false(promotion_judge(&f, reason));
    f.unmarked = 9;
    f.unmarked_missed = 1;
    assert_false(promotion_judge(&f, reason));
    f.unmarked_missed = 0;
    f.confirmed = 50;
    f.confirmed_missed = 1;
    assert_false(promotion_judge(&f, reason));
    f.confirmed_missed = 0;
    f.live_opened = 2;
    f.candidate_opened = 3;
    assert_true(promotion_judge(&f, reason));
    f.candidate_opened = 4;
    assert_false(promotion_judge(&f, reason));
    f.candidate_opened = 1;
    f.candidate_ringing = 5;
    assert_true(promotion_judge(&f, reason));
    f.candidate_ringing = 6;
    assert_false(promotion_judge(&f, reason));
    assert_non_null(strstr(reason, "0.6 %"));
    f.live_ringing = 6;
    assert_true(promotion_judge(&f, reason));
}

static void no_memory_is_an_error_and_nothing_leaks(void **state)
{
    struct model *m = learn(machine(1));
    struct rehearsal *r = NULL;
    struct err err;
    uint64_t n = 1;

    (void)state;
    for (;; n++) {
        mem_fail_at(n);
        const enum rc rc = rehearsal_new(m, m, confirm, &r, &err);
        mem_fail_at(0);
        if (rc == OK)
            break;
        assert_int_equal(rc, E_NOMEM);
    }
    assert_true(n > 2);
    rehearsal_free(r);
    model_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_good_a_model_is_promoted),
        cmocka_unit_test(one_that_learned_the_fault_is_rejected),
        cmocka_unit_test(one_that_rings_when_all_is_quiet_is_rejected),
        cmocka_unit_test(what_the_live_model_does_not_hear_is_no_duty),
        cmocka_unit_test(an_incident_without_frames_does_not_count),
        cmocka_unit_test(the_bounds_are_as_they_are_written),
        cmocka_unit_test(no_memory_is_an_error_and_nothing_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
