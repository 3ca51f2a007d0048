/* SPDX-License-Identifier: Apache-2.0 */
/* Two clocks, through training and scoring: the adapting model is trained again each day on the
 * gated frames of the last three, the reference stands beside it. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../test.h"

#include "base/cleanup.h"
#include "detect/reference.h"
#include "detect/scorer.h"
#include "detect/watch.h"
#include "fake_days.h"

#define DAY_MS (INT64_C(86400) * 1000)

enum { N = FAKE_KINDS, TRAIN_DAYS = 3, TRAIN_STEP_MS = 300 * 1000, INTERVAL_MS = 60 * 1000 };

struct leak {
    enum fake_kind feature;
    double percent_an_hour; /* compound */
    int64_t from_day;       /* -1: none */
    bool ungated;           /* the worst case: every frame is trained on, whatever was found */
};

struct outcome {
    unsigned opened;
    int64_t opened_after_ms;   /* the leak's beginning */
    struct slow_change change; /* the first */
    char text[REFERENCE_TEXT_MAX];
    unsigned incidents; /* of the adapting model */
    double quiet;       /* share of the frames since the leak began that it found normal */
};

struct machine {
    struct fake_days days;
    struct schema *schema;
    struct dataset *recent;
    struct model *model;
    struct scorer *scorer;
    struct watch watch;
    struct reference *reference;
};

static void machine_done(struct machine *m)
{
    scorer_free(m->scorer);
    model_unref(m->model);
    dataset_free(m->recent);
    reference_free(m->reference);
    schema_free(m->schema);
}

/* The daily retraining: on what the gate let through in the last days. */
static void retrain(struct machine *m, int64_t now_ms)
{
    const struct model_provenance provenance = {0};
    struct threshold_spec threshold;
    struct dataset *d;
    struct learn_spec spec;
    struct err err;

    settings_learn_defaults(&spec);
    spec.epochs = 30; /* enough here, and the test is over in seconds */
    settings_threshold_defaults(&threshold);
    assert_int_equal(dataset_new(N, &d, &err), OK);
    for (size_t r = 0; r < m->recent->rows; r++)
        if (m->recent->ts_ms[r] >= now_ms - TRAIN_DAYS * DAY_MS)
            assert_int_equal(dataset_append(d, m->recent->ts_ms[r], m->recent->X + r * N, &err),
                             OK);
    scorer_free(m->scorer);
    model_unref(m->model);
    assert_int_equal(model_train(d, NULL, m->schema, &spec, &threshold, &provenance, NULL, NULL,
                                 &m->model, &err),
                     OK);
    assert_int_equal(scorer_new(m->model, &m->scorer, &err), OK);
    dataset_free(m->recent);
    m->recent = d;
}

static struct outcome run(const struct leak *leak, int64_t days, double memory_h)
{
    CLEANUP(machine_done) struct machine m = {0};
    struct outcome out = {0};
    struct confirm_spec confirm;
    struct slow_change change;
    struct incident incident;
    struct err err;
    const int64_t start = 20000 * DAY_MS, leaks = start + leak->from_day * DAY_MS;
    unsigned after = 0, quiet = 0;

    fake_days_init(&m.days, N, INTERVAL_MS, 7);
    m.days.memory_h = memory_h;
    m.schema = fake_days_schema(&m.days);
    settings_confirm_defaults(&confirm);
    watch_init(&m.watch, confirm);
    assert_int_equal(dataset_new(N, &m.recent, &err), OK);
    assert_int_equal(reference_new(m.schema, &m.reference, &err), OK);
    for (int64_t t = start; t < start + days * DAY_MS; t += INTERVAL_MS) {
        struct verdict v = {0};
        float x[N];
        fake_days_frame(&m.days, t, x);
        const bool leaking = leak->from_day >= 0 && t >= leaks;
        if (leaking)
            x[leak->feature] *=
                (float)pow(1 + leak->percent_an_hour / 100, (double)(t - leaks) / 3600e3);
        if (t > start && (t - start) % DAY_MS == 0)
            retrain(&m, t);
        if (m.scorer) {
            scorer_push(m.scorer, t, x, &v);
            out.incidents += watch_push(&m.watch, &v, &incident) == WATCH_OPENED;
        }
        const bool gated = leak->ungated || (!v.anomalous && !m.watch.open);
        if (gated && t % TRAIN_STEP_MS == 0)
            assert_int_equal(dataset_append(m.recent, t, x, &err), OK);
        after += leaking;
        quiet += leaking && !v.anomalous;
        if (reference_push(m.reference, t, x, gated, &change) == WATCH_OPENED &&
            out.opened++ == 0) {
            out.opened_after_ms = t - leaks;
            out.change = change;
            reference_describe(&change, m.schema, out.text);
        }
    }
    out.quiet = after ? (double)quiet / after : 1;
    return out;
}

static void tell(const char *what, const struct outcome *o)
{
    print_message(
        "# %s: %u slow, first after %.0f h; adapting model: %u incidents, %.1f %% quiet; %s\n",
        what, o->opened, (double)o->opened_after_ms / 3600e3, o->incidents, 100 * o->quiet,
        o->text);
}

/* One incident, of the leaking feature alone, after the leak began. */
static struct outcome heard(const char *what, const struct leak *leak, int64_t days)
{
    const struct outcome o = run(leak, days, 3);

    tell(what, &o);
    assert_int_equal(o.opened, 1);
    assert_true(o.opened_after_ms > 0);
    assert_int_equal(o.change.incident.n_causes, 1);
    assert_int_equal(o.change.incident.causes[0].feature, leak->feature);
    return o;
}

static void a_memory_leak_of_1_percent_an_hour_opens_an_incident_in_3_days(void **state)
{
    (void)state;
    const struct leak leak = {.feature = FAKE_MEMORY, .percent_an_hour = 1, .from_day = 14};
    const struct outcome o = heard("memory", &leak, 17);

    assert_non_null(strstr(o.text, "slow change: memory_used "));
    assert_non_null(strstr(o.text, "%/h for "));
}

static void so_it_does_where_every_frame_of_it_was_trained_on(void **state)
{
    (void)state;
    const struct leak leak = {
        .feature = FAKE_MEMORY, .percent_an_hour = 1, .from_day = 14, .ungated = true};

    (void)heard("ungated", &leak, 17);
}

static void the_adapting_model_alone_would_absorb_it(void **state)
{
    (void)state;
    const struct leak leak = {.feature = FAKE_MEMORY, .percent_an_hour = 0.2, .from_day = 14};
    const struct outcome o = heard("slower", &leak, 28);

    assert_true(o.quiet > 0.9);
}

static void so_does_a_leak_of_file_handles(void **state)
{
    (void)state;
    const struct leak leak = {.feature = FAKE_FILES, .percent_an_hour = 1, .from_day = 14};

    (void)heard("files", &leak, 17);
}

static void so_does_a_slow_rise_in_latency(void **state)
{
    (void)state;
    const struct leak leak = {.feature = FAKE_LATENCY, .percent_an_hour = 0.5, .from_day = 14};

    (void)heard("latency", &leak, 21);
}

static void a_leak_of_the_first_week_is_heard(void **state)
{
    (void)state;
    const struct leak leak = {.feature = FAKE_MEMORY, .percent_an_hour = 3, .from_day = 4};

    (void)heard("first week", &leak, 7);
}

static void without_a_leak_thirty_days_are_silent(void **state)
{
    (void)state;
    const struct leak none = {.from_day = -1};
    const struct outcome o = run(&none, 44, 3);

    tell("none", &o);
    assert_int_equal(o.opened, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_memory_leak_of_1_percent_an_hour_opens_an_incident_in_3_days),
        cmocka_unit_test(so_it_does_where_every_frame_of_it_was_trained_on),
        cmocka_unit_test(the_adapting_model_alone_would_absorb_it),
        cmocka_unit_test(so_does_a_leak_of_file_handles),
        cmocka_unit_test(so_does_a_slow_rise_in_latency),
        cmocka_unit_test(a_leak_of_the_first_week_is_heard),
        cmocka_unit_test(without_a_leak_thirty_days_are_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
