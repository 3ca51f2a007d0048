/* SPDX-License-Identifier: Apache-2.0 */
#include "source/csv.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "source/csv_reader.h"

static enum rc parse_value(const struct csv_reader *r, struct str s, const char *name, float *ret,
                           struct err *err)
{
    double v = 0;

    if (csv_reader_number(r, s, name, &v, err) != OK)
        return err->rc;
    *ret = (float)v;
    if (isinf(*ret))
        return csv_reader_fail(
            r, E_PARSE, err,
            "column '%s': expected a number up to 3.4e38, NaN or nothing, found '%.*s%s'", name,
            csv_quoted(s), s.p, csv_ellipsis(s));
    return OK;
}

static enum rc parse_header_field(struct csv_reader *r, struct feature *f, struct err *err)
{
    struct str name;
    const enum rc rc = csv_reader_field(r, &name, err);

    if (rc != OK)
        return rc;
    if (name.n == 0)
        return csv_reader_fail(r, E_PARSE, err, "expected a feature's name, found an empty field");
    if (name.n >= FEATURE_NAME_MAX || memchr(name.p, 0, name.n))
        return csv_reader_fail(r, E_PARSE, err,
                               "expected a feature's name of up to %d characters, found '%.*s%s'",
                               FEATURE_NAME_MAX - 1, csv_quoted(name), name.p, csv_ellipsis(name));
    memcpy(f->name, name.p, name.n); /* the rest is zero */
    return OK;
}

static enum rc parse_header(struct csv_reader *r, struct schema **ret, struct err *err)
{
    bool any = false;
    struct str first = {"", 0};
    enum rc rc = csv_reader_line(r, &any, err);

    if (rc != OK)
        return rc;
    if (!any) {
        r->line = 1;
        return csv_reader_fail(r, E_PARSE, err,
                               "expected the header 'timestamp,...', found an empty file");
    }
    const size_t most = csv_reader_count(r->text);
    rc = csv_reader_field(r, &first, err);
    if (rc != OK)
        return rc;
    if (!str_eq(first, STR("timestamp")))
        return csv_reader_fail(r, E_PARSE, err,
                               "expected 'timestamp' as the first column, found '%.*s%s'",
                               csv_quoted(first), first.p, csv_ellipsis(first));
    if (!r->more)
        return csv_reader_fail(r, E_PARSE, err,
                               "expected columns of features after 'timestamp', found none");
    if (most - 1 > SCHEMA_FEATURES_MAX)
        return csv_reader_fail(r, E_LIMIT, err, "expected at most %d features, found %zu",
                               SCHEMA_FEATURES_MAX, most - 1);

    CLEANUP(mem_freep) struct feature *f = mem_array(most, sizeof *f);
    if (!f)
        return err_set(err, E_NOMEM, "%s: no memory for %zu columns", r->file, most);
    size_t n = 0;
    while (r->more && rc == OK)
        rc = parse_header_field(r, &f[n++], err);
    if (rc != OK)
        return rc;
    rc = schema_new(f, n, ret, err);
    return rc == OK ? OK : err_wrap(err, "%s:%zu", r->file, r->line);
}

/* One line to row[n], which goes to d. */
static enum rc parse_row(struct csv_reader *r, const struct schema *schema, float *row,
                         struct dataset *d, enum csv_time *ret_form, struct err *err)
{
    struct str field = {"", 0};
    int64_t ts_ms = 0;
    size_t n = 0;
    enum rc rc = csv_reader_field(r, &field, err);

    if (rc == OK)
        rc = csv_reader_time(r, field, &ts_ms, ret_form, err);
    if (rc == OK && d->rows > 0 && ts_ms <= d->ts_ms[d->rows - 1])
        rc =
            csv_reader_fail(r, E_PARSE, err, "expected a time after the row before, found '%.*s%s'",
                            csv_quoted(field), field.p, csv_ellipsis(field));
    for (; rc == OK && r->more; n++) {
        rc = csv_reader_field(r, &field, err);
        if (rc == OK && n < schema->n)
            rc = parse_value(r, field, schema->f[n].name, &row[n], err);
    }
    if (rc == OK && n != schema->n)
        rc = csv_reader_fail(r, E_PARSE, err, "expected %zu fields as in the header, found %zu",
                             schema->n + 1, n + 1);
    if (rc != OK)
        return rc;
    rc = dataset_append(d, ts_ms, row, err);
    return rc == OK ? OK : err_wrap(err, "%s:%zu", r->file, r->line);
}

static enum rc parse(struct csv_reader *r, struct schema **ret_schema, struct dataset **ret,
                     enum csv_time *ret_time, struct err *err)
{
    enum csv_time form = CSV_TIME_UNIX, row_form = form;
    CLEANUP(schema_freep) struct schema *schema = NULL;
    CLEANUP(dataset_freep) struct dataset *d = NULL;
    bool any;

    enum rc rc = parse_header(r, &schema, err);
    if (rc != OK)
        return rc;
    assert(schema);
    rc = dataset_new(schema->n, &d, err);
    if (rc != OK)
        return rc;
    CLEANUP(mem_freep) float *row = mem_array(schema->n, sizeof *row);
    if (!row)
        return err_set(err, E_NOMEM, "%s: no memory for a row of %zu values", r->file, schema->n);

    while ((rc = csv_reader_row(r, &any, err)) == OK && any) {
        rc = parse_row(r, schema, row, d, &row_form, err);
        if (rc != OK)
            return rc;
        if (d->rows == 1)
            form = row_form;
    }
    if (rc != OK)
        return rc;
    *ret_schema = TAKE(schema);
    *ret = TAKE(d);
    if (ret_time)
        *ret_time = form;
    return OK;
}

enum rc csv_parse(const char *p, size_t n, const char *file, struct schema **ret_schema,
                  struct dataset **ret, enum csv_time *ret_time, struct err *err)
{
    struct csv_reader r;

    if (csv_reader_bytes(&r, p, n, file, err) != OK)
        return err->rc;
    return parse(&r, ret_schema, ret, ret_time, err);
}

enum rc csv_read(const char *path, struct schema **ret_schema, struct dataset **ret,
                 enum csv_time *ret_time, struct err *err)
{
    CLEANUP(csv_reader_done) struct csv_reader r;

    if (csv_reader_open(&r, path, err) != OK)
        return err->rc;
    return parse(&r, ret_schema, ret, ret_time, err);
}

void csv_put_time(struct buf *out, int64_t ts_ms, enum csv_time form)
{
    if (form == CSV_TIME_RFC3339) {
        char text[STR_RFC3339_MAX];
        str_from_rfc3339_ms(ts_ms, text);
        buf_puts(out, text);
        return;
    }
    const uint64_t ms = ts_ms < 0 ? 0 - (uint64_t)ts_ms : (uint64_t)ts_ms;
    char fraction[8] = "";
    if (ms % 1000 != 0) {
        (void)snprintf(fraction, sizeof fraction, ".%03u", (unsigned)(ms % 1000));
        for (size_t n = strlen(fraction); n > 1 && fraction[n - 1] == '0';)
            fraction[--n] = '\0';
    }
    buf_printf(out, "%s%llu%s", ts_ms < 0 ? "-" : "", (unsigned long long)(ms / 1000), fraction);
}
