/* SPDX-License-Identifier: Apache-2.0 */
/* From a store with a past in it: what is learned from, and what is judged by. */
#include "retrain_fixture.h"

/* Ticks [from, to) at one a second. */
static void put(struct fixture *x, int64_t from, int64_t to, float fault)
{
    WORKS(store_begin(x->store, E));
    for (int64_t t = from; t < to; t++) {
        float frame[N];
        frame_at(t, fault, frame);
        WORKS(store_put_frame(x->store, x->entity, t * STEP, x->schema->hash, frame, N, E));
    }
    WORKS(store_commit(x->store, E));
    x->q.now_ms = to * STEP;
}

static int64_t put_loud(struct fixture *x, int64_t from, int64_t to, float loudness)
{
    struct incident in = {.start_ms = from * STEP,
                          .peak_ms = from * STEP,
                          .end_ms = to * STEP,
                          .peak_score = loudness,
                          .threshold = 1};

    WORKS(store_put_incident(x->store, x->entity, x->schema, &in, E));
    return in.id;
}

static int64_t put_incident(struct fixture *x, int64_t from, int64_t to)
{
    return put_loud(x, from, to, 2);
}

static void mark(struct fixture *x, struct store_mark m)
{
    struct store_editor *e = NULL;
    int64_t id;

    m.instance = "";
    WORKS(store_editor_open(x->path, &e, E));
    WORKS(store_edit_mark(e, &m, &id, E));
    store_editor_close(e);
}

static struct dataset *gather(struct fixture *x)
{
    struct retrain *r = NULL;
    struct dataset *d = NULL;

    WORKS(retrain_open(&x->q, &r, E));
    WORKS(retrain_gather(r, &d, E));
    retrain_close(r);
    return d;
}

/* The ticks of d in [from, to). */
static size_t count(const struct dataset *d, int64_t from, int64_t to)
{
    size_t n = 0;

    for (size_t i = 0; i < d->rows; i++)
        n += d->ts_ms[i] >= from * STEP && d->ts_ms[i] < to * STEP;
    return n;
}

static void a_quiet_past_is_learned_up_to_the_quarantine(void **state)
{
    struct fixture *x = *state;

    put(x, 0, 1000, 0);
    struct dataset *d = gather(x);
    assert_int_equal(d->rows, 981); /* the last at 980, as now is 1000 */
    assert_int_equal(d->ts_ms[0], 0);
    assert_int_equal(d->ts_ms[d->rows - 1], 980 * STEP);
    dataset_free(d);
}

static void incidents_are_not_learned_nor_what_led_to_them(void **state)
{
    struct fixture *x = *state;

    put(x, 0, 1000, 0);
    (void)put_incident(x, 500, 520);
    struct dataset *d = gather(x);
    assert_int_equal(count(d, 480, 526), 0);
    assert_int_equal(count(d, 0, 480), 480);
    assert_int_equal(count(d, 526, 1000), 455);
    dataset_free(d);
}

static void a_false_alarm_is_learned(void **state)
{
    struct fixture *x = *state;

    put(x, 0, 1000, 0);
    mark(x, (struct store_mark){.kind = STORE_MARK_NORMAL, .incident = put_incident(x, 500, 520)});
    struct dataset *d = gather(x);
    assert_int_equal(d->rows, 981);
    dataset_free(d);
}

static void the_last_word_about_an_incident_counts(void **state)
{
    struct fixture *x = *state;

    put(x, 0, 1000, 0);
    const int64_t id = put_incident(x, 500, 520);
    mark(x, (struct store_mark){.kind = STORE_MARK_NORMAL, .incident = id});
    mark(x, (struct store_mark){.kind = STORE_MARK_ANOMALY, .incident = id});
    struct dataset *d = gather(x);
    assert_int_equal(count(d, 480, 526), 0);
    dataset_free(d);
}

static void marked_stretches_are_heeded(void **state)
{
    struct fixture *x = *state;

    put(x, 0, 1000, 0);
    mark(x, (struct store_mark){
                .kind = STORE_MARK_MAINTENANCE, .start_ms = 100 * STEP, .end_ms = 199 * STEP});
    mark(x, (struct store_mark){
                .kind = STORE_MARK_ANOMALY, .start_ms = 300 * STEP, .end_ms = 309 * STEP});
    (void)put_incident(x, 500, 520);
    mark(x, (struct store_mark){
                .kind = STORE_MARK_NORMAL, .start_ms = 450 * STEP, .end_ms = 600 * STEP});
    struct dataset *d = gather(x);
    assert_int_equal(count(d, 100, 200), 0);
    assert_int_equal(count(d, 300, 310), 0);
    assert_int_equal(d->rows, 981 - 110);
    dataset_free(d);
}

static void what_an_open_incident_began_is_not_learned(void **state)
{
    struct fixture *x = *state;
    struct incident in = {.start_ms = 500 * STEP, .peak_ms = 500 * STEP};

    put(x, 0, 1000, 0);
    WORKS(store_put_incident(x->store, x->entity, x->schema, &in, E));
    struct dataset *d = gather(x);
    assert_int_equal(d->rows, 480);
    dataset_free(d);
}

/* It lasts for weeks, and the model goes on adapting. */
static void a_slow_incident_gates_no_learning(void **state)
{
    struct fixture *x = *state;
    struct incident in = {.kind = INCIDENT_SLOW, .start_ms = 500 * STEP, .peak_ms = 500 * STEP};

    put(x, 0, 1000, 0);
    WORKS(store_put_incident(x->store, x->entity, x->schema, &in, E));
    struct dataset *d = gather(x);
    assert_true(d->rows > 900);
    dataset_free(d);
}

static void a_long_past_is_thinned_evenly_in_runs(void **state)
{
    struct fixture *x = *state;
    enum { TICKS = 4 * RETRAIN_ROWS_MAX };

    put(x, 0, TICKS, 0);
    struct dataset *d = gather(x);
    assert_true(d->rows <= RETRAIN_ROWS_MAX && d->rows > RETRAIN_ROWS_MAX - RETRAIN_RUN);
    for (int64_t part = 0; part < 8; part++) {
        const size_t n = count(d, part * TICKS / 8, (part + 1) * TICKS / 8);
        assert_in_range(n, RETRAIN_ROWS_MAX / 8 - 2 * RETRAIN_RUN,
                        RETRAIN_ROWS_MAX / 8 + 2 * RETRAIN_RUN);
    }
    size_t neighbours = 0;
    for (size_t i = 1; i < d->rows; i++)
        neighbours += d->ts_ms[i] - d->ts_ms[i - 1] == STEP;
    assert_true(neighbours >= d->rows - d->rows / RETRAIN_RUN - 1);
    dataset_free(d);
}

static void how_long_a_feature_stands_still_is_known_without_thinning(void **state)
{
    struct fixture *x = *state;
    struct retrain *r = NULL;
    uint64_t longest[N];

    WORKS(store_begin(x->store, E));
    for (int64_t t = 0; t < 5000; t++) {
        const float frame[N] = {(float)t, (float)(t / 400), t % 3 ? NAN : (float)(t / 300)};
        WORKS(store_put_frame(x->store, x->entity, t * STEP, x->schema->hash, frame, N, E));
    }
    WORKS(store_commit(x->store, E));
    x->q.now_ms = 5000 * STEP;
    WORKS(retrain_open(&x->q, &r, E));
    WORKS(retrain_stillness(r, longest, E));
    assert_int_equal(longest[0], 0);
    assert_int_equal(longest[1], 399);
    assert_int_equal(longest[2], 99); /* frames that lack it do not count */
    retrain_close(r);
}

static void too_little_is_said_in_numbers(void **state)
{
    struct fixture *x = *state;
    struct retrain *r = NULL;
    struct dataset *d = NULL;
    struct err err;

    put(x, 0, 100, 0);
    x->q.least_rows = 500;
    WORKS(retrain_open(&x->q, &r, E));
    assert_int_equal(retrain_gather(r, &d, &err), E_STATE);
    assert_non_null(strstr(err.msg, "expected at least 500"));
    atomic_store(&x->stopping, true);
    assert_int_equal(retrain_gather(r, &d, &err), E_STATE);
    assert_non_null(strstr(err.msg, "stopping"));
    retrain_close(r);
}

static struct promotion_figures rehearse(struct fixture *x, struct model *live,
                                         struct model *candidate)
{
    struct promotion_figures f;
    struct retrain *r = NULL;

    WORKS(retrain_open(&x->q, &r, E));
    WORKS(retrain_rehearse(r, live, candidate, &f, E));
    retrain_close(r);
    return f;
}

static void a_model_that_learned_the_fault_does_not_pass(void **state)
{
    struct fixture *x = *state;
    char reason[PROMOTION_REASON_MAX];

    put(x, 0, 500, 0);
    put(x, 500, 521, 30);
    put(x, 521, 1000, 0);
    const int64_t id = put_incident(x, 500, 520);
    struct model *live = learn_ticks(x, 0), *tamed = learn_ticks(x, 30), *same = learn_ticks(x, 0);

    struct promotion_figures f = rehearse(x, live, same);
    assert_int_equal(f.unmarked, 1);
    assert_int_equal(f.unmarked_missed, 0);
    assert_int_equal(f.quiet_frames, 981 - 46);
    assert_true(promotion_judge(&f, reason));
    f = rehearse(x, live, tamed);
    assert_int_equal(f.unmarked_missed, 1);
    assert_false(promotion_judge(&f, reason));

    mark(x, (struct store_mark){.kind = STORE_MARK_ANOMALY, .incident = id});
    f = rehearse(x, live, tamed);
    assert_int_equal(f.confirmed_missed, 1);
    assert_false(promotion_judge(&f, reason));

    mark(x, (struct store_mark){.kind = STORE_MARK_NORMAL, .incident = id}); /* fine after all */
    f = rehearse(x, live, tamed);
    assert_int_equal(f.confirmed + f.unmarked + f.unheard, 0);
    assert_int_equal(f.quiet_frames, 981);
    assert_true(promotion_judge(&f, reason));
    model_unref(live);
    model_unref(tamed);
    model_unref(same);
}

/* What it rings for is how the machine is. The loudest 24 may be true. */
static void a_bell_that_rings_too_often_is_not_believed(void **state)
{
    struct fixture *x = *state;
    struct retrain *r = NULL;

    put(x, 0, 1000, 0);
    for (int i = 0; i < 28; i++)
        (void)put_loud(x, 100 + 30 * i, 110 + 30 * i, 2 + (float)i);
    struct dataset *d = gather(x);
    for (int i = 0; i < 28; i++)
        assert_int_equal(count(d, 100 + 30 * i, 111 + 30 * i), i < 4 ? 11 : 0);
    assert_true(d->rows > 300); /* what is before and after them is not all there is */
    dataset_free(d);
    WORKS(retrain_open(&x->q, &r, E));
    assert_int_equal(retrain_disbelieved(r), 4);
    retrain_close(r);
    x->q.per_week = 7 * 24 * 3600; /* an hour's worth a day is promised: all of them are fine */
    d = gather(x);
    assert_int_equal(count(d, 100, 111), 0);
    dataset_free(d);
}

static void of_a_day_with_too_many_the_confirmed_alone_are_asked(void **state)
{
    struct fixture *x = *state;

    put(x, 0, 1000, 0);
    for (int i = 0; i < 9; i++) {
        put(x, 100 + 60 * i, 111 + 60 * i, 30);
        const int64_t id = put_incident(x, 100 + 60 * i, 110 + 60 * i);
        if (i == 0) /* the oldest */
            mark(x, (struct store_mark){.kind = STORE_MARK_ANOMALY, .incident = id});
    }
    x->q.now_ms = 1000 * STEP;
    struct model *live = learn_ticks(x, 0), *same = learn_ticks(x, 0);
    struct promotion_figures f = rehearse(x, live, same);
    assert_int_equal(f.unmarked, 8);
    assert_int_equal(f.confirmed, 1);
    for (int i = 0; i < RETRAIN_INCIDENTS_MAX; i++)
        (void)put_loud(x, 700 + 3 * i, 701 + 3 * i, 1.5f);
    f = rehearse(x, live, same);
    assert_int_equal(f.unmarked + f.unheard, 0);
    assert_int_equal(f.confirmed, 1);
    model_unref(live);
    model_unref(same);
}

/* However many are louder: it would be learned while it rings. */
static void what_is_open_is_believed(void **state)
{
    struct fixture *x = *state;
    struct incident in = {
        .start_ms = 900 * STEP, .peak_ms = 900 * STEP, .peak_score = 1.1f, .threshold = 1};

    put(x, 0, 1000, 0);
    for (int i = 0; i < 26; i++)
        (void)put_loud(x, 100 + 30 * i, 110 + 30 * i, 5 + (float)i);
    WORKS(store_put_incident(x->store, x->entity, x->schema, &in, E));
    struct dataset *d = gather(x);
    assert_int_equal(count(d, 900, 1000), 0);
    assert_int_equal(count(d, 100, 111), 11);
    dataset_free(d);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_quiet_past_is_learned_up_to_the_quarantine),
        TEST(incidents_are_not_learned_nor_what_led_to_them),
        TEST(a_false_alarm_is_learned),
        TEST(the_last_word_about_an_incident_counts),
        TEST(marked_stretches_are_heeded),
        TEST(a_slow_incident_gates_no_learning),
        TEST(what_an_open_incident_began_is_not_learned),
        TEST(a_long_past_is_thinned_evenly_in_runs),
        TEST(how_long_a_feature_stands_still_is_known_without_thinning),
        TEST(too_little_is_said_in_numbers),
        TEST(a_model_that_learned_the_fault_does_not_pass),
        TEST(a_bell_that_rings_too_often_is_not_believed),
        TEST(of_a_day_with_too_many_the_confirmed_alone_are_asked),
        TEST(what_is_open_is_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
