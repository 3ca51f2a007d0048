/* SPDX-License-Identifier: Apache-2.0 */
/* What operators said, as the watching follows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../works.h"

#include "base/mem.h"
#include "daemon/marks.h"
#include "store/edit.h"
#include "store/store.h"

struct fixture {
    char folder[64], path[96];
    struct store *store;
    struct store_editor *editor;
};

static int set_up(void **state)
{
    static struct fixture x;
    struct err err;
    int64_t id;

    memset(&x, 0, sizeof x);
    *state = &x;
    (void)snprintf(x.folder, sizeof x.folder, "/tmp/tocsin-marks-XXXXXX");
    if (!mkdtemp(x.folder))
        return 1;
    (void)snprintf(x.path, sizeof x.path, "%s/t.db", x.folder);
    return store_open(x.path, &x.store, &err) != OK ||
           store_entity(x.store, "a", &id, &err) != OK ||
           store_entity(x.store, "b", &id, &err) != OK ||
           store_editor_open(x.path, &x.editor, &err) != OK;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;
    char command[96];

    store_editor_close(x->editor);
    store_close(x->store);
    (void)snprintf(command, sizeof command, "rm -r %s", x->folder);
    return system(command); /* NOLINT(concurrency-mt-unsafe,cert-env33-c) */
}

static void mark(struct fixture *x, enum store_mark_kind kind, const char *instance, int64_t from,
                 int64_t to)
{
    const struct store_mark m = {
        .kind = kind, .start_ms = from, .end_ms = to, .instance = instance};
    int64_t id;

    WORKS(store_edit_mark(x->editor, &m, &id, E));
}

static void maintenance_holds_its_time_of_its_instance_or_of_all(void **state)
{
    struct fixture *x = *state;
    struct marks *m = NULL;

    mark(x, STORE_MARK_MAINTENANCE, "a", 100, 200);
    mark(x, STORE_MARK_MAINTENANCE, "", 300, 400);
    mark(x, STORE_MARK_ANOMALY, "", 500, 600);
    mark(x, STORE_MARK_NORMAL, "", 500, 600);
    WORKS(marks_read(x->path, 0, &m, E));
    assert_false(marks_hold(m, "a", 99));
    assert_true(marks_hold(m, "a", 100) && marks_hold(m, "a", 200));
    assert_false(marks_hold(m, "a", 201) || marks_hold(m, "b", 150));
    assert_true(marks_hold(m, "a", 350) && marks_hold(m, "b", 350));
    assert_false(marks_hold(m, "a", 550));
    marks_free(m);

    WORKS(marks_read(x->path, 201, &m, E)); /* those that are over are not kept */
    assert_false(marks_hold(m, "a", 150));
    assert_true(marks_hold(m, "a", 350));
    marks_free(m);
    assert_false(marks_hold(NULL, "a", 150) || marks_accept(NULL, "a", 150));
}

static void a_slow_change_is_accepted_by_its_start(void **state)
{
    struct fixture *x = *state;
    const struct feature f = {.name = "cpu"};
    struct incident slow = {.kind = INCIDENT_SLOW, .start_ms = 10, .peak_ms = 20};
    struct store_mark accepted = {.kind = STORE_MARK_ACCEPTED, .instance = ""};
    struct schema *schema = NULL;
    struct marks *m = NULL;
    int64_t a, id;

    WORKS(schema_new(&f, 1, &schema, E));
    WORKS(store_entity(x->store, "a", &a, E));
    WORKS(store_put_incident(x->store, a, schema, &slow, E));
    accepted.incident = slow.id;
    WORKS(store_edit_mark(x->editor, &accepted, &id, E));
    WORKS(marks_read(x->path, 1000, &m, E)); /* whenever it began */
    assert_true(marks_accept(m, "a", 10));
    assert_false(marks_accept(m, "a", 11) || marks_accept(m, "b", 10));
    assert_false(marks_hold(m, "a", 10));
    marks_free(m);
    schema_free(schema);
}

static void no_memory_is_told_at_every_allocation(void **state)
{
    struct fixture *x = *state;
    struct err err;
    uint64_t n = 1;

    mark(x, STORE_MARK_MAINTENANCE, "", 300, 400);
    for (;; n++) {
        struct marks *m = NULL;
        mem_fail_at(n);
        const enum rc rc = marks_read(x->path, 0, &m, &err);
        mem_fail_at(0);
        marks_free(m);
        if (rc == OK)
            break;
        assert_int_equal(rc, E_NOMEM);
        assert_null(m);
    }
    assert_true(n > 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(maintenance_holds_its_time_of_its_instance_or_of_all),
        TEST(a_slow_change_is_accepted_by_its_start),
        TEST(no_memory_is_told_at_every_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
