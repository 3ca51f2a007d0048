/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "source/scrape_private.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char node[] = "node", module[] = "module=x";
static const struct scrape_spec plain = {.job = node, .interval_ms = 15000};
static const struct scrape_job jobs[] = {{.spec = &plain}};

static struct scrape_target *make(const struct scrape_spec *spec, const char *address,
                                  const struct label_text *labels, size_t n)
{
    const struct scrape_job job = {.spec = spec};
    struct scrape_target *t = NULL;
    struct err err;

    if (scrape_target_new(&job, 0, address, labels, n, &t, &err) != OK)
        fail_msg("%s: %s", address, err.msg);
    return t;
}

static void expect_labels(const struct scrape_target *t, const char *expected)
{
    struct buf b;

    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < t->n_labels; i++) {
        buf_str(&b, t->labels[i].name);
        buf_puts(&b, "=");
        buf_str(&b, t->labels[i].value);
        buf_puts(&b, " ");
    }
    assert_string_equal(b.p, expected);
    buf_done(&b);
}

static void an_address_becomes_a_url_and_labels(void **state)
{
    (void)state;
    static const struct {
        const char *address, *url, *instance;
    } row[] = {
        {"db1:9100", "http://db1:9100/metrics", "db1:9100"},
        {"db1", "http://db1:80/metrics", "db1:80"},
        {"[::1]:9100", "http://[::1]:9100/metrics", "[::1]:9100"},
        {"[::1]", "http://[::1]:80/metrics", "[::1]:80"},
    };

    for (size_t i = 0; i < COUNT(row); i++) {
        struct scrape_target *t = make(&plain, row[i].address, NULL, 0);
        assert_string_equal(t->url, row[i].url);
        assert_string_equal(t->instance, row[i].instance);
        assert_int_equal(t->timeout_ms, 15000);
        scrape_target_free(t);
    }
}

static void labels_of_a_group_are_settings_and_labels(void **state)
{
    (void)state;
    static char scheme[] = "__scheme__", https[] = "https", path[] = "__metrics_path__",
                probe[] = "probe", param[] = "__param_target", url[] = "http://a b",
                rack[] = "rack", three[] = "3", instance[] = "instance", db1[] = "db1",
                meta[] = "__meta_x", empty_name[] = "empty", empty[] = "",
                interval[] = "__scrape_interval__", minute[] = "1m",
                timeout[] = "__scrape_timeout__", seconds[] = "5s";
    static const struct label_text labels[] = {
        {scheme, https},     {path, probe},      {param, url},
        {rack, three},       {instance, db1},    {meta, three},
        {empty_name, empty}, {interval, minute}, {timeout, seconds}};
    struct scrape_spec spec = plain;

    spec.params = module;
    struct scrape_target *t = make(&spec, "proxy", labels, COUNT(labels));
    assert_string_equal(t->url, "https://proxy:443/probe?module=x&target=http%3A%2F%2Fa%20b");
    assert_string_equal(t->instance, "db1");
    expect_labels(t, "instance=db1 job=node rack=3 ");
    assert_int_equal(t->interval_ms, 60000);
    assert_int_equal(t->timeout_ms, 5000);
    scrape_target_free(t);
}

static void what_cannot_be_a_target_is_refused(void **state)
{
    (void)state;
    static const char *const addresses[] = {"",      "http://db1:9100", "db1/metrics", "a b",
                                            ":9100", "u@db1:9100",      "db1:9100?x"};
    static char scheme[] = "__scheme__", ftp[] = "ftp", timeout[] = "__scrape_timeout__",
                minute[] = "1m", nothing[] = "0s";
    static const struct label_text wrong[] = {{scheme, ftp}, {timeout, minute}, {timeout, nothing}};
    struct scrape_target *t;
    struct err err;

    for (size_t i = 0; i < COUNT(addresses); i++)
        assert_int_equal(scrape_target_new(jobs, 0, addresses[i], NULL, 0, &t, &err), E_CONFIG);
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(scrape_target_new(jobs, 0, "db1:9100", &wrong[i], 1, &t, &err), E_CONFIG);
}

static void phases_are_spread_and_stay(void **state)
{
    (void)state;
    enum { N = 1500, PARTS = 15 };
    unsigned count[PARTS] = {0};
    const int64_t wall_ms = 1700000007123, mono_ms = 5000;

    for (int i = 0; i < N; i++) {
        char address[32];
        (void)snprintf(address, sizeof address, "db%d:9100", i);
        struct scrape_target *t = make(&plain, address, NULL, 0);
        scrape_target_plan(t, wall_ms, mono_ms);
        const int64_t due_ms = t->due_wall_ms, wait_ms = due_ms - wall_ms;
        assert_true(wait_ms > 0 && wait_ms <= 15000);
        assert_int_equal(t->due_mono_ms, mono_ms + wait_ms);
        scrape_target_plan(t, due_ms, mono_ms); /* another start, another time: the same phase */
        assert_int_equal((t->due_wall_ms - due_ms) % 15000, 0);
        count[due_ms % 15000 / 1000]++;
        scrape_target_free(t);
    }
    for (int i = 0; i < PARTS; i++) /* 100 expected: six deviations of a binomial */
        assert_true(count[i] > 40 && count[i] < 160);
}

/* -- the table -- */

struct heard {
    struct buf b;
};

static void on_twice(void *arg, const struct scrape_target *t)
{
    buf_printf(&((struct heard *)arg)->b, "twice %s;", t->instance);
}

static void on_come(void *arg, struct scrape_target *t)
{
    t->due_mono_ms = (int64_t)(t->hash % 1000);
    buf_printf(&((struct heard *)arg)->b, "come %s;", t->instance);
}

static void on_gone(void *arg, struct scrape_target *t, bool replaced)
{
    buf_printf(&((struct heard *)arg)->b, "gone %s%s;", t->instance, replaced ? " replaced" : "");
}

static void set(struct scrape_table *table, const char *const *addresses, size_t n,
                const struct label_text *labels, size_t n_labels, const char *expected)
{
    struct scrape_target **v = mem_array(n, sizeof(void *));
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct heard h;
    const struct scrape_table_events events = {&h, on_twice, on_come, on_gone};
    struct err err;

    buf_init(&h.b, 1 << 16);
    buf_puts(&h.b, "");
    assert_non_null(v);
    for (size_t i = 0; i < n; i++)
        v[i] = make(&plain, addresses[i], labels, i == 0 ? n_labels : 0);
    assert_int_equal(scrape_table_set(table, v, n, &lock, &events, &err), OK);
    assert_string_equal(h.b.p, expected);
    buf_done(&h.b);
}

static void a_new_list_keeps_what_is_the_same(void **state)
{
    (void)state;
    static const char *const first[] = {"b:1", "a:1", "c:1", "a:1"}, *const second[] = {
                                                                         "c:1", "d:1", "a:1"};
    static char rack[] = "rack", three[] = "3", instance[] = "instance", b1[] = "b:1";
    static const struct label_text label = {rack, three}, twice = {instance, b1};
    struct scrape_table t = {0};

    set(&t, first, 4, NULL, 0, "come a:1;come b:1;come c:1;");
    struct scrape_target *kept = t.v[0];
    set(&t, second, 3, NULL, 0, "come d:1;gone b:1;");
    assert_ptr_equal(t.v[0], kept);
    set(&t, second, 3, &label, 1, "come c:1;gone c:1 replaced;");
    static const char *const both[] = {"x:1", "b:1"};
    set(&t, both, 2, &twice, 1, "twice b:1;come b:1;gone a:1;gone c:1;gone d:1;");
    assert_string_equal(t.v[0]->url, "http://x:1/metrics");
    set(&t, NULL, 0, NULL, 0, "gone b:1;");
    scrape_table_done(&t);
}

static void the_heap_gives_targets_by_time(void **state)
{
    (void)state;
    enum { N = 300 };
    static char names[N][16];
    const char *addresses[N];
    struct scrape_table t = {0};
    struct scrape_target *v_only = NULL;

    for (int i = 0; i < N; i++) {
        (void)snprintf(names[i], sizeof names[i], "h%d:1", i);
        addresses[i] = names[i];
    }
    struct scrape_target **v = mem_array(N, sizeof(void *));
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct heard h;
    const struct scrape_table_events events = {&h, on_twice, on_come, on_gone};
    struct err err;
    buf_init(&h.b, 1 << 20);
    for (int i = 0; i < N; i++)
        v[i] = make(&plain, addresses[i], NULL, 0);
    assert_int_equal(scrape_table_set(&t, v, N, &lock, &events, &err), OK);
    int64_t last = INT64_MIN;
    for (int i = 0; i < 5 * N; i++) {
        v_only = t.heap[0];
        assert_true(v_only->due_mono_ms >= last);
        last = v_only->due_mono_ms;
        v_only->due_mono_ms += 1000;
        scrape_table_sift(&t);
    }
    buf_done(&h.b);
    scrape_table_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_becomes_a_url_and_labels),
        cmocka_unit_test(labels_of_a_group_are_settings_and_labels),
        cmocka_unit_test(what_cannot_be_a_target_is_refused),
        cmocka_unit_test(phases_are_spread_and_stay),
        cmocka_unit_test(a_new_list_keeps_what_is_the_same),
        cmocka_unit_test(the_heap_gives_targets_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
