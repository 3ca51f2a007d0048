/* SPDX-License-Identifier: Apache-2.0 */
#include "writeback/write_encoder.h"

#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"
#include "base/mem.h"
#include "source/write_request.h"

static const int64_t T0 = INT64_C(1740088500250);

static struct label_text make_label(const char *name, const char *value)
{
    return (struct label_text){strdup(name), strdup(value)};
}

static void free_labels(struct label_text *labels, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(labels[i].name);
        free(labels[i].value);
    }
}

/* The text of all series, a line each: NAME{labels} value @ms */
static void read_back(const struct buf *body, struct buf *out)
{
    static char plain[1 << 20];
    struct label labels[SERIES_LABELS_MAX];
    struct write_request *r = NULL;
    struct write_series s;
    size_t n = sizeof plain, n_labels;
    struct str name;
    bool more = true;
    struct err err;

    assert_int_equal(snappy_uncompress(body->p, body->n, plain, &n), SNAPPY_OK);
    assert_int_equal(write_request_new(&r, &err), OK);
    assert_int_equal(write_request_begin(r, WRITE_1, plain, n, &err), OK);
    for (;;) {
        assert_int_equal(write_request_next(r, &s, &more, &err), OK);
        if (!more)
            break;
        assert_int_equal(write_labels_parse(s.labels, &name, labels, &n_labels, &err), OK);
        assert_int_equal(s.n_samples, 1);
        buf_str(out, name);
        for (size_t i = 0; i < n_labels; i++)
            buf_printf(out, " %.*s=%.*s", (int)labels[i].name.n, labels[i].name.p,
                       (int)labels[i].value.n, labels[i].value.p);
        buf_puts(out, " ");
        if (series_is_stale(s.samples[0].value))
            buf_puts(out, "stale");
        else
            buf_double(out, s.samples[0].value);
        buf_printf(out, " @%lld\n", (long long)s.samples[0].ts_ms);
    }
    write_request_free(r);
}

static void scores_become_three_series_with_sorted_labels(void **state)
{
    (void)state;
    struct label_text labels[] = {make_label("job", "tocsin"), make_label("Zone", "b")};
    const struct write_spec spec = {.labels = labels, .n_labels = 2};
    const struct written_score v[] = {{"db1:9100", T0, 0.125, 0.5, false, false},
                                      {"db2:9100", T0 + 1, 2, 0.5, true, false}};
    struct write_encoder *e = NULL;
    struct buf body, text;
    struct err err;

    buf_init(&body, 1 << 20);
    buf_init(&text, 1 << 20);
    assert_int_equal(write_encoder_new(&spec, &e, &err), OK);
    for (int i = 0; i < 2; i++) { /* the second time in the same buffers */
        assert_int_equal(write_encoder_format(e, v, 2, &body, &err), OK);
        buf_clear(&text);
        read_back(&body, &text);
        assert_string_equal(
            text.p, "anomaly_score Zone=b instance=db1:9100 job=tocsin 0.125 @1740088500250\n"
                    "anomaly_threshold Zone=b instance=db1:9100 job=tocsin 0.5 "
                    "@1740088500250\n"
                    "anomaly_detected Zone=b instance=db1:9100 job=tocsin 0 "
                    "@1740088500250\n"
                    "anomaly_score Zone=b instance=db2:9100 job=tocsin 2 @1740088500251\n"
                    "anomaly_threshold Zone=b instance=db2:9100 job=tocsin 0.5 "
                    "@1740088500251\n"
                    "anomaly_detected Zone=b instance=db2:9100 job=tocsin 1 "
                    "@1740088500251\n");
    }
    write_encoder_free(e);
    buf_done(&body);
    buf_done(&text);
    free_labels(labels, 2);
}

static void an_end_is_marked_stale_and_nan_is_not(void **state)
{
    (void)state;
    const struct write_spec spec = {0};
    const struct written_score v[] = {{"h", T0, series_stale(), 0.5, false, false},
                                      {"h", T0 + 1, 1, 0.5, false, true}};
    struct write_encoder *e = NULL;
    struct buf body, text;
    struct err err;

    buf_init(&body, 1 << 20);
    buf_init(&text, 1 << 20);
    assert_int_equal(write_encoder_new(&spec, &e, &err), OK);
    assert_int_equal(write_encoder_format(e, v, 2, &body, &err), OK);
    read_back(&body, &text);
    assert_non_null(strstr(text.p, "anomaly_score instance=h NaN @1740088500250\n"));
    assert_non_null(strstr(text.p, "anomaly_score instance=h stale @1740088500251\n"));
    assert_non_null(strstr(text.p, "anomaly_detected instance=h stale @1740088500251\n"));
    write_encoder_free(e);
    buf_done(&body);
    buf_done(&text);
}

static void labels_that_cannot_be_sent_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *sentence;
    } cases[] = {
        {"instance", "x", "write: label 'instance' is set already"},
        {"__name__", "x", "write: label '__name__' is set already"},
        {"", "x", "write: a label has no name or no value"},
        {"a", "", "write: a label has no name or no value"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct label_text label = make_label(cases[i].name, cases[i].value);
        const struct write_spec spec = {.labels = &label, .n_labels = 1};
        struct write_encoder *e = NULL;
        struct err err;
        assert_int_equal(write_encoder_new(&spec, &e, &err), E_CONFIG);
        assert_string_equal(err.msg, cases[i].sentence);
        assert_null(e);
        free_labels(&label, 1);
    }
    struct label_text twice[] = {make_label("a", "1"), make_label("a", "2")};
    const struct write_spec spec = {.labels = twice, .n_labels = 2};
    struct write_encoder *e = NULL;
    struct err err;
    assert_int_equal(write_encoder_new(&spec, &e, &err), E_CONFIG);
    free_labels(twice, 2);
}

static void the_longest_labels_fit(void **state)
{
    (void)state;
    struct label_text labels[WRITE_LABELS_MAX];
    const struct write_spec spec = {.labels = labels, .n_labels = WRITE_LABELS_MAX};
    struct written_score v = {.ts_ms = INT64_MAX, .score = 1};
    struct write_encoder *e = NULL;
    struct buf body;
    struct err err;
    char name[16], value[251];

    memset(v.instance, 'i', sizeof v.instance - 1);
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0; i < WRITE_LABELS_MAX; i++) {
        (void)snprintf(name, sizeof name, "name%02d", i);
        labels[i] = make_label(name, value); /* 256 bytes each: 8192 in all */
    }
    buf_init(&body, 1 << 20);
    assert_int_equal(write_encoder_new(&spec, &e, &err), OK);
    assert_int_equal(write_encoder_format(e, &v, 1, &body, &err), OK);
    write_encoder_free(e);
    buf_done(&body);
    free_labels(labels, WRITE_LABELS_MAX);
}

static void no_memory_is_an_answer(void **state)
{
    (void)state;
    const struct write_spec spec = {0};
    const struct written_score v = {"h", T0, 1, 0.5, false, false};
    struct write_encoder *e = NULL;
    struct buf body;
    struct err err;

    buf_init(&body, 1 << 20);
    mem_fail_at(1);
    assert_int_equal(write_encoder_new(&spec, &e, &err), E_NOMEM);
    mem_fail_at(0);
    assert_int_equal(write_encoder_new(&spec, &e, &err), OK);
    for (uint64_t n = 1; n <= 3; n++) {
        mem_fail_at(n);
        const enum rc rc = write_encoder_format(e, &v, 1, &body, &err);
        mem_fail_at(0);
        assert_true(rc == E_NOMEM || n > 1);
    }
    assert_int_equal(write_encoder_format(e, &v, 1, &body, &err), OK);
    write_encoder_free(e);
    buf_done(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_become_three_series_with_sorted_labels),
        cmocka_unit_test(an_end_is_marked_stale_and_nan_is_not),
        cmocka_unit_test(labels_that_cannot_be_sent_are_refused),
        cmocka_unit_test(the_longest_labels_fit),
        cmocka_unit_test(no_memory_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
