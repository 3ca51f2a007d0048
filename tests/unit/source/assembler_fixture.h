/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "source/assembler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/verdict.h"
#include "fake_intake.h"

/* assembler_fixture - an assembler with an intake of its own, and a clock that the test turns */

enum { INTERVAL = 15000, BATCH = 4096 };

static const int64_t T0 = INT64_C(1740088500000); /* of the first scrape */

static struct fake_intake fake;
static struct assembler *a;
static int64_t mono, wall; /* now */
static struct assembler_sample batch[BATCH];
static size_t n_batch;

static inline int begin(void **state)
{
    (void)state;
    const struct assembler_options o = {&fake.intake, INTERVAL, 64 << 20};
    struct err err;

    fake_intake_init(&fake);
    mono = 5000000;
    wall = T0 + 60 * 60 * 1000;
    n_batch = 0;
    return assembler_new(&o, &a, &err) == OK ? 0 : -1;
}

static inline int end(void **state)
{
    (void)state;
    assembler_free(a);
    fake_intake_clear(&fake);
    mem_fail_at(0);
    return 0;
}

/* Into the batch that the next `push` takes. */
static inline void add(const char *instance, const char *name, int64_t ts_ms, double value)
{
    struct assembler_sample *s = &batch[n_batch++];
    struct err err;

    *s = (struct assembler_sample){.ts_ms = ts_ms, .value = value};
    if (assembler_entity(a, str_of(instance), &s->entity, &err) != OK ||
        assembler_series(a, s->entity, str_of(name), NULL, 0, METRIC_UNTYPED, &s->series, &err) !=
            OK)
        fail_msg("%s", err.msg);
}

static inline struct assembler_result push(void)
{
    struct assembler_result r = {0};
    struct err err;

    if (assembler_take(a, batch, n_batch, wall, mono, &r, &err) != OK)
        fail_msg("%s", err.msg);
    n_batch = 0;
    return r;
}

static inline void pass(int64_t ms)
{
    mono += ms;
    wall += ms;
    while (assembler_poll(a, wall, mono))
        ;
}

/* The entity h with series x and y, watched for one tick. */
static inline void start_h(void)
{
    add("h", "x", T0, 1);
    add("h", "y", T0, 2);
    (void)push();
    pass(ASSEMBLER_SETTLE_MS);
    assert_int_equal(fake.n, 1);
}

static inline void check_tick(size_t i, int64_t ts_ms, double x, double y)
{
    assert_true(i < fake.n && fake.ticks[i].s);
    assert_string_equal(fake.ticks[i].instance, "h");
    assert_true(fake.ticks[i].ts_ms == ts_ms);
    const double found_x = fake_tick_value(&fake.ticks[i], "x");
    const double found_y = fake_tick_value(&fake.ticks[i], "y");
    if (memcmp(&found_x, &x, sizeof x) != 0 || memcmp(&found_y, &y, sizeof y) != 0)
        fail_msg("tick %zu: x %g, y %g", i, found_x, found_y);
}

#define TEST_A(f) cmocka_unit_test_setup_teardown(f, begin, end)
