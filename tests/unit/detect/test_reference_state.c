/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../test.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "detect/hours.h"
#include "detect/reference.h"
#include "fake_days.h"

#define DAY_MS (INT64_C(86400) * 1000)
#define START (20000 * DAY_MS)

enum { N = FAKE_KINDS, STEP_MS = 300 * 1000 };

struct world {
    struct fake_days days;
    struct schema *schema;
    struct reference *r;
    struct buf bytes;
};

/* A reference with an open incident, and its bytes. */
static void world_init(struct world *w)
{
    struct slow_change change;
    struct err err;
    float x[N];
    unsigned opened = 0;

    fake_days_init(&w->days, N, STEP_MS, 1);
    w->schema = fake_days_schema(&w->days);
    assert_int_equal(reference_new(w->schema, &w->r, &err), OK);
    for (int64_t t = START; t < START + 20 * DAY_MS; t += STEP_MS) {
        fake_days_frame(&w->days, t, x);
        if (t >= START + 16 * DAY_MS)
            x[FAKE_MEMORY] += 0.2f;
        opened += reference_push(w->r, t, x, true, &change) == WATCH_OPENED;
    }
    assert_int_equal(opened, 1);
    buf_init(&w->bytes, 1 << 20);
    reference_encode(w->r, &w->bytes);
    assert_false(w->bytes.failed);
}

static void world_done(struct world *w)
{
    buf_done(&w->bytes);
    reference_free(w->r);
    schema_free(w->schema);
}

static void feed(struct world *w, struct reference *r, int64_t t, enum watch_event *ret)
{
    struct slow_change change;
    float x[N];

    /* of its time alone, so that the same frame can come again */
    rng_init(&w->days.rng, (uint64_t)t);
    fake_days_frame(&w->days, t, x);
    x[FAKE_MEMORY] += t < START + 25 * DAY_MS ? 0.5f : 0;
    *ret = reference_push(r, t, x, t % 7 != 0, &change);
}

/* Property: what was read back, once it has seen the running hour again, is what lived on: byte by
 * byte, wherever it was cut. */
static void read_back_it_goes_on_as_if_nothing_was(void **state)
{
    (void)state;
    CLEANUP(world_done) struct world w;
    enum watch_event one = WATCH_QUIET, two = WATCH_QUIET;
    struct reference *again;
    struct buf a, b;
    struct err err;

    world_init(&w);
    buf_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    w.days.memory_h = 1e-6; /* so that frames hang on no frame before */
    int64_t t = START + 20 * DAY_MS;
    for (int cut = 0; cut < 8; cut++) {
        for (int64_t end = t + (20 + 7 * cut) * HOURS_MS / 4; t < end; t += STEP_MS)
            feed(&w, w.r, t, &one);
        buf_clear(&w.bytes);
        reference_encode(w.r, &w.bytes);
        assert_int_equal(reference_decode(w.bytes.p, w.bytes.n, w.schema, &again, &err), OK);
        const int64_t from = reference_resume_ms(again);
        assert_in_range(t - from, STEP_MS, HOURS_MS);
        for (int64_t u = from; u < t; u += STEP_MS)
            feed(&w, again, u, &two);
        for (int64_t end = t + DAY_MS; t < end; t += STEP_MS) {
            feed(&w, again, t, &two);
            feed(&w, w.r, t, &one);
            assert_int_equal(one, two);
        }
        buf_clear(&a);
        buf_clear(&b);
        reference_encode(w.r, &a);
        reference_encode(again, &b);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.p, b.p, a.n);
        reference_free(again);
    }
    buf_done(&a);
    buf_done(&b);
}

static void bytes_come_back_as_they_were(void **state)
{
    (void)state;
    CLEANUP(world_done) struct world w;
    struct reference *again;
    struct buf second;
    struct err err;

    world_init(&w);
    assert_int_equal(reference_decode(w.bytes.p, w.bytes.n, w.schema, &again, &err), OK);
    buf_init(&second, 1 << 20);
    reference_encode(again, &second);
    assert_int_equal(second.n, w.bytes.n);
    assert_memory_equal(second.p, w.bytes.p, second.n);
    buf_done(&second);
    reference_free(again);
}

static void a_flipped_bit_or_a_cut_is_refused(void **state)
{
    (void)state;
    CLEANUP(world_done) struct world w;
    struct reference *again = NULL;
    struct err err;

    world_init(&w);
    for (size_t k = 0; k < w.bytes.n; k += 7) {
        w.bytes.p[k] = (char)(w.bytes.p[k] ^ 4);
        assert_int_not_equal(reference_decode(w.bytes.p, w.bytes.n, w.schema, &again, &err), OK);
        w.bytes.p[k] = (char)(w.bytes.p[k] ^ 4);
        assert_int_not_equal(reference_decode(w.bytes.p, k, w.schema, &again, &err), OK);
    }
    assert_null(again);
}

static void another_schema_and_a_newer_version_are_told(void **state)
{
    (void)state;
    CLEANUP(world_done) struct world w;
    struct fake_days other;
    struct reference *again = NULL;
    struct err err;

    world_init(&w);
    fake_days_init(&other, N - 1, STEP_MS, 1);
    struct schema *schema = fake_days_schema(&other);
    assert_int_equal(reference_decode(w.bytes.p, w.bytes.n, schema, &again, &err), E_STATE);
    assert_non_null(strstr(err.msg, "another schema"));
    schema_free(schema);
    w.bytes.p[4] = 9;
    assert_int_equal(reference_decode(w.bytes.p, w.bytes.n, w.schema, &again, &err), E_STATE);
    assert_non_null(strstr(err.msg, "version 9"));
    w.bytes.p[0] = 'x';
    assert_int_equal(reference_decode(w.bytes.p, w.bytes.n, w.schema, &again, &err), E_PARSE);
    assert_null(again);
}

static void a_feature_that_is_none_is_refused_though_the_checksum_fits(void **state)
{
    (void)state;
    CLEANUP(world_done) struct world w;
    struct reference *again = NULL;
    struct err err;

    world_init(&w);
    /* head 24, hours 16, count 4, flags 2, then id, start, peak 24, score, threshold 8, count 1 */
    w.bytes.p[24 + 16 + 4 + 2 + 24 + 8 + 1] = (char)200;
    const uint64_t sum = hash_bytes(w.bytes.p, w.bytes.n - sizeof sum, 0);
    memcpy(w.bytes.p + w.bytes.n - sizeof sum, &sum, sizeof sum);
    assert_int_equal(reference_decode(w.bytes.p, w.bytes.n, w.schema, &again, &err), E_PARSE);
    assert_non_null(strstr(err.msg, "outside its range"));
    assert_null(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_back_it_goes_on_as_if_nothing_was),
        cmocka_unit_test(bytes_come_back_as_they_were),
        cmocka_unit_test(a_flipped_bit_or_a_cut_is_refused),
        cmocka_unit_test(another_schema_and_a_newer_version_are_told),
        cmocka_unit_test(a_feature_that_is_none_is_refused_though_the_checksum_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
