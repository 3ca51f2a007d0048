/* SPDX-License-Identifier: Apache-2.0 */
#include "data/series.h"

#include <pthread.h>
#include <stdio.h>

#include "../test.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/queue.h"

static void series_set_unrefp(struct series_set **s)
{
    series_set_unref(*s);
}

static struct series_set *new_set(void)
{
    struct series_set *s = NULL;
    struct err err;

    assert_int_equal(series_set_new(&s, &err), OK);
    return s;
}

static uint32_t intern(struct series_set *s, const char *name, const struct label *labels, size_t n)
{
    struct err err;
    uint32_t id = UINT32_MAX;

    assert_int_equal(series_set_intern(s, str_of(name), labels, n, METRIC_GAUGE, &id, &err), OK);
    return id;
}

static void same_series_has_the_same_number_whatever_the_order_of_labels(void **state)
{
    (void)state;
    CLEANUP(series_set_unrefp) struct series_set *s = new_set();
    const struct label ab[] = {{STR("a"), STR("1")}, {STR("b"), STR("2")}};
    const struct label ba[] = {{STR("b"), STR("2")}, {STR("a"), STR("1")}};
    const struct label swapped[] = {{STR("a"), STR("2")}, {STR("b"), STR("1")}};

    assert_int_equal(intern(s, "m", ab, 2), 0);
    assert_int_equal(intern(s, "m", ba, 2), 0);
    assert_int_equal(intern(s, "m", swapped, 2), 1);
    assert_int_equal(intern(s, "m", ab, 1), 2);
    assert_int_equal(intern(s, "n", ab, 2), 3);
    assert_int_equal(intern(s, "m", NULL, 0), 4);
    assert_int_equal(series_set_count(s), 5);
    const struct series *e = series_set_at(s, 0);
    assert_true(str_eq(e->name, STR("m")));
    assert_int_equal(e->n_labels, 2);
    assert_true(str_eq(e->labels[0].name, STR("a")) && str_eq(e->labels[1].name, STR("b")));
    assert_int_equal(e->type, METRIC_GAUGE);
}

static void empty_label_is_no_label(void **state)
{
    (void)state;
    CLEANUP(series_set_unrefp) struct series_set *s = new_set();
    const struct label labels[] = {{STR("a"), STR("1")}, {STR("b"), STR("")}};

    assert_int_equal(intern(s, "m", labels, 1), intern(s, "m", labels, 2));
    assert_true(str_eq(series_label(series_set_at(s, 0), STR("a")), STR("1")));
    assert_int_equal(series_label(series_set_at(s, 0), STR("b")).n, 0);
    assert_int_equal(series_label(series_set_at(s, 0), STR("")).n, 0);
}

static void entry_does_not_hang_on_the_bytes_of_the_caller(void **state)
{
    (void)state;
    CLEANUP(series_set_unrefp) struct series_set *s = new_set();
    char name[] = "metric", value[] = "v";
    const struct label l = {STR("l"), {value, 1}};

    (void)intern(s, name, &l, 1);
    memset(name, 'x', 6);
    value[0] = 'y';
    assert_true(str_eq(series_set_at(s, 0)->name, STR("metric")));
    assert_true(str_eq(series_label(series_set_at(s, 0), STR("l")), STR("v")));
}

static void label_that_comes_twice_is_refused(void **state)
{
    (void)state;
    CLEANUP(series_set_unrefp) struct series_set *s = new_set();
    const struct label l[] = {{STR("a"), STR("1")}, {STR("b"), STR("1")}, {STR("a"), STR("2")}};
    struct err err;
    uint32_t id = 7;

    assert_int_equal(series_set_intern(s, STR("m"), l, 3, METRIC_GAUGE, &id, &err), E_PARSE);
    assert_string_equal(err.msg, "series 'm': label 'a' comes twice");
    assert_int_equal(id, 7);
    assert_int_equal(series_set_count(s), 0);
}

static void oversized_series_are_refused(void **state)
{
    (void)state;
    CLEANUP(series_set_unrefp) struct series_set *s = new_set();
    static struct label labels[SERIES_LABELS_MAX + 1];
    static char names[SERIES_LABELS_MAX + 1][4], big[SERIES_TEXT_MAX + 1];
    struct err err;
    uint32_t id;

    for (int i = 0; i <= SERIES_LABELS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "l%d", i);
        labels[i] = (struct label){str_of(names[i]), STR("v")};
    }
    assert_int_equal(series_set_intern(s, STR("m"), labels, 65, METRIC_GAUGE, &id, &err), E_LIMIT);
    assert_int_equal(series_set_intern(s, STR("m"), labels, 64, METRIC_GAUGE, &id, &err), OK);
    memset(big, 'x', sizeof big);
    const struct str fits = {big, SERIES_TEXT_MAX}, over = {big, SERIES_TEXT_MAX + 1};
    assert_int_equal(series_set_intern(s, over, NULL, 0, METRIC_GAUGE, &id, &err), E_LIMIT);
    assert_int_equal(series_set_intern(s, fits, labels, 1, METRIC_GAUGE, &id, &err), E_LIMIT);
    assert_int_equal(series_set_intern(s, fits, NULL, 0, METRIC_GAUGE, &id, &err), OK);
}

static void set_holds_its_limit_and_finds_every_one_again(void **state)
{
    (void)state;
    CLEANUP(series_set_unrefp) struct series_set *s = new_set();
    char value[16];
    struct err err;
    uint32_t id;

    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < SERIES_MAX; i++) {
            const struct label l = {STR("l"),
                                    {value, (size_t)snprintf(value, sizeof value, "%u", i)}};
            assert_int_equal(intern(s, "m", &l, 1), i);
        }
    assert_int_equal(series_set_intern(s, STR("n"), NULL, 0, METRIC_GAUGE, &id, &err), E_LIMIT);
    assert_string_equal(err.msg, "more than 65536 series");
}

static void set_without_memory_stays_whole(void **state)
{
    (void)state;
    struct series_set *none = NULL;
    struct err err;
    char name[16];
    uint32_t id;

    for (uint64_t at = 1; at <= 2; at++) {
        mem_fail_at(at);
        assert_int_equal(series_set_new(&none, &err), E_NOMEM);
        assert_null(none);
    }
    mem_fail_at(0);
    /* around the first entry, the growth of the table, and a new chunk */
    CLEANUP(series_set_unrefp) struct series_set *s = new_set();
    for (uint32_t i = 0; i < 300; i++) {
        const struct str n = {name, (size_t)snprintf(name, sizeof name, "m%u", i)};
        for (uint64_t at = 1;; at++) {
            mem_fail_at(at);
            const enum rc rc = series_set_intern(s, n, NULL, 0, METRIC_GAUGE, &id, &err);
            if (rc == OK)
                break;
            assert_int_equal(rc, E_NOMEM);
            assert_int_equal(series_set_count(s), i);
        }
        assert_int_equal(id, i);
    }
    mem_fail_at(1);
    assert_null(snapshot_new(s, 0));
    mem_fail_at(0);
}

static void stale_is_told_from_other_nans(void **state)
{
    (void)state;
    assert_true(isnan(series_stale()));
    assert_true(series_is_stale(series_stale()));
    assert_false(series_is_stale((double)NAN));
    assert_false(series_is_stale(0));
}

static void snapshot_starts_stale_and_keeps_its_set_alive(void **state)
{
    (void)state;
    struct series_set *s = new_set();

    (void)intern(s, "a", NULL, 0);
    (void)intern(s, "b", NULL, 0);
    struct snapshot *snap = snapshot_new(s, 1234);
    (void)intern(s, "c", NULL, 0);
    series_set_unref(s);
    assert_int_equal(snap->n, 2);
    assert_int_equal(snap->ts_ms, 1234);
    assert_true(series_is_stale(snap->v[0]) && series_is_stale(snap->v[1]));
    assert_true(str_eq(series_set_at(snap->set, 1)->name, STR("b")));
    snapshot_free(snap);
    snapshot_free(NULL);
    series_set_unref(NULL);
}

enum { TICKS = 400, NEW_A_TICK = 5 };

static void *read_snapshots(void *arg)
{
    struct queue *q = arg;
    char want[16];

    for (struct snapshot *s; (s = queue_wait(q, -1));) {
        for (uint32_t i = 0; i < s->n; i++) {
            (void)snprintf(want, sizeof want, "m%u", i);
            assert_true(str_eq(series_set_at(s->set, i)->name, str_of(want)));
        }
        snapshot_free(s);
    }
    return NULL;
}

/* For ThreadSanitizer above all: one thread interns while another reads what it got. */
static void snapshot_is_read_while_the_set_grows(void **state)
{
    (void)state;
    struct series_set *s = new_set();
    struct queue *q = NULL;
    struct err err;
    pthread_t reader;
    char name[16];
    uint32_t made = 0;

    assert_int_equal(queue_new(TICKS, &q, &err), OK);
    assert_int_equal(pthread_create(&reader, NULL, read_snapshots, q), 0);
    for (int t = 0; t < TICKS; t++) {
        for (int i = 0; i < NEW_A_TICK; i++) {
            (void)snprintf(name, sizeof name, "m%u", made++);
            (void)intern(s, name, NULL, 0);
        }
        struct snapshot *snap = snapshot_new(s, t);
        assert_true(queue_push(q, snap));
    }
    series_set_unref(s); /* the last snapshot frees it, in the other thread */
    queue_close(q);
    pthread_join(reader, NULL);
    queue_free(q, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_series_has_the_same_number_whatever_the_order_of_labels),
        cmocka_unit_test(empty_label_is_no_label),
        cmocka_unit_test(entry_does_not_hang_on_the_bytes_of_the_caller),
        cmocka_unit_test(label_that_comes_twice_is_refused),
        cmocka_unit_test(oversized_series_are_refused),
        cmocka_unit_test(set_holds_its_limit_and_finds_every_one_again),
        cmocka_unit_test(set_without_memory_stays_whole),
        cmocka_unit_test(stale_is_told_from_other_nans),
        cmocka_unit_test(snapshot_starts_stale_and_keeps_its_set_alive),
        cmocka_unit_test(snapshot_is_read_while_the_set_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
