/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../rng_normal.h"
#include "base/mem.h"
#include "detect/walk.h"

enum { N = 2, FIRST = 64, ROWS_MAX = 256, SECOND = 1000, PERIOD = 500 * SECOND };

struct fixture {
    struct schema *schema;
    struct walk *walk;
    struct rng rng;
};

static struct walk_options options(const struct fixture *x)
{
    struct walk_options o = {.schema = x->schema,
                             .first_rows = FIRST,
                             .rows_max = ROWS_MAX,
                             .period_ms = PERIOD,
                             .window_ms = INT64_MAX / 4,
                             .profile = "none"};

    settings_learn_defaults(&o.learn);
    settings_threshold_defaults(&o.threshold);
    o.learn.epochs = 1;
    return o;
}

static void start(struct fixture *x, const struct walk_options *o)
{
    struct err err;

    walk_free(x->walk);
    assert_int_equal(walk_new(o, &x->walk, &err), OK);
}

static int set_up(void **state)
{
    static struct fixture x;
    const struct feature f[N] = {{.name = "a"}, {.name = "b"}};
    struct err err;

    memset(&x, 0, sizeof x);
    rng_init(&x.rng, 1);
    *state = &x;
    return schema_new(f, N, &x.schema, &err);
}

static int tear_down(void **state)
{
    struct fixture *x = *state;

    walk_free(x->walk);
    schema_free(x->schema);
    return 0;
}

static void note(struct fixture *x, int64_t second)
{
    const double load = rng_normal(&x->rng);
    const float frame[N] = {(float)load, (float)(2 * load + 0.1 * rng_normal(&x->rng))};
    struct err err;

    assert_int_equal(walk_note(x->walk, second * SECOND, frame, &err), OK);
}

static struct model *train(struct fixture *x, int64_t second)
{
    struct model *m = NULL;
    struct err err;

    assert_int_equal(walk_train(x->walk, second * SECOND, NULL, NULL, &m, &err), OK);
    return m;
}

static uint64_t rows_of(const struct model *m)
{
    return m->stats.train_rows + m->stats.validation_rows;
}

/* Twice the history, or a period later. */
static void models_come_on_time_and_from_the_past_alone(void **state)
{
    static const int64_t wanted[] = {64, 128, 256, 512, 1012, 1512};
    struct fixture *x = *state;
    const struct walk_options o = options(x);
    int64_t due[8];
    size_t n = 0;

    start(x, &o);
    for (int64_t t = 0; t < 2000; t++) {
        if (walk_is_due(x->walk, t * SECOND)) {
            struct model *m = train(x, t);
            assert_non_null(m);
            assert_true(m->provenance.last_ms < t * SECOND);
            assert_true(rows_of(m) <= ROWS_MAX);
            due[n++] = t;
            model_unref(m);
        }
        note(x, t);
    }
    assert_int_equal(n, 6);
    assert_int_equal(walk_models(x->walk), 6);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(due[i], wanted[i]);
}

/* Thinned in runs, evenly, over all that was noted. */
static void what_is_held_is_bounded_and_spread_over_the_whole_past(void **state)
{
    struct fixture *x = *state;
    const struct walk_options o = options(x);

    start(x, &o);
    for (int64_t t = 0; t < FIRST; t++)
        note(x, t);
    model_unref(train(x, FIRST));
    for (int64_t t = FIRST; t < 100000; t++)
        note(x, t);
    struct model *m = train(x, 100000);
    assert_int_equal(m->provenance.first_ms, 0);
    assert_true(m->provenance.last_ms > 75000 * SECOND);
    assert_true(rows_of(m) <= ROWS_MAX && rows_of(m) >= ROWS_MAX / 4);
    model_unref(m);
}

/* A bound under one run leaves nothing to thin by. */
static void a_bound_under_a_run_holds_too(void **state)
{
    struct fixture *x = *state;
    struct walk_options o = options(x);

    o.first_rows = o.rows_max = WALK_RUN - 8;
    start(x, &o);
    for (int64_t t = 0; t < 1000; t++)
        note(x, t);
    struct model *m = train(x, 1000);
    assert_non_null(m);
    assert_int_equal(rows_of(m), o.rows_max);
    model_unref(m);
}

static void nothing_is_kept_when_no_model_will_learn_from_it(void **state)
{
    struct fixture *x = *state;
    struct walk_options o = options(x);

    o.period_ms = INT64_MAX;
    start(x, &o);
    for (int64_t t = 0; t < FIRST; t++)
        note(x, t);
    model_unref(train(x, FIRST));
    mem_fail_at(1); /* nothing is asked for */
    for (int64_t t = FIRST; t < 1000; t++)
        note(x, t);
    mem_fail_at(0);
    assert_false(walk_is_due(x->walk, 1000 * SECOND));
}

static void a_window_forgets_what_is_older(void **state)
{
    struct fixture *x = *state;
    struct walk_options o = options(x);

    o.window_ms = 100 * SECOND;
    start(x, &o);
    for (int64_t t = 0; t < 200; t++) {
        if (t == FIRST)
            model_unref(train(x, t));
        note(x, t);
    }
    struct model *m = train(x, 200);
    assert_int_equal(m->provenance.first_ms, 100 * SECOND);
    assert_int_equal(rows_of(m), 100);
    model_unref(m);
    /* it does not grow any more */
    assert_false(walk_is_due(x->walk, (200 * SECOND) + PERIOD - 1));
    assert_true(walk_is_due(x->walk, (200 * SECOND) + PERIOD));
}

static void hear(struct fixture *x, int64_t from, int64_t to, float loudness)
{
    struct incident in = {.start_ms = from * SECOND, .peak_score = loudness / 2, .threshold = 1};
    struct err err;

    assert_int_equal(walk_incident(x->walk, &in, &err), OK);
    in.end_ms = to * SECOND;
    in.peak_score = loudness;
    assert_int_equal(walk_incident(x->walk, &in, &err), OK);
}

static void an_incident_takes_what_was_before_it_along(void **state)
{
    struct fixture *x = *state;
    struct walk_options o = options(x);

    o.quarantine_ms = 20 * SECOND;
    start(x, &o);
    for (int64_t t = 0; t < 200; t++) {
        if (t == FIRST)
            model_unref(train(x, t));
        note(x, t);
    }
    hear(x, 190, 299, 2);
    for (int64_t t = 300; t < 310; t++)
        note(x, t);
    struct model *m = train(x, 400);
    assert_int_equal(m->provenance.last_ms, 309 * SECOND);
    assert_int_equal(rows_of(m), 170 + 10); /* 0..169, and what came after the incident */
    model_unref(m);
    m = train(x, 310); /* the newest wait as long */
    assert_int_equal(m->provenance.last_ms, 169 * SECOND);
    model_unref(m);
}

static void what_is_open_is_not_learned(void **state)
{
    struct fixture *x = *state;
    const struct walk_options o = options(x);
    const struct incident open = {.start_ms = 100 * SECOND, .peak_score = 2, .threshold = 1};
    struct err err;

    start(x, &o);
    for (int64_t t = 0; t < 200; t++) {
        if (t == FIRST)
            model_unref(train(x, t));
        if (t == 100)
            assert_int_equal(walk_incident(x->walk, &open, &err), OK);
        note(x, t);
    }
    struct model *m = train(x, 200);
    assert_int_equal(m->provenance.last_ms, 99 * SECOND);
    model_unref(m);
}

/* All but the loudest 24 are how the machine is. */
static void more_than_is_credible_is_learned(void **state)
{
    enum { BELIEVED = 24 };
    struct fixture *x = *state;
    struct walk_options o = options(x);

    o.threshold = (struct threshold_spec){.method = THRESHOLD_PERCENTILE, .value = 99};
    start(x, &o);
    for (int64_t t = 0; t < 200; t++) {
        if (t == FIRST)
            model_unref(train(x, t));
        note(x, t);
        if (t >= 100 && t % 3 == 2) /* of two frames each */
            hear(x, t - 1, t, 2 + (float)t);
    }
    struct model *m = train(x, 200);
    assert_int_equal(rows_of(m), 200 - 2 * BELIEVED);
    model_unref(m);
}

static void too_few_frames_are_tried_again_with_more(void **state)
{
    struct fixture *x = *state;
    struct walk_options o = options(x);
    int64_t t = 0;

    o.first_rows = 8; /* training wants 16 and a validation */
    start(x, &o);
    for (struct model *m = NULL; !m && t < 100; t++) {
        if (walk_is_due(x->walk, t * SECOND))
            m = train(x, t);
        if (m) {
            assert_true(strlen(walk_refused(x->walk)) > 0);
            model_unref(m);
            return;
        }
        note(x, t);
    }
    fail_msg("no model after %d frames", (int)t);
}

static void it_says_when_there_is_no_memory(void **state)
{
    struct fixture *x = *state;
    const struct walk_options o = options(x);
    const float frame[N] = {1, 2};
    struct walk *w = NULL;
    struct err err;

    mem_fail_at(1);
    assert_int_equal(walk_new(&o, &w, &err), E_NOMEM);
    mem_fail_at(2);
    assert_int_equal(walk_new(&o, &w, &err), E_NOMEM);
    start(x, &o);
    for (unsigned n = 1; n <= 3; n++) {
        mem_fail_at(n);
        assert_int_equal(walk_note(x->walk, n * SECOND, frame, &err), E_NOMEM);
        start(x, &o);
    }
    mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(models_come_on_time_and_from_the_past_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_held_is_bounded_and_spread_over_the_whole_past,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bound_under_a_run_holds_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_kept_when_no_model_will_learn_from_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_window_forgets_what_is_older, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_incident_takes_what_was_before_it_along, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_open_is_not_learned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_than_is_credible_is_learned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_few_frames_are_tried_again_with_more, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(it_says_when_there_is_no_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
