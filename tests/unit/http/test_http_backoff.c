/* SPDX-License-Identifier: Apache-2.0 */
#include "../test.h"

#include "http/http_backoff.h"

static void waits_double_up_to_half_a_minute(void **state)
{
    struct http_backoff b;
    int64_t full = HTTP_BACKOFF_FIRST_MS;

    (void)state;
    http_backoff_init(&b, 1);
    for (int i = 0; i < 20; i++) {
        const int64_t wait = http_backoff_next_ms(&b, -1);
        assert_in_range(wait, full / 2, full);
        full = 2 * full < HTTP_BACKOFF_MOST_MS ? 2 * full : HTTP_BACKOFF_MOST_MS;
    }
    assert_true(b.tries == 20);
    http_backoff_clear(&b);
    assert_in_range(http_backoff_next_ms(&b, -1), HTTP_BACKOFF_FIRST_MS / 2, HTTP_BACKOFF_FIRST_MS);
}

static void waits_differ_by_seed(void **state)
{
    struct http_backoff a, b;
    int same = 0;

    (void)state;
    http_backoff_init(&a, 1);
    http_backoff_init(&b, 2);
    for (int i = 0; i < 10; i++)
        same += http_backoff_next_ms(&a, -1) == http_backoff_next_ms(&b, -1);
    assert_true(same < 3);
}

static void what_the_server_asks_for_is_kept_to_within_reason(void **state)
{
    struct http_backoff b;

    (void)state;
    http_backoff_init(&b, 1);
    assert_int_equal(http_backoff_next_ms(&b, 7000), 7000);
    assert_int_equal(http_backoff_next_ms(&b, INT64_MAX), HTTP_BACKOFF_ASKED_MOST_MS);
    assert_in_range(http_backoff_next_ms(&b, 0), 1000, 2000); /* the third of its own */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_up_to_half_a_minute),
        cmocka_unit_test(waits_differ_by_seed),
        cmocka_unit_test(what_the_server_asks_for_is_kept_to_within_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
