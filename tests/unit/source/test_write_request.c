/* SPDX-License-Identifier: Apache-2.0 */
#include "source/write_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "base/mem.h"
#include "base/rng.h"
#include "push_body.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct write_request *reader;

static int make_reader(void **state)
{
    (void)state;
    struct err err;
    return write_request_new(&reader, &err) == OK ? 0 : -1;
}

static int drop_reader(void **state)
{
    (void)state;
    write_request_free(reader);
    return 0;
}

static void must(enum rc rc, const struct err *err)
{
    if (rc != OK)
        fail_msg("%s", err->msg);
}

/* The only series of a body. */
static struct write_series only(enum write_protocol protocol, const void *p, size_t n)
{
    struct write_series s = {0};
    bool more = false;
    struct err err;

    must(write_request_begin(reader, protocol, p, n, &err), &err);
    must(write_request_next(reader, &s, &more, &err), &err);
    assert_true(more);
    return s;
}

/* The sentence that a body is refused with; "" when it is taken. */
static const char *refusal(enum write_protocol protocol, const void *p, size_t n)
{
    static struct err err;
    struct write_series s;
    bool more = true;

    err = (struct err){0};
    if (write_request_begin(reader, protocol, p, n, &err) != OK)
        return err.msg;
    while (more)
        if (write_request_next(reader, &s, &more, &err) != OK)
            return err.msg;
    return "";
}

/* {__name__="up", instance="a"} 1 @1000, as the specification's messages say, byte for byte. */
static const uint8_t one_1[] = {
    0x0a, 0x2d,                                                            /* timeseries */
    0x0a, 0x0e, 0x0a, 0x08, '_',  '_',  'n',  'a',  'm',  'e',  '_',  '_', /* label */
    0x12, 0x02, 'u',  'p',                                                 /**/
    0x0a, 0x0d, 0x0a, 0x08, 'i',  'n',  's',  't',  'a',  'n',  'c',  'e', /* label */
    0x12, 0x01, 'a',                                                       /**/
    0x12, 0x0c, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf0, 0x3f, 0x10, 0xe8, 0x07,
};
static const uint8_t one_2[] = {
    0x22, 0x00,                                                /* symbols: "" */
    0x22, 0x08, '_',  '_',  'n',  'a',  'm',  'e',  '_',  '_', /**/
    0x22, 0x02, 'u',  'p',                                     /**/
    0x22, 0x08, 'i',  'n',  's',  't',  'a',  'n',  'c',  'e', /**/
    0x22, 0x01, 'a',                                           /**/
    0x2a, 0x1a,                                                /* timeseries */
    0x0a, 0x04, 0x01, 0x02, 0x03, 0x04,                        /* labels_refs */
    0x12, 0x0c, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf0,
    0x3f, 0x10, 0xe8, 0x07, 0x2a, 0x02, 0x08, 0x01, /* metadata: a counter */
    0x30, 0x64,                                     /* created_timestamp */
    0x00,                                           /* cut off below */
};

static void both_protocols_give_the_same_series(void **state)
{
    (void)state;
    const struct {
        enum write_protocol protocol;
        const uint8_t *p;
        size_t n;
        enum metric_type type;
    } cases[] = {{WRITE_1, one_1, sizeof one_1, METRIC_UNTYPED},
                 {WRITE_2, one_2, sizeof one_2 - 1, METRIC_COUNTER}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct label labels[SERIES_LABELS_MAX];
        struct str name;
        size_t n;
        struct err err;
        const struct write_series s = only(cases[i].protocol, cases[i].p, cases[i].n);
        assert_int_equal(s.n_samples, 1);
        assert_true(s.samples[0].value == 1 && s.samples[0].ts_ms == 1000);
        assert_int_equal(s.type, cases[i].type);
        assert_int_equal(s.labels.n, 31);
        assert_memory_equal(s.labels.p, one_1 + 2, 31);
        must(write_labels_parse(s.labels, &name, labels, &n, &err), &err);
        assert_true(str_eq(name, STR("up")) && n == 1);
        assert_true(str_eq(labels[0].name, STR("instance")) && str_eq(labels[0].value, STR("a")));
    }
}

static void a_body_without_series_is_taken(void **state)
{
    (void)state;
    struct buf metadata;

    assert_string_equal(refusal(WRITE_1, "", 0), "");
    assert_string_equal(refusal(WRITE_2, "", 0), "");
    buf_init(&metadata, 1000); /* as Prometheus sends it each minute: field 3 of 1.0 */
    push_bytes(&metadata, 3, "\x08\x01\x12\x02up", 6);
    assert_string_equal(refusal(WRITE_1, metadata.p, metadata.n), "");
    buf_done(&metadata);
}

static void the_other_protocol_s_message_has_no_series(void **state)
{
    (void)state;
    struct write_series s;
    bool more;
    struct err err;

    must(write_request_begin(reader, WRITE_1, one_2, sizeof one_2 - 1, &err), &err);
    must(write_request_next(reader, &s, &more, &err), &err);
    assert_false(more);
    must(write_request_begin(reader, WRITE_2, one_1, sizeof one_1, &err), &err);
    must(write_request_next(reader, &s, &more, &err), &err);
    assert_false(more);
}

/* Every byte of these belongs to a field that is then incomplete. */
static void a_body_that_is_cut_off_is_refused_wherever(void **state)
{
    (void)state;
    for (size_t n = 1; n < sizeof one_1; n++)
        assert_non_null(strstr(refusal(WRITE_1, one_1, n), "byte 0: "));
    for (size_t n = 30; n < sizeof one_2 - 1; n++)
        assert_string_not_equal(refusal(WRITE_2, one_2, n), "");
}

static void malformed_messages_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        enum write_protocol protocol;
        uint8_t bytes[24];
        size_t n;
        const char *sentence;
    } cases[] = {
        {WRITE_1, {0x13}, 1, "byte 0: a field is cut off or no protobuf"}, /* a group */
        {WRITE_1, {0x00}, 1, "byte 0: no protobuf field"},
        {WRITE_1, {0x08, 0x01}, 2, "byte 0: what should be a time series"},
        {WRITE_1, {0x0a, 0x02, 0x12, 0x7f}, 4, "byte 0: what should be a time series"},
        {WRITE_1, {0x1a, 0x00, 0x0a, 0x02, 0x10, 0x01}, 6, "byte 2: what should be a time series"},
        {WRITE_1, {0x0a, 0x04, 0x12, 0x02, 0x09, 0x00}, 6, "byte 0: what should be a time series"},
        {WRITE_1,
         {0x0a, 0x0e, 0x12, 0x0c, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
          0x01},
         16,
         "byte 0: what should be a time series"},
        {WRITE_2, {0x20, 0x01}, 2, "byte 0: a symbol is cut off or no text"},
        {WRITE_2, {0x22, 0x01, 'a'}, 3, "the first symbol is not the empty one"},
        {WRITE_2, {0x22, 0x00, 0x2a, 0x03, 0x0a, 0x01, 0x01}, 7, "byte 2: a label refers to no"},
        {WRITE_2, {0x22, 0x00, 0x2a, 0x03, 0x0a, 0x01, 0x00}, 7, "byte 2: a time series refers to"},
        {WRITE_2, {0x22, 0x00, 0x2a, 0x02, 0x08, 0x09}, 6, "byte 2: a label refers to no symbol"},
        {WRITE_2, {0x22, 0x00, 0x2a, 0x03, 0x2a, 0x01, 0x08}, 7, "byte 2: what should be a time"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *found = refusal(cases[i].protocol, cases[i].bytes, cases[i].n);
        if (!strstr(found, cases[i].sentence))
            fail_msg("case %zu: found '%s', expected '%s'", i, found, cases[i].sentence);
    }
}

static void fields_may_come_in_any_order(void **state)
{
    (void)state;
    struct buf series, body;

    /* sample, label, unknown field, label */
    buf_init(&series, 1000);
    buf_init(&body, 1000);
    push_bytes(&series, 2, "\x10\x05", 2);
    buf_add(&series, one_1 + 2, 16);
    push_varint(&series, 9, 7);
    buf_add(&series, one_1 + 18, 15);
    push_bytes(&body, 1, series.p, series.n);
    const struct write_series s = only(WRITE_1, body.p, body.n);
    assert_int_equal(s.labels.n, 31);
    assert_memory_equal(s.labels.p, one_1 + 2, 31);
    assert_true(s.n_samples == 1 && s.samples[0].ts_ms == 5 && s.samples[0].value == 0);
    buf_done(&series);
    buf_done(&body);

    /* symbols behind the series that refer to them, references not packed */
    static const uint8_t late[] = {0x2a, 0x04, 0x08, 0x01, 0x08, 0x02, 0x22,
                                   0x00, 0x22, 0x01, 'a',  0x22, 0x01, 'b'};
    const struct write_series t = only(WRITE_2, late, sizeof late);
    assert_int_equal(t.labels.n, 8);
    assert_memory_equal(t.labels.p,
                        "\x0a\x06\x0a\x01"
                        "a\x12\x01"
                        "b",
                        8);
}

static void histograms_and_exemplars_are_counted(void **state)
{
    (void)state;
    static const uint8_t v1[] = {0x0a, 0x06, 0x1a, 0x00, 0x22, 0x00, 0x22, 0x00};
    static const uint8_t v2[] = {0x2a, 0x06, 0x1a, 0x00, 0x22, 0x00, 0x1a, 0x00};
    const struct write_series a = only(WRITE_1, v1, sizeof v1);
    const struct write_series b = only(WRITE_2, v2, sizeof v2);

    assert_true(a.n_exemplars == 1 && a.n_histograms == 2);
    assert_true(b.n_exemplars == 1 && b.n_histograms == 2);
}

static void more_samples_than_the_limit_are_refused_before_they_are_kept(void **state)
{
    (void)state;
    struct buf series, body;
    struct err err;
    struct write_series s;
    bool more;

    buf_init(&series, 8 << 20);
    buf_init(&body, 8 << 20);
    for (size_t i = 0; i < WRITE_SAMPLES_MAX; i++)
        buf_add(&series, "\x12\x00", 2);
    push_bytes(&body, 1, series.p, series.n);
    assert_string_equal(refusal(WRITE_1, body.p, body.n), "");
    push_bytes(&body, 1, "\x12\x00", 2);
    must(write_request_begin(reader, WRITE_1, body.p, body.n, &err), &err);
    must(write_request_next(reader, &s, &more, &err), &err);
    assert_int_equal(write_request_next(reader, &s, &more, &err), E_LIMIT);
    assert_non_null(strstr(err.msg, "too many samples"));
    buf_done(&series);
    buf_done(&body);
}

/* Each costs a look-up and a sentence, and Snappy makes two MiB of a million of them. */
static void more_series_than_the_limit_are_refused(void **state)
{
    (void)state;
    struct buf body;
    struct err err;
    struct write_series s;
    bool more = true;

    buf_init(&body, 8 << 20);
    for (size_t i = 0; i < WRITE_SERIES_MAX + 1; i++)
        buf_add(&body, "\x0a\x00", 2);
    must(write_request_begin(reader, WRITE_1, body.p, body.n, &err), &err);
    for (size_t i = 0; i < WRITE_SERIES_MAX; i++)
        must(write_request_next(reader, &s, &more, &err), &err);
    assert_int_equal(write_request_next(reader, &s, &more, &err), E_LIMIT);
    assert_non_null(strstr(err.msg, "too many series"));
    buf_done(&body);
}

/* One long symbol, referred to often: a small body that would be much text. */
static void labels_that_grow_by_references_are_refused(void **state)
{
    (void)state;
    struct buf series, body;
    char *text = calloc(8000, 1);

    assert_non_null(text);
    memset(text, 'x', 8000);
    buf_init(&series, 100000);
    buf_init(&body, 100000);
    push_bytes(&body, 4, "", 0);
    push_bytes(&body, 4, text, 8000);
    for (int i = 0; i < 1000; i++)
        push_varint(&series, 1, 1);
    push_bytes(&body, 5, series.p, series.n);
    assert_non_null(strstr(refusal(WRITE_2, body.p, body.n), "too long"));
    free(text);
    buf_done(&series);
    buf_done(&body);
}

static const char *label_refusal(const struct push_label *labels, size_t n)
{
    static struct err err;
    struct label parsed[SERIES_LABELS_MAX];
    struct buf body;
    struct str name;
    size_t n_parsed;

    buf_init(&body, 1 << 20);
    push_series_1(&body, labels, n, NULL, 0);
    const struct write_series s = only(WRITE_1, body.p, body.n);
    err = (struct err){0};
    const enum rc rc = write_labels_parse(s.labels, &name, parsed, &n_parsed, &err);
    buf_done(&body);
    return rc == OK ? "" : err.msg;
}

static void labels_are_held_to_the_specification(void **state)
{
    (void)state;
    const struct push_label unsorted[] = {{"z", "1"}, {"__name__", "up"}, {"a", "2"}};
    const struct push_label empty_value[] = {{"__name__", "up"}, {"a", ""}};
    const struct push_label nameless[] = {{"instance", "a"}};
    const struct push_label twice[] = {{"__name__", "up"}, {"a", "1"}, {"b", "2"}, {"a", "1"}};
    const struct push_label no_name[] = {{"__name__", "up"}, {"", "1"}};
    const struct push_label latin1[] = {{"__name__", "up"}, {"a", "\xe9t\xe9"}};

    assert_string_equal(label_refusal(unsorted, 3), "");
    assert_string_equal(label_refusal(empty_value, 2), "");
    assert_string_equal(label_refusal(nameless, 1), "");
    assert_string_equal(label_refusal(twice, 4), "label 'a' comes twice in one series");
    assert_string_equal(label_refusal(no_name, 2), "a label without a name (value '1')");
    assert_string_equal(label_refusal(latin1, 2), "label 'a' is not UTF-8, or holds a NUL");
    assert_string_equal(label_refusal(NULL, 0), "a series without labels");
}

static void labels_have_limits(void **state)
{
    (void)state;
    static char names[SERIES_LABELS_MAX + 2][8];
    struct push_label labels[SERIES_LABELS_MAX + 2];
    char *text = calloc(WRITE_LABELS_BYTES_MAX + 1, 1);

    assert_non_null(text);
    labels[0] = (struct push_label){"__name__", "up"};
    for (int i = 1; i < SERIES_LABELS_MAX + 2; i++) {
        (void)snprintf(names[i], sizeof names[i], "l%d", i);
        labels[i] = (struct push_label){names[i], "v"};
    }
    assert_string_equal(label_refusal(labels, SERIES_LABELS_MAX + 1), "");
    assert_non_null(strstr(label_refusal(labels, SERIES_LABELS_MAX + 2), "more than 64 labels"));
    memset(text, 'x', WRITE_LABELS_BYTES_MAX);
    labels[1].value = text;
    assert_non_null(strstr(label_refusal(labels, 2), "bytes, where at most"));
    free(text);
}

struct made { /* a random series */
    struct push_label labels[6];
    char text[6][2][12];
    size_t n_labels, n_samples;
    struct push_sample samples[4];
};

static void make_random(struct rng *rng, struct made *m)
{
    static const uint64_t bits[] = {0, 0x7ff0000000000002u, 0x7ff8000000000001u,
                                    0x7ff0000000000000u, 0x8000000000000000u};
    m->n_labels = 1 + rng_below(rng, 5);
    m->n_samples = rng_below(rng, 4);
    for (size_t i = 0; i < m->n_labels; i++) {
        (void)snprintf(m->text[i][0], sizeof m->text[i][0], "%c%u", (char)('a' + (int)i),
                       rng_below(rng, 1000));
        (void)snprintf(m->text[i][1], sizeof m->text[i][1], "v%u", rng_below(rng, 20));
        m->labels[i] = (struct push_label){m->text[i][0], m->text[i][1]};
    }
    for (size_t i = 0; i < m->n_samples; i++) {
        const uint64_t any = rng_u64(rng);
        const uint64_t v = rng_below(rng, 2) ? any : bits[rng_below(rng, COUNT(bits))];
        memcpy(&m->samples[i].value, &v, sizeof v);
        m->samples[i].ts_ms = (int64_t)rng_u64(rng) >> rng_below(rng, 64);
    }
}

static void check_series(const struct made *m, const struct write_series *s)
{
    struct label labels[SERIES_LABELS_MAX];
    struct str name;
    size_t n;
    struct err err;

    must(write_labels_parse(s->labels, &name, labels, &n, &err), &err);
    assert_int_equal(n, m->n_labels);
    assert_int_equal(name.n, 0);
    for (size_t i = 0; i < n; i++) {
        assert_true(str_eq(labels[i].name, str_of(m->labels[i].name)));
        assert_true(str_eq(labels[i].value, str_of(m->labels[i].value)));
    }
    assert_int_equal(s->n_samples, m->n_samples);
    for (size_t i = 0; i < m->n_samples; i++) {
        assert_memory_equal(&s->samples[i].value, &m->samples[i].value, sizeof(double));
        assert_true(s->samples[i].ts_ms == m->samples[i].ts_ms);
    }
}

/* Property: what an encoder writes that shares no code with the reader is read to the same bits. */
static void random_series_are_read_as_they_were_written(void **state)
{
    (void)state;
    struct rng rng;

    rng_init(&rng, 1);
    for (int round = 0; round < 300; round++) {
        struct made made[8];
        struct buf v1, v2;
        struct push_2 request;
        buf_init(&v1, 1 << 20);
        buf_init(&v2, 1 << 20);
        push_2_init(&request);
        for (size_t i = 0; i < COUNT(made); i++) {
            make_random(&rng, &made[i]);
            push_series_1(&v1, made[i].labels, made[i].n_labels, made[i].samples,
                          made[i].n_samples);
            push_2_series(&request, made[i].labels, made[i].n_labels, made[i].samples,
                          made[i].n_samples, rng_below(&rng, 4));
        }
        push_2_format(&request, &v2);
        for (int protocol = WRITE_1; protocol <= WRITE_2; protocol++) {
            const struct buf *body = protocol == WRITE_1 ? &v1 : &v2;
            struct write_series s;
            bool more = true;
            struct err err;
            must(write_request_begin(reader, (enum write_protocol)protocol, body->p, body->n, &err),
                 &err);
            for (size_t i = 0; i < COUNT(made); i++) {
                must(write_request_next(reader, &s, &more, &err), &err);
                assert_true(more);
                check_series(&made[i], &s);
            }
            must(write_request_next(reader, &s, &more, &err), &err);
            assert_false(more);
        }
        push_2_done(&request);
        buf_done(&v1);
        buf_done(&v2);
    }
}

static void no_memory_is_an_answer(void **state)
{
    (void)state;
    struct write_request *fresh = NULL;
    struct write_series s;
    bool more;
    struct err err;

    mem_fail_at(1);
    assert_int_equal(write_request_new(&fresh, &err), E_NOMEM);
    assert_null(fresh);
    must(write_request_new(&fresh, &err), &err);
    must(write_request_begin(fresh, WRITE_1, one_1, sizeof one_1, &err), &err);
    mem_fail_at(1);
    assert_int_equal(write_request_next(fresh, &s, &more, &err), E_NOMEM);
    mem_fail_at(1);
    assert_int_equal(write_request_begin(fresh, WRITE_2, one_2, sizeof one_2 - 1, &err), E_NOMEM);
    mem_fail_at(0);
    write_request_free(fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_protocols_give_the_same_series),
        cmocka_unit_test(a_body_without_series_is_taken),
        cmocka_unit_test(the_other_protocol_s_message_has_no_series),
        cmocka_unit_test(a_body_that_is_cut_off_is_refused_wherever),
        cmocka_unit_test(malformed_messages_are_refused_with_their_place),
        cmocka_unit_test(fields_may_come_in_any_order),
        cmocka_unit_test(histograms_and_exemplars_are_counted),
        cmocka_unit_test(more_samples_than_the_limit_are_refused_before_they_are_kept),
        cmocka_unit_test(more_series_than_the_limit_are_refused),
        cmocka_unit_test(labels_that_grow_by_references_are_refused),
        cmocka_unit_test(labels_are_held_to_the_specification),
        cmocka_unit_test(labels_have_limits),
        cmocka_unit_test(random_series_are_read_as_they_were_written),
        cmocka_unit_test(no_memory_is_an_answer),
    };
    return cmocka_run_group_tests(tests, make_reader, drop_reader);
}
