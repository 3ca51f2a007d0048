/* SPDX-License-Identifier: Apache-2.0 */
#include "source/remote_write.h"

#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "base/mem.h"
#include "fake_intake.h"
#include "push_body.h"
#include "source/assembler.h"

enum { INTERVAL = 15000 };
#define V2 "application/x-protobuf;proto=io.prometheus.write.v2.Request"

static const int64_t T0 = INT64_C(1740088500000);

static struct fake_intake fake;
static struct telemetry telemetry;
static struct remote_write *rw;
static int64_t mono, wall;
static char instance_label[] = "instance";
static const struct remote_write_spec spec = {true, INTERVAL, instance_label, 1 << 20};
static int n_asked; /* calls of wants */

/* Features of this profile read names that begin with "w". */
static bool wants(void *arg, const struct series *s)
{
    (void)arg;
    n_asked++;
    return s->name.p[0] == 'w';
}

static int begin(void **state)
{
    (void)state;
    struct err err;
    const struct remote_write_options o = {&spec, &fake.intake, &telemetry, wants, NULL, NULL, 42};

    fake_intake_init(&fake);
    memset(&telemetry, 0, sizeof telemetry);
    mono = 5000000;
    wall = T0 + 60 * 60 * 1000;
    n_asked = 0;
    return remote_write_new(&o, &rw, &err) == OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    remote_write_free(rw);
    fake_intake_clear(&fake);
    mem_fail_at(0);
    return 0;
}

static struct push_reply send_as(const char *type, const char *encoding, const void *p, size_t n)
{
    const struct push push = {str_of(type), str_of(encoding), p, n, wall, mono};
    struct push_reply reply;

    memset(&reply, 0xff, sizeof reply);
    remote_write_take(rw, &push, &reply);
    assert_true(reply.status < 400 || reply.message[0]);
    return reply;
}

static struct push_reply send_plain(const char *type, const struct buf *plain)
{
    struct buf packed;

    buf_init(&packed, 64 << 20);
    push_pack(plain, &packed);
    const struct push_reply reply = send_as(type, "snappy", packed.p, packed.n);
    buf_done(&packed);
    return reply;
}

static void add(struct buf *body, const char *name, const char *instance, int64_t ts_ms, double v)
{
    const struct push_label labels[] = {{"__name__", name}, {"instance", instance}, {"job", "j"}};
    const struct push_sample sample = {v, ts_ms};

    push_series_1(body, labels, 3, &sample, 1);
}

static struct buf body_of(void)
{
    struct buf b;
    buf_init(&b, 64 << 20);
    return b;
}

static struct push_reply send_and_done(struct buf *body)
{
    const struct push_reply reply = send_plain("application/x-protobuf", body);
    buf_done(body);
    return reply;
}

static void settle(void)
{
    mono += ASSEMBLER_SETTLE_MS;
    wall += ASSEMBLER_SETTLE_MS;
    remote_write_poll(rw, wall, mono);
}

static uint64_t counted(enum telemetry_id id)
{
    return telemetry_get(&telemetry, id);
}

static void a_push_of_1_0_becomes_a_tick(void **state)
{
    (void)state;
    struct buf b = body_of();

    add(&b, "wx", "h", T0, 1.5);
    add(&b, "wy", "h", T0, -2);
    add(&b, "other", "h", T0, 3);
    const struct push_reply r = send_and_done(&b);
    assert_int_equal(r.status, 204);
    assert_true(r.counted && r.samples == 3 && r.histograms == 0 && r.exemplars == 0);
    settle();
    assert_int_equal(fake.n, 1);
    assert_string_equal(fake.ticks[0].instance, "h");
    assert_int_equal(fake.ticks[0].s->n, 2); /* what no feature asks for is not in it */
    assert_true(fake_tick_value(&fake.ticks[0], "wx") == 1.5);
    assert_true(fake_tick_value(&fake.ticks[0], "wy") == -2);
    const struct series *s = series_set_at(fake.ticks[0].s->set, 0);
    assert_true(str_eq(series_label(s, STR("job")), STR("j")));
    assert_int_equal(counted(TEL_PUSHES), 1);
    assert_int_equal(counted(TEL_PUSHED), 2);
    assert_int_equal(counted(TEL_PUSHED_UNWANTED), 1);
}

static void a_push_of_2_0_goes_into_the_same_series(void **state)
{
    (void)state;
    const struct push_label labels[] = {{"__name__", "wx"}, {"instance", "h"}, {"job", "j"}};
    const struct push_sample sample = {2, T0 + INTERVAL};
    struct push_2 request;
    struct buf b = body_of();

    add(&b, "wx", "h", T0, 1);
    (void)send_and_done(&b);
    settle();
    push_2_init(&request);
    push_2_series(&request, labels, 3, &sample, 1, 2);
    push_2_format(&request, &b);
    const struct push_reply r = send_plain(V2, &b);
    assert_int_equal(r.status, 204);
    assert_true(r.counted && r.samples == 1);
    assert_int_equal(fake.n, 2); /* at once: no series is new */
    assert_true(fake_tick_value(&fake.ticks[1], "wx") == 2);
    assert_int_equal(n_asked, 1);
    push_2_done(&request);
    buf_done(&b);
}

static void a_known_series_is_asked_about_once(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct buf b = body_of();
        add(&b, "wx", "h", T0 + i * INTERVAL, i);
        add(&b, "other", "h", T0 + i * INTERVAL, i);
        assert_int_equal(send_and_done(&b).status, 204);
        settle();
    }
    assert_int_equal(n_asked, 2);
    assert_int_equal(fake.n, 10);
}

/* In the steady state nothing at all is allocated for a push but the tick. */
static void a_steady_push_needs_no_memory_but_for_its_tick(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct buf b = body_of(), packed = body_of();
        add(&b, "wx", "h", T0 + i * INTERVAL, i);
        add(&b, "wy", "h", T0 + i * INTERVAL, i);
        push_pack(&b, &packed);
        /* cell, points; the tick is the third */
        if (i == 2)
            mem_fail_at(4);
        assert_int_equal(send_as("application/x-protobuf", "snappy", packed.p, packed.n).status,
                         204);
        if (i < 2)
            settle();
        buf_done(&packed);
        buf_done(&b);
    }
    mem_fail_at(0);
    assert_int_equal(fake.n, 3);
}

static void types_that_are_not_taken_are_415(void **state)
{
    (void)state;
    struct buf b = body_of();

    add(&b, "wx", "h", T0, 1);
    assert_int_equal(send_as("application/json", "snappy", b.p, b.n).status, 415);
    assert_int_equal(send_as("application/x-protobuf", "gzip", b.p, b.n).status, 415);
    assert_int_equal(send_as("application/x-protobuf;proto=x", "snappy", b.p, b.n).status, 415);
    assert_int_equal(counted(TEL_PUSHES_REFUSED), 3);
    buf_done(&b);
}

static void check_refused(struct push_reply r, const char *sentence)
{
    assert_int_equal(r.status, 400);
    assert_int_equal(r.retry_after_s, 0);
    assert_int_equal(r.samples, 0);
    if (!strstr(r.message, sentence))
        fail_msg("found '%s', expected '%s'", r.message, sentence);
}

static void malformed_bodies_are_400(void **state)
{
    (void)state;
    struct buf b = body_of(), packed = body_of(), plain = body_of();

    add(&b, "wx", "h", T0, 1);
    push_pack(&b, &packed);
    check_refused(send_as("", "", "", 0), "not Snappy's block format");
    check_refused(send_as("", "", packed.p, packed.n - 1), "cut off or not Snappy");
    check_refused(send_as("", "", b.p, b.n), "Snappy");
    /* Snappy's framed format, which must not be used, begins with this */
    check_refused(send_as("", "", "\xff\x06\x00\x00sNaPpY", 10), "cannot unpack to");
    buf_puts(&plain, "\x0a\x7f");
    check_refused(send_plain("", &plain), "byte 0: what should be a time series");
    buf_clear(&plain);
    add(&plain, "wx", "h", T0, 1); /* what is good before it does not count */
    buf_puts(&plain, "\x0a\x7f");
    check_refused(send_plain("", &plain), "what should be a time series");
    settle();
    assert_int_equal(fake.n, 0);
    buf_clear(&plain);
    add(&plain, "", "h", T0, 1); /* nothing is wrong with this one: it has no name */
    assert_int_equal(send_plain("", &plain).status, 204);
    assert_int_equal(fake.n, 0);
    buf_done(&b);
    buf_done(&packed);
    buf_done(&plain);
}

static void a_bad_series_costs_no_other_its_samples(void **state)
{
    (void)state;
    const struct push_label twice[] = {{"__name__", "wx"}, {"a", "1"}, {"a", "2"}};
    const struct push_sample samples[] = {{1, T0}, {2, T0 + 1}};
    struct buf b = body_of();

    add(&b, "wx", "h", T0, 1);
    push_series_1(&b, twice, 3, samples, 2);
    push_series_1(&b, twice, 3, NULL, 0);
    for (int i = 0; i < 2; i++) { /* it is not remembered as a good one either */
        const struct push_reply r = send_plain("", &b);
        assert_true(r.status == 400 && r.counted && r.samples == 1);
        assert_string_equal(r.message, "remote write: 1 samples were taken, and these not: 3 of "
                                       "invalid series: label 'a' comes twice in one series");
    }
    settle();
    assert_int_equal(fake.n, 1);
    assert_true(fake_tick_value(&fake.ticks[0], "wx") == 1);
    assert_int_equal(counted(TEL_PUSHED_INVALID), 6);
    buf_done(&b);
}

/* A few bytes that claim to unpack to much. */
static void a_length_is_not_believed(void **state)
{
    (void)state;
    check_refused(send_as("", "", "\xff\xff\xff\xff\x0f", 5), "where at most 1048576 are taken");
    check_refused(send_as("", "", "\x80\x80\x40\x00", 4), "cannot unpack to 1048576");
}

static void a_body_that_unpacks_to_more_than_the_limit_is_refused(void **state)
{
    (void)state;
    struct buf plain = body_of();
    char *zeros = calloc(1 << 20, 1);

    assert_non_null(zeros);
    push_bytes(&plain, 9, zeros, 1 << 20);
    check_refused(send_plain("", &plain), "unpacks to 1048580 bytes");
    free(zeros);
    buf_done(&plain);
}

static void what_is_not_taken_is_said_and_the_rest_is_taken(void **state)
{
    (void)state;
    const struct push_label labels[] = {{"__name__", "wx"}, {"instance", "h"}, {"job", "j"}};
    struct buf b = body_of(), histogram = body_of();

    add(&b, "wx", "h", T0, 1);
    (void)send_and_done(&b);
    settle();
    b = body_of();
    add(&b, "wx", "h", T0 - 1000, 5);
    add(&b, "wx", "h", T0 + INTERVAL, 2);
    add(&b, "wx", "h", T0 + INTERVAL, 3);
    add(&b, "wx", "h", wall + 3600 * 1000, 3);
    add(&b, "other", "h", T0, 3);
    struct push_reply r = send_and_done(&b);
    assert_int_equal(r.status, 400);
    assert_true(r.counted && r.samples == 2 && r.retry_after_s == 0);
    assert_string_equal(r.message,
                        "remote write: 2 samples were taken, and these not: 1 older than what was "
                        "handed on already, 1 of another value at a time that their series has "
                        "already, 1 more than 10m in the future");
    settle();
    assert_true(fake_tick_value(&fake.ticks[1], "wx") == 2);
    assert_true(counted(TEL_PUSHED_LATE) == 1 && counted(TEL_PUSHED_CONFLICTING) == 1 &&
                counted(TEL_PUSHED_FUTURE) == 1);
    assert_int_equal(counted(TEL_PUSHES_PARTLY), 1);

    /* a native histogram: TimeSeries.histograms */
    b = body_of();
    push_series_1(&b, labels, 3, NULL, 0);
    b.p[1] = (char)(b.p[1] + 2);
    push_bytes(&b, 4, "", 0);
    r = send_and_done(&b);
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(r.message, "1 native histograms"));
    assert_int_equal(counted(TEL_PUSHED_HISTOGRAMS), 1);
    buf_done(&histogram);
}

static void a_name_that_cannot_be_an_entity_s_is_said(void **state)
{
    (void)state;
    char name[200];
    struct buf b = body_of();

    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    add(&b, "wx", name, T0, 1);
    add(&b, "wx", "h", T0, 1);
    for (int i = 0; i < 2; i++) {
        const struct push_reply r = send_plain("", &b);
        assert_true(r.status == 400 && r.samples == 1);
        assert_non_null(strstr(r.message, "1 of entities or series that cannot be watched"));
    }
    assert_int_equal(counted(TEL_PUSHED_REFUSED), 2);
    buf_done(&b);
}

static void when_full_the_sender_is_to_come_again(void **state)
{
    (void)state;
    struct buf b = body_of();

    add(&b, "wx", "h", T0, 1);
    (void)send_and_done(&b);
    fake.full = true;
    settle();
    b = body_of();
    add(&b, "wx", "h", T0 + INTERVAL, 2);
    const struct push_reply r = send_plain("", &b);
    assert_true(r.status == 503 && r.retry_after_s == 1 && !r.counted);
    assert_int_equal(counted(TEL_PUSHES_FULL), 1);
    fake.full = false;
    assert_int_equal(send_plain("", &b).status, 204); /* the very same body */
    settle();
    assert_int_equal(fake.n, 2);
    assert_true(fake_tick_value(&fake.ticks[1], "wx") == 2);
    buf_done(&b);
}

static void without_memory_the_sender_is_to_come_again(void **state)
{
    (void)state;
    int n = 0;

    for (unsigned status = 503; status == 503; n++) {
        struct buf b = body_of(), packed = body_of();
        add(&b, "wx", "h", T0, 1);
        add(&b, "other", "h", T0, 1);
        push_pack(&b, &packed);
        mem_fail_at((uint64_t)n + 1);
        status = send_as("", "", packed.p, packed.n).status;
        mem_fail_at(0);
        assert_true(status == 503 || status == 204);
        buf_done(&packed);
        buf_done(&b);
    }
    assert_true(n > 5);
    settle();
    assert_int_equal(fake.n, 1);
    assert_true(fake_tick_value(&fake.ticks[0], "wx") == 1);
}

static void a_series_without_the_entity_s_label_is_nobody_s(void **state)
{
    (void)state;
    const struct push_label labels[] = {{"__name__", "wx"}};
    const struct push_sample sample = {1, T0};
    struct buf b = body_of();

    push_series_1(&b, labels, 1, &sample, 1);
    assert_int_equal(send_plain("", &b).status, 204);
    settle();
    assert_int_equal(fake.n, 0);
    assert_int_equal(counted(TEL_PUSHED_UNWANTED), 1);
    buf_done(&b);
}

static void an_entity_that_was_forgotten_is_met_anew(void **state)
{
    (void)state;
    struct buf b = body_of();

    add(&b, "wx", "h", T0, 1);
    (void)send_and_done(&b);
    settle();
    remote_write_poll(rw, wall, mono); /* the first step is counted from here */
    for (int i = 0; i < 8; i++) {
        mono += 10 * 60 * 1000;
        wall += 10 * 60 * 1000;
        remote_write_poll(rw, wall, mono);
    }
    const size_t before = fake.n;
    b = body_of();
    add(&b, "wx", "h", wall, 2);
    assert_int_equal(send_and_done(&b).status, 204);
    settle();
    assert_int_equal(fake.n, before + 1);
    assert_int_equal(n_asked, 2);
}

static void a_stop_hands_on_what_is_open_and_takes_no_more(void **state)
{
    (void)state;
    struct buf b = body_of();
    struct err err;

    assert_int_equal(remote_write_start(rw, &err), OK);
    add(&b, "wx", "h", T0, 1);
    assert_int_equal(send_plain("", &b).status, 204);
    remote_write_stop(rw);
    assert_int_equal(fake.n, 1);
    const struct push_reply r = send_plain("", &b);
    assert_true(r.status == 503 && r.retry_after_s == 1);
    buf_done(&b);
}

#define TEST_R(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_R(a_push_of_1_0_becomes_a_tick),
        TEST_R(a_push_of_2_0_goes_into_the_same_series),
        TEST_R(a_known_series_is_asked_about_once),
        TEST_R(a_steady_push_needs_no_memory_but_for_its_tick),
        TEST_R(types_that_are_not_taken_are_415),
        TEST_R(malformed_bodies_are_400),
        TEST_R(a_bad_series_costs_no_other_its_samples),
        TEST_R(a_length_is_not_believed),
        TEST_R(a_body_that_unpacks_to_more_than_the_limit_is_refused),
        TEST_R(what_is_not_taken_is_said_and_the_rest_is_taken),
        TEST_R(a_name_that_cannot_be_an_entity_s_is_said),
        TEST_R(when_full_the_sender_is_to_come_again),
        TEST_R(without_memory_the_sender_is_to_come_again),
        TEST_R(a_series_without_the_entity_s_label_is_nobody_s),
        TEST_R(an_entity_that_was_forgotten_is_met_anew),
        TEST_R(a_stop_hands_on_what_is_open_and_takes_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
