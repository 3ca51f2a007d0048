/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator changes, beside the writer. */
#include "fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>

#include "store/edit.h"

static struct store_editor *edit(struct fixture *x)
{
    struct store_editor *e = NULL;

    WORKS(store_editor_open(x->path, &e, E));
    return e;
}

struct seen_marks {
    size_t n;
    struct store_mark last;
};

static bool see_mark(void *arg, const struct store_mark *row)
{
    struct seen_marks *s = arg;

    s->n++;
    s->last = *row;
    s->last.instance = NULL;
    return true;
}

static struct seen_marks marks_of(struct fixture *x, const char *instance)
{
    struct seen_marks s = {0};
    struct store_reader *r;

    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_marks(r, instance, see_mark, &s, E));
    store_reader_close(r);
    return s;
}

static void a_mark_of_a_stretch_concerns_its_instance_or_all(void **state)
{
    struct fixture *x = *state;
    struct store_editor *e = edit(x);
    const struct store_mark all = {
        .kind = STORE_MARK_MAINTENANCE, .start_ms = 10, .end_ms = 20, .made_ms = 5, .instance = ""};
    const struct store_mark one = {.kind = STORE_MARK_NORMAL, .start_ms = 30, .instance = "b"};
    const struct store_mark none = {.kind = STORE_MARK_NORMAL, .instance = "c"};
    struct err err;
    int64_t id = 0;

    (void)new_entity(x, "a");
    (void)new_entity(x, "b");
    WORKS(store_edit_mark(e, &all, &id, E));
    WORKS(store_edit_mark(e, &one, &id, E));
    assert_int_equal(store_edit_mark(e, &none, &id, &err), E_STATE);
    assert_non_null(strstr(err.msg, "'c'"));
    assert_int_equal(marks_of(x, "a").n, 1);
    assert_int_equal(marks_of(x, "b").n, 2);
    assert_int_equal(marks_of(x, NULL).n, 2);
    const struct store_mark got = marks_of(x, "a").last;
    assert_true(got.kind == STORE_MARK_MAINTENANCE && got.start_ms == 10 && got.end_ms == 20 &&
                got.made_ms == 5 && got.incident == 0);
    WORKS(store_edit_unmark(e, id, E));
    assert_int_equal(store_edit_unmark(e, id, &err), E_STATE);
    assert_int_equal(marks_of(x, "b").n, 1);
    store_editor_close(e);
}

static void a_mark_of_an_incident_takes_its_times(void **state)
{
    struct fixture *x = *state;
    struct store_editor *e = edit(x);
    struct incident in = {.start_ms = 100, .peak_ms = 150, .end_ms = 200};
    struct store_mark m = {.kind = STORE_MARK_ANOMALY, .instance = ""};
    struct err err;
    int64_t id;

    const int64_t a = new_entity(x, "a");
    (void)new_entity(x, "b");
    WORKS(store_put_incident(x->store, a, x->schema, &in, E));
    m.incident = in.id;
    WORKS(store_edit_mark(e, &m, &id, E));
    const struct store_mark got = marks_of(x, "a").last;
    assert_true(got.incident == in.id && got.start_ms == 100 && got.end_ms == 200);
    assert_int_equal(marks_of(x, "b").n, 0);
    m.incident = 99;
    assert_int_equal(store_edit_mark(e, &m, &id, &err), E_STATE);
    assert_non_null(strstr(err.msg, "99"));
    store_editor_close(e);
}

static void an_open_slow_change_alone_is_accepted(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a");
    struct incident slow = {.kind = INCIDENT_SLOW, .start_ms = 10, .peak_ms = 20},
                    over = {.kind = INCIDENT_SLOW, .start_ms = 5, .peak_ms = 6, .end_ms = 9},
                    fast = {.start_ms = 30, .peak_ms = 30};
    struct store_mark mark = {.kind = STORE_MARK_ACCEPTED, .instance = ""};
    struct store_editor *e = edit(x);
    struct err err;
    int64_t id = 0;

    WORKS(store_put_incident(x->store, a, x->schema, &slow, E));
    WORKS(store_put_incident(x->store, a, x->schema, &over, E));
    WORKS(store_put_incident(x->store, a, x->schema, &fast, E));
    mark.incident = over.id;
    assert_int_equal(store_edit_mark(e, &mark, &id, &err), E_STATE);
    assert_non_null(strstr(err.msg, "is over"));
    mark.incident = fast.id;
    assert_int_equal(store_edit_mark(e, &mark, &id, &err), E_STATE);
    assert_non_null(strstr(err.msg, "expected a slow change"));
    mark.incident = 99;
    assert_int_equal(store_edit_mark(e, &mark, &id, &err), E_STATE);
    assert_non_null(strstr(err.msg, "there is no incident 99"));
    assert_int_equal(marks_of(x, "a").n, 0);
    mark.incident = slow.id;
    WORKS(store_edit_mark(e, &mark, &id, E));
    const struct store_mark got = marks_of(x, "a").last;
    assert_true(got.kind == STORE_MARK_ACCEPTED && got.start_ms == slow.start_ms);
    store_editor_close(e);
}

static void the_writer_sees_that_somebody_else_wrote(void **state)
{
    struct fixture *x = *state;
    const struct store_mark mark = {
        .kind = STORE_MARK_MAINTENANCE, .start_ms = 10, .end_ms = 20, .instance = ""};
    struct store_editor *e = edit(x);
    bool changed = false;
    int64_t id = 0;

    WORKS(store_changed_by_others(x->store, &changed, E));
    assert_true(changed); /* nobody looked before */
    put_ticks(x, new_entity(x, "a"), 0, 1, 10);
    WORKS(store_changed_by_others(x->store, &changed, E));
    assert_false(changed);
    WORKS(store_edit_mark(e, &mark, &id, E));
    WORKS(store_changed_by_others(x->store, &changed, E));
    assert_true(changed);
    WORKS(store_changed_by_others(x->store, &changed, E));
    assert_false(changed);
    store_editor_close(e);
}

static void marks_go_with_their_incident_or_their_time(void **state)
{
    struct fixture *x = *state;
    struct store_editor *e = edit(x);
    struct incident in = {.start_ms = 100, .peak_ms = 150, .end_ms = 200}, later = in;
    struct store_mark m = {.kind = STORE_MARK_ANOMALY, .instance = ""};
    uint64_t deleted;
    int64_t id;

    const int64_t a = new_entity(x, "a");
    WORKS(store_put_incident(x->store, a, x->schema, &in, E));
    later.start_ms = later.peak_ms = later.end_ms = 5000;
    WORKS(store_put_incident(x->store, a, x->schema, &later, E));
    m.incident = in.id;
    WORKS(store_edit_mark(e, &m, &id, E));
    m.incident = later.id;
    WORKS(store_edit_mark(e, &m, &id, E));
    m = (struct store_mark){.kind = STORE_MARK_NORMAL, .end_ms = 900, .instance = ""};
    WORKS(store_edit_mark(e, &m, &id, E));
    WORKS(store_prune(x->store, 2000, 1000, 1 << 30, &deleted, E));
    assert_int_equal(marks_of(x, NULL).n, 1);
    assert_int_equal(marks_of(x, NULL).last.incident, later.id);
    store_editor_close(e);
}

static void an_operator_changes_the_live_model(void **state)
{
    struct fixture *x = *state;
    struct store_editor *e = edit(x);
    struct store_model m = {.created_ms = 1, .model_id = 1, .schema_hash = 7, .provenance = "{}"};
    struct err err;

    const int64_t a = new_entity(x, "a");
    WORKS(store_put_model(x->store, a, &m, E));
    m.model_id = 2;
    WORKS(store_put_model(x->store, a, &m, E));
    m.model_id = 3;
    m.schema_hash = 8;
    m.state = STORE_MODEL_RETIRED;
    WORKS(store_put_model(x->store, a, &m, E));

    WORKS(store_edit_live(e, 1, 50, "back", STORE_MODEL_REJECTED, "taken back", E));
    assert_int_equal(ask(x, "SELECT id FROM models WHERE state = 'live'"), 1);
    assert_int_equal(ask(x, "SELECT state = 'rejected' AND reason = 'taken back' AND state_ms = 50"
                            " FROM models WHERE id = 2"),
                     1);
    assert_int_equal(store_edit_live(e, 1, 60, "", STORE_MODEL_RETIRED, "", &err), E_STATE);
    assert_non_null(strstr(err.msg, "live already"));
    assert_int_equal(store_edit_live(e, 3, 60, "", STORE_MODEL_RETIRED, "", &err), E_STATE);
    assert_non_null(strstr(err.msg, "other features"));
    assert_int_equal(store_edit_live(e, 4, 60, "", STORE_MODEL_RETIRED, "", &err), E_STATE);
    assert_int_equal(ask(x, "SELECT id FROM models WHERE state = 'live'"), 1);
    store_editor_close(e);
}

/* Transactions that are open for most of the time, as a daemon's with ten ticks a second. */
static void *write_busily(void *arg)
{
    struct fixture *x = arg;

    for (int64_t i = 0; i < 5; i++) {
        WORKS(store_begin(x->store, E));
        WORKS(put_tick(x, 1, i, E));
        usleep(90000);
        WORKS(store_commit(x->store, E));
        usleep(10000);
    }
    return NULL;
}

static void marking_waits_for_a_writer_that_is_rarely_idle(void **state)
{
    struct fixture *x = *state;
    struct store_editor *e = edit(x);
    const struct store_mark m = {.kind = STORE_MARK_NORMAL, .instance = ""};
    pthread_t thread;
    int64_t id;

    (void)new_entity(x, "a");
    assert_int_equal(pthread_create(&thread, NULL, write_busily, x), 0);
    usleep(20000);
    WORKS(store_edit_mark(e, &m, &id, E));
    pthread_join(thread, NULL);
    assert_int_equal(marks_of(x, NULL).n, 1);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 5);
    store_editor_close(e);
}

static void the_holder_of_the_store_is_known(void **state)
{
    struct fixture *x = *state;
    int64_t pid = -1;
    bool held = false;

    WORKS(store_holder(x->path, &pid, &held, E));
    assert_true(held && pid == getpid());
    store_close(x->store);
    x->store = NULL;
    WORKS(store_holder(x->path, &pid, &held, E));
    assert_true(!held && pid == 0);
    WORKS(store_open(x->path, &x->store, E));
    WORKS(store_holder("/nowhere/at/all", &pid, &held, E));
    assert_false(held);
}

static void a_database_that_is_not_there_is_not_made(void **state)
{
    struct fixture *x = *state;
    struct store_editor *e;
    struct err err;
    char path[128];

    snprintf(path, sizeof path, "%s-other", x->path);
    assert_int_equal(store_editor_open(path, &e, &err), E_IO);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_mark_of_a_stretch_concerns_its_instance_or_all),
        TEST(a_mark_of_an_incident_takes_its_times),
        TEST(an_open_slow_change_alone_is_accepted),
        TEST(the_writer_sees_that_somebody_else_wrote),
        TEST(marks_go_with_their_incident_or_their_time),
        TEST(an_operator_changes_the_live_model),
        TEST(marking_waits_for_a_writer_that_is_rarely_idle),
        TEST(the_holder_of_the_store_is_known),
        TEST(a_database_that_is_not_there_is_not_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
