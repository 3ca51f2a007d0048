/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "detect/line.h"

/* A still machine of features with resolution 1. */
enum { N = 12, ROWS = 200, SECOND = 1000 };

struct fixture {
    struct model *model;
    struct line line;
    int64_t now_ms;
};

static int set_up(void **state)
{
    static struct fixture x;
    const struct threshold_spec percentile = {.method = THRESHOLD_PERCENTILE, .value = 99.5};
    const struct model_provenance provenance = {0};
    struct feature f[N] = {0};
    struct learn_spec spec;
    struct schema *schema;
    struct dataset *d;
    struct rng rng;
    struct err err;

    memset(&x, 0, sizeof x);
    rng_init(&rng, 1);
    settings_learn_defaults(&spec);
    for (size_t i = 0; i < N; i++) {
        (void)snprintf(f[i].name, sizeof f[i].name, "f%zu", i);
        f[i].resolution = 1;
    }
    if (schema_new(f, N, &schema, &err) != OK || dataset_new(N, &d, &err) != OK)
        return 1;
    for (int r = 0; r < ROWS; r++) {
        float frame[N];
        for (size_t i = 0; i < N; i++)
            frame[i] = 10 + 0.02f * rng_float(&rng);
        if (dataset_append(d, r * SECOND, frame, &err) != OK)
            return 1;
    }
    if (model_train(d, NULL, schema, &spec, &percentile, &provenance, NULL, NULL, &x.model, &err))
        return 1;
    dataset_free(d);
    schema_free(schema);
    line_init(&x.line, (struct confirm_spec){3, 5}, SECOND);
    *state = &x;
    return line_set_model(&x.line, x.model->schema, x.model, &err);
}

static int tear_down(void **state)
{
    struct fixture *x = *state;

    line_done(&x->line);
    model_unref(x->model);
    return 0;
}

/* One frame in which the first n features are off by so much. */
static struct line_step push(struct fixture *x, size_t n, float off)
{
    struct line_step step;
    float frame[N];

    for (size_t i = 0; i < N; i++)
        frame[i] = 10.01f + (i < n ? off : 0);
    x->now_ms += SECOND;
    line_push(&x->line, x->now_ms, frame, &step);
    return step;
}

static unsigned marked(const struct incident *in)
{
    unsigned bits = 0;

    for (size_t i = 0; i < in->n_causes; i++)
        bits |= in->causes[i].restore ? 1U << in->causes[i].feature : 0;
    return bits;
}

static struct line_step until_opened(struct fixture *x, size_t n, float off)
{
    struct line_step step;

    do
        step = push(x, n, off);
    while (step.event != WATCH_OPENED && x->now_ms < 100 * SECOND);
    assert_int_equal(step.event, WATCH_OPENED);
    return step;
}

static float weight_of_the_first(const struct verdict *v)
{
    for (size_t i = 0; i < v->n_causes; i++)
        if (v->causes[i].feature == 0)
            return v->causes[i].weight;
    return 0;
}

/* What stood is no news to the same model with another threshold; to another model it is. */
static void another_threshold_forgets_nothing_of_what_stood(void **state)
{
    struct fixture *x = *state;
    const struct threshold_spec sigma = {.method = THRESHOLD_SIGMA, .value = 3};
    struct model *same = NULL;
    struct line_step step;
    struct err err;

    step = push(x, 1, 4);
    const float at_first = weight_of_the_first(&step.verdict);
    assert_true(at_first > 9);
    for (int t = 0; t < 4096; t++)
        step = push(x, 1, 4);
    assert_true(weight_of_the_first(&step.verdict) < at_first / 10);
    assert_int_equal(model_with_threshold(x->model, &sigma, &same, &err), OK);
    assert_int_equal(line_set_model(&x->line, x->model->schema, same, &err), OK);
    step = push(x, 1, 4);
    assert_true(weight_of_the_first(&step.verdict) < at_first / 10);
    same->unit_level[0] *= 1.5f;
    struct model *other = NULL;
    assert_int_equal(model_with_threshold(same, &sigma, &other, &err), OK);
    same->unit_level[0] /= 1.5f;
    assert_int_equal(line_set_model(&x->line, x->model->schema, other, &err), OK);
    step = push(x, 1, 4);
    assert_true(weight_of_the_first(&step.verdict) > at_first / 4);
    model_unref(other);
    model_unref(same);
}

/* Two frames over the threshold and one more confirm an incident over a short gap; not over one
 * that the score itself does not look back over. An open incident stays open over either. */
static void what_was_before_a_gap_confirms_nothing_behind_it(void **state)
{
    struct fixture *x = *state;

    for (int t = 0; t < 10; t++)
        push(x, 0, 0);
    push(x, N, 9);
    push(x, N, 9);
    x->now_ms += DEPARTURE_GAP * SECOND;
    assert_int_equal(push(x, N, 9).event, WATCH_QUIET);
    assert_int_equal(push(x, N, 9).event, WATCH_QUIET);
    x->now_ms += (DEPARTURE_GAP - 1) * SECOND;
    assert_int_equal(push(x, N, 9).event, WATCH_OPENED);
    x->now_ms += DEPARTURE_GAP * SECOND;
    push(x, 0, 0);
    assert_true(x->line.watch.open);
}

/* A machine that stalls for longer than a gap between any two frames is heard, and its incident
 * ends. */
static void frames_that_always_come_late_confirm_each_other(void **state)
{
    struct fixture *x = *state;
    int opened = 0, closed = 0;

    for (int t = 0; t < 40; t++) {
        x->now_ms += (DEPARTURE_GAP + 4) * SECOND;
        const enum watch_event event = push(x, N, t >= 10 && t < 20 ? 9 : 0).event;
        opened += event == WATCH_OPENED;
        closed += event == WATCH_CLOSED;
    }
    assert_true(opened == 1 && closed == 1);
}

/* Recalled frames leave the line as pushed ones do, over a gap too. */
static void a_recalled_gap_is_one(void **state)
{
    struct fixture *x = *state;
    struct line again;
    struct err err;

    line_init(&again, (struct confirm_spec){3, 5}, SECOND);
    assert_int_equal(line_set_model(&again, x->model->schema, x->model, &err), OK);
    for (int t = 0; t < 30; t++) {
        float frame[N];
        for (size_t i = 0; i < N; i++)
            frame[i] = 10.01f + (float)(t % 3);
        x->now_ms += t == 28 ? (DEPARTURE_GAP + 1) * SECOND : SECOND;
        struct line_step step;
        line_push(&x->line, x->now_ms, frame, &step);
        line_recall(&again, x->now_ms, frame);
    }
    assert_int_equal(x->line.past.n, 2);
    assert_int_equal(again.past.n, 2);
    line_done(&again);
}

static void what_would_silence_an_incident_is_marked_when_it_opens(void **state)
{
    struct fixture *x = *state;
    struct line_step step = until_opened(x, 2, 9);

    assert_int_equal(marked(&step.incident), 3); /* both are needed, and no other */
    for (size_t i = 0; i < step.verdict.n_causes; i++)
        assert_false(step.verdict.causes[i].restore);
    step = push(x, 1, 8); /* no new peak: what was said stays */
    assert_int_equal(marked(&x->line.watch.incident), 3);
    step = push(x, 3, 20);
    assert_int_equal(step.event, WATCH_UPDATED);
    assert_int_equal(marked(&step.incident), 7);
    do
        step = push(x, 0, 0);
    while (step.event != WATCH_CLOSED);
    assert_int_equal(marked(&step.incident), 7);
}

static void no_mark_means_that_no_few_features_would_do(void **state)
{
    struct fixture *x = *state;
    const struct line_step step = until_opened(x, N, 9);

    assert_int_equal(marked(&step.incident), 0);
    assert_int_equal(step.incident.n_causes, CAUSES_MAX);
}

/* The worst verdict of the window, whose causes an incident has, need not be the one that opens. */
static void every_member_has_a_place_among_the_causes(void **state)
{
    struct fixture *x = *state;
    struct line_step step;
    struct silence *s;
    struct err err;
    struct incident in = {.n_causes = CAUSES_MAX};

    for (uint16_t i = 0; i < CAUSES_MAX; i++) /* none of the members is among them */
        in.causes[i] = (struct cause){.feature = (uint16_t)(N - 1 - i), .restore = true};
    step = push(x, 3, 9);
    assert_true(step.verdict.anomalous);
    assert_int_equal(silence_new(N, &s, &err), OK);
    silence_mark(s, x->line.scorer, &step.verdict, &in);
    assert_int_equal(marked(&in), 7);
    assert_int_equal(in.n_causes, CAUSES_MAX);
    assert_int_equal(in.causes[0].feature, N - 1);
    assert_float_equal(in.causes[CAUSES_MAX - 1].value, 19.01, 1e-3);
    assert_float_equal(in.causes[CAUSES_MAX - 1].expected, 10, 1);
    silence_free(s);
}

static struct budget_rate rate_of(const struct fixture *x)
{
    struct budget_rate rate;

    budget_rate(x->line.budget, &rate);
    return rate;
}

static void maintenance_counts_for_no_promise_until_something_outlasts_it(void **state)
{
    struct fixture *x = *state;
    struct line_step step;

    for (int i = 0; i < 20; i++)
        (void)push(x, 0, 0);
    const struct budget_rate before = rate_of(x);
    assert_true(before.scored_ms > 0);
    line_hold(&x->line, true);
    step = until_opened(x, 2, 9);
    assert_true(step.incident.maintenance && x->line.watch.open);
    assert_int_equal(marked(&step.incident), 3); /* its causes are told like others' */
    assert_int_equal(rate_of(x).scored_ms, before.scored_ms);
    assert_int_equal(rate_of(x).incidents, 0);
    line_hold(&x->line, false);
    for (int i = 0; i < 3; i++)
        step = push(x, 2, 9);
    assert_int_equal(step.event, WATCH_RAISED);
    assert_int_equal(rate_of(x).incidents, 1);
    assert_true(rate_of(x).scored_ms > before.scored_ms);
}

static void a_model_that_is_refused_changes_nothing(void **state)
{
    struct fixture *x = *state;
    const struct feature f = {.name = "other"};
    struct scorer *const before = x->line.scorer;
    struct schema *schema;
    struct err err;

    assert_int_equal(schema_new(&f, 1, &schema, &err), OK);
    assert_int_equal(line_set_model(&x->line, schema, x->model, &err), E_STATE);
    for (unsigned n = 1;; n++) {
        mem_fail_at(n);
        const enum rc rc = line_set_model(&x->line, x->model->schema, x->model, &err);
        mem_fail_at(0);
        if (rc == OK)
            break;
        assert_int_equal(rc, E_NOMEM);
        assert_ptr_equal(x->line.scorer, before);
        assert_true(n < 50);
    }
    assert_int_equal(push(x, 1, 9).verdict.anomalous, true);
    schema_free(schema);
}

/* A model that is changed shows its scorer the past: the score is that of a line that had it all
 * along, and so it is after a restart that recalls as much. */
static void a_change_of_model_or_a_restart_goes_on_as_if_it_had_not_been(void **state)
{
    struct fixture *x = *state;
    struct line again, cold;
    struct line_step step, cold_step, want;
    struct err err;
    float frame[N];

    line_init(&again, (struct confirm_spec){3, 5}, SECOND);
    line_init(&cold, (struct confirm_spec){3, 5}, SECOND);
    assert_int_equal(line_set_model(&again, x->model->schema, x->model, &err), OK);
    assert_int_equal(line_set_model(&cold, x->model->schema, x->model, &err), OK);
    for (int r = 0; r < 3 * DEPARTURE_MEMORY; r++) {
        for (size_t i = 0; i < N; i++)
            frame[i] = 10 + (float)((r * 7 + (int)i * 3) % 11) / 10;
        line_push(&x->line, r, frame, &want);
        if (r >= 2 * DEPARTURE_MEMORY)
            line_recall(&again, r, frame);
    }
    for (size_t i = 0; i < N; i++)
        frame[i] = 12;
    line_push(&again, 3 * DEPARTURE_MEMORY, frame, &step);
    line_push(&cold, 3 * DEPARTURE_MEMORY, frame, &cold_step);
    assert_int_equal(line_set_model(&x->line, x->model->schema, x->model, &err), OK);
    line_push(&x->line, 3 * DEPARTURE_MEMORY, frame, &want);
    assert_true(want.verdict.score == step.verdict.score);
    assert_true(want.verdict.score != cold_step.verdict.score);
    line_done(&again);
    line_done(&cold);
}

/* Noted before there is a model, or recalled with it: the score is the same, also over a gap. */
static void what_was_learned_is_the_past_of_what_is_judged(void **state)
{
    struct fixture *x = *state;

    for (int gap_at = -1; gap_at <= 50; gap_at += 51) {
        struct line noted, recalled, cold;
        struct line *const lines[] = {&noted, &recalled, &cold};
        const struct schema *const schema = x->model->schema;
        struct line_step step[3];
        int64_t ms = 0;
        struct err err;
        float frame[N];

        for (int k = 0; k < 3; k++)
            line_init(lines[k], (struct confirm_spec){3, 5}, SECOND);
        assert_int_equal(line_set_model(&recalled, schema, x->model, &err), OK);
        assert_int_equal(line_set_model(&cold, schema, x->model, &err), OK);
        for (int r = 0; r < DEPARTURE_MEMORY; r++) {
            for (size_t i = 0; i < N; i++)
                frame[i] = 10 + (float)((r * 7 + (int)i * 3) % 11) / 10;
            ms += r == gap_at ? (DEPARTURE_GAP + 1) * SECOND : SECOND;
            assert_int_equal(line_note(&noted, schema, ms, frame, &err), OK);
            line_recall(&recalled, ms, frame);
        }
        assert_int_equal(noted.past.n, gap_at < 0 ? DEPARTURE_MEMORY : DEPARTURE_MEMORY - gap_at);
        assert_int_equal(line_set_model(&noted, schema, x->model, &err), OK);
        for (size_t i = 0; i < N; i++)
            frame[i] = 12;
        for (int k = 0; k < 3; k++)
            line_push(lines[k], ms + SECOND, frame, &step[k]);
        assert_true(step[0].verdict.score == step[1].verdict.score);
        assert_true(step[0].verdict.score != step[2].verdict.score);
        for (int k = 0; k < 3; k++)
            line_done(lines[k]);
    }
}

/* A percentile that its budget would never be: once it rang more often than is credible it goes up,
 * and a restart that hears the same verdicts comes to the same. */
static void a_staged_threshold_that_rings_too_often_goes_up(void **state)
{
    enum { ROUNDS = 14, ROUND = 60, FAULT = 12 };
    struct fixture *x = *state;
    const struct threshold_spec staged = {
        .method = THRESHOLD_STAGED, .value = 2, .confirm = {3, 5}};
    static struct verdict heard[ROUNDS * ROUND];
    struct model *m;
    struct line again;
    struct watch watch;
    struct err err;
    int refuted = 0, opened = 0;

    assert_int_equal(model_with_threshold(x->model, &staged, &m, &err), OK);
    assert_int_equal(m->threshold_by, THRESHOLD_PERCENTILE);
    assert_int_equal(line_set_model(&x->line, m->schema, m, &err), OK);
    for (int i = 0; i < ROUNDS * ROUND; i++) {
        const struct line_step step = push(x, 4, i % ROUND < FAULT ? 2 : 0);
        heard[i] = step.verdict;
        opened += step.event == WATCH_OPENED;
        refuted += step.refuted;
        assert_true(refuted || budget_threshold(x->line.budget) == m->threshold);
    }
    assert_int_equal(refuted, 1);
    assert_true(opened > 10 && opened <= ROUNDS);
    const float threshold = budget_threshold(x->line.budget);
    assert_true(threshold > m->threshold && threshold <= 4 * m->threshold);
    assert_true(heard[ROUNDS * ROUND - 1].threshold == threshold);

    line_init(&again, (struct confirm_spec){3, 5}, SECOND);
    watch_init(&watch, (struct confirm_spec){3, 5});
    assert_int_equal(line_set_model(&again, m->schema, m, &err), OK);
    for (int i = 0; i < ROUNDS * ROUND; i++)
        line_recall_verdict(&again, &watch, &heard[i], false);
    assert_true(budget_threshold(again.budget) == threshold);
    line_done(&again);
    model_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_change_of_model_or_a_restart_goes_on_as_if_it_had_not_been, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_threshold_forgets_nothing_of_what_stood, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_before_a_gap_confirms_nothing_behind_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(frames_that_always_come_late_confirm_each_other, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_recalled_gap_is_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_would_silence_an_incident_is_marked_when_it_opens,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_mark_means_that_no_few_features_would_do, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_member_has_a_place_among_the_causes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            maintenance_counts_for_no_promise_until_something_outlasts_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_that_is_refused_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_learned_is_the_past_of_what_is_judged, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_staged_threshold_that_rings_too_often_goes_up, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
