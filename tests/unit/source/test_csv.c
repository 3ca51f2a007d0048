/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "source/csv.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct table {
    struct schema *schema;
    struct dataset *d;
    enum csv_time form;
};

static struct table parse(const char *text)
{
    struct table t = {0};
    struct err err = {0};

    if (csv_parse(text, strlen(text), "F.csv", &t.schema, &t.d, &t.form, &err) != OK)
        fail_msg("%s", err.msg);
    return t;
}

static void done(struct table *t)
{
    schema_free(t->schema);
    dataset_free(t->d);
}

static void columns_become_features_and_lines_frames(void **state)
{
    (void)state;
    struct table t =
        parse("timestamp,cpu_usage,disk:read\n1740088500,0.5,-3\n1740088560,1e3,NaN\n");

    assert_int_equal(t.schema->n, 2);
    assert_string_equal(t.schema->f[1].name, "disk:read");
    assert_int_equal(t.d->rows, 2);
    assert_true(t.d->ts_ms[0] == 1740088500000 && t.d->ts_ms[1] == 1740088560000);
    assert_true(t.d->X[0] == 0.5f && t.d->X[1] == -3 && t.d->X[2] == 1000 && isnan(t.d->X[3]));
    assert_int_equal(t.form, CSV_TIME_UNIX);
    done(&t);
}

static void crlf_quotes_bom_and_loose_ends_are_fine(void **state)
{
    (void)state;
    const char *same[] = {
        "timestamp,a,b\n10,1,2\n",
        "timestamp,a,b\n10,1,2",
        "timestamp,a,b\r\n10,1,2\r\n",
        "timestamp,a,b\r\n10,1,2\r\n\r\n\n",
        "\xef\xbb\xbftimestamp,a,b\n10,1,2\n",
        "\"timestamp\",\"a\",b\n\"10\",1,\"2\"\n",
        "\xef\xbb\xbf\"timestamp\",a,\"b\"\r\n10.0,\"1.0\",2e0",
    };

    for (size_t i = 0; i < COUNT(same); i++) {
        struct table t = parse(same[i]);
        assert_int_equal(t.d->rows, 1);
        assert_true(t.d->ts_ms[0] == 10000 && t.d->X[0] == 1 && t.d->X[1] == 2);
        done(&t);
    }
}

static void an_empty_field_and_nan_are_missing(void **state)
{
    (void)state;
    struct table t = parse("timestamp,a,b,c\n1,,NaN,\n2,\"\",nan,NAN");

    for (size_t i = 0; i < 6; i++)
        assert_true(isnan(t.d->X[i]));
    done(&t);
}

static void time_is_unix_seconds_or_rfc3339(void **state)
{
    (void)state;
    struct table t = parse("timestamp,a\n-1.5,0\n0,0\n0.0005,0\n1.74e9,0\n1740088500.25,0\n");
    const int64_t expected[] = {-1500, 0, 1, 1740000000000, 1740088500250};

    for (size_t i = 0; i < COUNT(expected); i++)
        assert_true(t.d->ts_ms[i] == expected[i]);
    done(&t);
    t = parse("timestamp,a\n2025-02-20T21:55:00Z,0\n2025-02-20T22:55:00.5+01:00,0\n");
    assert_true(t.d->ts_ms[0] == 1740088500000 && t.d->ts_ms[1] == 1740088500500);
    assert_int_equal(t.form, CSV_TIME_RFC3339);
    done(&t);
}

static void a_header_alone_is_a_table_without_rows(void **state)
{
    (void)state;
    struct table t = parse("timestamp,a");

    assert_int_equal(t.d->rows, 0);
    done(&t);
}

static void bad_input_is_refused_with_file_line_expected_and_found(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } row[] = {
        {"", "F.csv:1: expected the header 'timestamp,...', found an empty file"},
        {"\xef\xbb\xbf", "F.csv:1: expected the header 'timestamp,...', found an empty file"},
        {"\n", "F.csv:1: expected 'timestamp' as the first column, found ''"},
        {"time,a\n", "F.csv:1: expected 'timestamp' as the first column, found 'time'"},
        {"timestamp\n1\n", "F.csv:1: expected columns of features after 'timestamp', found none"},
        {"timestamp,\n", "F.csv:1: expected a feature's name, found an empty field"},
        {"timestamp,a,a\n", "F.csv:1: feature 'a' comes twice"},
        {"timestamp,a b\n", "F.csv:1: feature"},
        {"timestamp,\xff\xfe\n", "F.csv:1: feature"},
        {"timestamp,a,b\n1,2\n", "F.csv:2: expected 3 fields as in the header, found 2"},
        {"timestamp,a\n1,2\n2,3,4,5\n", "F.csv:3: expected 2 fields as in the header, found 4"},
        {"timestamp,a\n1,2\n\n2,3\n", "F.csv:3: expected a row, found an empty line"},
        {"timestamp,a\n1,x\n", "F.csv:2: column 'a': expected a number, NaN or nothing, found 'x'"},
        {"timestamp,a\n1, 2\n",
         "F.csv:2: column 'a': expected a number, NaN or nothing, found ' 2'"},
        {"timestamp,a\n1,0x10\n",
         "F.csv:2: column 'a': expected a number, NaN or nothing, found '0x10'"},
        {"timestamp,a\n1,inf\n",
         "F.csv:2: column 'a': expected a number up to 3.4e38, NaN or nothing, found 'inf'"},
        {"timestamp,a\n1,-1e39\n",
         "F.csv:2: column 'a': expected a number up to 3.4e38, NaN or nothing, found '-1e39'"},
        {"timestamp,a\nnow,1\n", "F.csv:2: expected a time as Unix seconds or RFC 3339 "
                                 "(2025-02-20T21:55:00Z), found 'now'"},
        {"timestamp,a\n2025-02-30T00:00:00Z,1\n", "F.csv:2: expected a time as Unix seconds"},
        {"timestamp,a\nNaN,1\n",
         "F.csv:2: expected Unix seconds of the years 1 to 9999, found 'NaN'"},
        {"timestamp,a\n1740088500000,1\n",
         "F.csv:2: expected Unix seconds of the years 1 to 9999, found '1740088500000': are these "
         "milliseconds?"},
        {"timestamp,a\n2,1\n2,1\n", "F.csv:3: expected a time after the row before, found '2'"},
        {"timestamp,a\n2,1\n1,1\n", "F.csv:3: expected a time after the row before, found '1'"},
        {"timestamp,\"a\n", "F.csv:1: expected a closing quote on the same line, found none after "
                            "'\"a'"},
        {"timestamp,\"a\"b\n", "F.csv:1: expected a comma after a quoted field, found 'b'"},
        {"timestamp,a\n1,\"1\"\"\"\n",
         "F.csv:2: column 'a': expected a number, NaN or nothing, found '1\"\"'"},
        {"timestamp,a\n1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
         "F.csv:2: column 'a': expected a number, NaN or nothing, found "
         "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'"},
    };

    for (size_t i = 0; i < COUNT(row); i++) {
        struct schema *schema = NULL;
        struct dataset *d = NULL;
        struct err err = {0};
        const enum rc rc =
            csv_parse(row[i].text, strlen(row[i].text), "F.csv", &schema, &d, NULL, &err);
        assert_int_equal(rc, E_PARSE);
        assert_int_equal(err.rc, E_PARSE);
        if (strncmp(err.msg, row[i].message, strlen(row[i].message)) != 0)
            fail_msg("expected '%s', found '%s'", row[i].message, err.msg);
        assert_null(schema);
        assert_null(d);
    }
}

static void a_nul_byte_is_refused(void **state)
{
    (void)state;
    const char header[] = "timestamp,a\0b\n1,2\n", value[] = "timestamp,a\n1,2\0\n";
    struct table t = {0};
    struct err err;

    assert_int_equal(csv_parse(header, sizeof header - 1, "F", &t.schema, &t.d, NULL, &err),
                     E_PARSE);
    assert_int_equal(csv_parse(value, sizeof value - 1, "F", &t.schema, &t.d, NULL, &err), E_PARSE);
    assert_non_null(strstr(err.msg, "a byte 0x00"));
}

static void lines_and_columns_past_their_limits_are_refused(void **state)
{
    (void)state;
    static char text[CSV_LINE_MAX + 64];
    struct table t = {0};
    struct err err;
    size_t n = (size_t)snprintf(text, sizeof text, "timestamp");

    for (int i = 0; i < SCHEMA_FEATURES_MAX + 1; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ",f%d", i);
    assert_int_equal(csv_parse(text, n, "F", &t.schema, &t.d, NULL, &err), E_LIMIT);
    assert_string_equal(err.msg, "F:1: expected at most 1024 features, found 1025");

    n = (size_t)snprintf(text, sizeof text, "timestamp,a\n1,");
    memset(text + n, '1', sizeof text - n);
    assert_int_equal(csv_parse(text, sizeof text, "F", &t.schema, &t.d, NULL, &err), E_LIMIT);
    assert_string_equal(err.msg, "F:2: expected lines under 1048576 bytes, found a longer one");
    assert_null(t.d);
}

static void what_was_written_reads_back_to_the_same_bits(void **state)
{
    (void)state;
    struct rng rng;
    struct buf text;
    struct err err;
    uint32_t bits[200];
    float *v = (float *)bits;

    rng_init(&rng, 4);
    buf_init(&text, 1 << 20);
    for (int round = 0; round < 50; round++) {
        const enum csv_time form = round % 2 ? CSV_TIME_UNIX : CSV_TIME_RFC3339;
        int64_t ts_ms[100];
        buf_clear(&text);
        buf_puts(&text, "timestamp,a,b\n");
        for (size_t i = 0; i < COUNT(ts_ms); i++) {
            const int64_t start = -60000;
            ts_ms[i] = (i ? ts_ms[i - 1] : start) + 1 + rng_below(&rng, i % 2 ? 2000000000 : 2000);
            csv_put_time(&text, ts_ms[i], form);
            for (size_t j = 0; j < 2; j++) {
                do
                    bits[2 * i + j] = (uint32_t)rng_u64(&rng);
                while (!isfinite(v[2 * i + j]));
                buf_puts(&text, ",");
                buf_float(&text, v[2 * i + j]);
            }
            buf_puts(&text, "\n");
        }
        assert_false(text.failed);
        struct table t = {0};
        if (csv_parse(text.p, text.n, "F", &t.schema, &t.d, &t.form, &err) != OK)
            fail_msg("%s", err.msg);
        assert_int_equal(t.form, form);
        assert_int_equal(t.d->rows, COUNT(ts_ms));
        assert_memory_equal(t.d->ts_ms, ts_ms, sizeof ts_ms);
        assert_memory_equal(t.d->X, bits, sizeof bits);
        done(&t);
    }
    buf_done(&text);
}

static void times_are_written_as_short_as_they_can_be(void **state)
{
    (void)state;
    static const struct {
        int64_t ts_ms;
        const char *text;
    } row[] = {{0, "0"},
               {1740088500000, "1740088500"},
               {1740088500250, "1740088500.25"},
               {1, "0.001"},
               {-1500, "-1.5"},
               {-1, "-0.001"},
               {1000, "1"},
               {100, "0.1"}};
    struct buf b;

    buf_init(&b, 100);
    for (size_t i = 0; i < COUNT(row); i++) {
        buf_clear(&b);
        csv_put_time(&b, row[i].ts_ms, CSV_TIME_UNIX);
        assert_string_equal(b.p, row[i].text);
    }
    buf_done(&b);
}

static void every_failed_allocation_is_said_and_leaks_nothing(void **state)
{
    (void)state;
    const char text[] = "timestamp,a,b\n1,2,3\n4,5,6\n";
    uint64_t n = 0;

    for (enum rc rc = E_NOMEM; rc != OK;) {
        struct table t = {0};
        struct err err = {0};
        mem_fail_at(++n);
        rc = csv_parse(text, sizeof text - 1, "F", &t.schema, &t.d, NULL, &err);
        assert_true(rc == OK || (rc == E_NOMEM && err.msg[0] != '\0' && !t.schema && !t.d));
        done(&t);
        assert_true(n < 100);
    }
    mem_fail_at(0);
    assert_true(n > 4);
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    struct table t = {0};
    struct err err;

    assert_int_equal(csv_read("/nowhere/x.csv", &t.schema, &t.d, NULL, &err), E_IO);
    assert_non_null(strstr(err.msg, "/nowhere/x.csv"));
    assert_int_equal(csv_read("/", &t.schema, &t.d, NULL, &err), E_IO);
}

/* A file is read through a window; here it is filled several times. */
static void a_long_file_reads_as_its_bytes_do(void **state)
{
    (void)state;
    char path[] = "/tmp/test_csvXXXXXX";
    CLEANUP(buf_done) struct buf text = {0};
    struct table file = {0}, bytes = {0};
    struct err err;

    buf_init(&text, 1 << 26);
    close(mkstemp(path));
    buf_puts(&text, "\xef\xbb\xbftimestamp,a,b\n");
    for (int i = 0; i < 300000; i++)
        buf_printf(&text, "%d,%d.25,%s\n", i, i * 7, i % 3 ? "0.5" : "");
    buf_puts(&text, "\n\r\n");
    assert_true(text.n > 4 * CSV_LINE_MAX);
    assert_int_equal(file_write(path, text.p, text.n, &err), OK);
    assert_int_equal(csv_read(path, &file.schema, &file.d, &file.form, &err), OK);
    assert_int_equal(csv_parse(text.p, text.n, path, &bytes.schema, &bytes.d, &bytes.form, &err),
                     OK);
    assert_int_equal(file.d->rows, 300000);
    assert_int_equal(bytes.d->rows, 300000);
    assert_memory_equal(file.d->X, bytes.d->X, 300000 * 2 * sizeof *file.d->X);
    assert_memory_equal(file.d->ts_ms, bytes.d->ts_ms, 300000 * sizeof *file.d->ts_ms);
    (void)unlink(path);
    schema_free(file.schema);
    schema_free(bytes.schema);
    dataset_free(file.d);
    dataset_free(bytes.d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_file_reads_as_its_bytes_do),
        cmocka_unit_test(columns_become_features_and_lines_frames),
        cmocka_unit_test(crlf_quotes_bom_and_loose_ends_are_fine),
        cmocka_unit_test(an_empty_field_and_nan_are_missing),
        cmocka_unit_test(time_is_unix_seconds_or_rfc3339),
        cmocka_unit_test(a_header_alone_is_a_table_without_rows),
        cmocka_unit_test(bad_input_is_refused_with_file_line_expected_and_found),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(lines_and_columns_past_their_limits_are_refused),
        cmocka_unit_test(what_was_written_reads_back_to_the_same_bits),
        cmocka_unit_test(times_are_written_as_short_as_they_can_be),
        cmocka_unit_test(every_failed_allocation_is_said_and_leaks_nothing),
        cmocka_unit_test(a_file_that_cannot_be_read_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
