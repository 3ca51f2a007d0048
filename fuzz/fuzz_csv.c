/* SPDX-License-Identifier: Apache-2.0 */
#include "source/csv.h"

#include <math.h>

#include "fuzz.h"

struct table {
    struct schema *schema;
    struct dataset *d;
    enum csv_time form;
};

static void check_table(const struct table *t)
{
    promise(t->schema->n >= 1 && t->schema->n == t->d->n, "frames fit the schema");
    for (size_t r = 0; r < t->d->rows; r++) {
        promise(r == 0 || t->d->ts_ms[r] > t->d->ts_ms[r - 1], "time rises");
        for (size_t i = 0; i < t->d->n; i++)
            promise(!isinf(t->d->X[r * t->d->n + i]), "values are finite or missing");
    }
}

static void write_table(const struct table *t, struct buf *out)
{
    buf_puts(out, "timestamp");
    for (size_t i = 0; i < t->schema->n; i++)
        buf_printf(out, ",%s", t->schema->f[i].name);
    buf_puts(out, "\n");
    for (size_t r = 0; r < t->d->rows; r++) {
        csv_put_time(out, t->d->ts_ms[r], t->form);
        for (size_t i = 0; i < t->d->n; i++) {
            buf_puts(out, ",");
            buf_float(out, t->d->X[r * t->d->n + i]);
        }
        buf_puts(out, "\n");
    }
}

static void check_round_trip(const struct table *t)
{
    struct table back = {0};
    struct buf text;
    struct err err;

    buf_init(&text, 1 << 24);
    write_table(t, &text);
    promise(!text.failed, "a table is written");
    const enum rc rc = csv_parse(text.p, text.n, "again", &back.schema, &back.d, NULL, &err);
    promise(rc == OK, rc == OK ? "" : err.msg);
    promise(back.schema->hash == t->schema->hash && back.d->rows == t->d->rows, "read back");
    promise(t->d->rows == 0 || (memcmp(back.d->ts_ms, t->d->ts_ms, t->d->rows * 8) == 0 &&
                                memcmp(back.d->X, t->d->X, t->d->rows * t->d->n * 4) == 0),
            "to the same bits");
    schema_free(back.schema);
    dataset_free(back.d);
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct table t = {0};
    struct err err = {0};

    if (csv_parse((const char *)data, size, "f.csv", &t.schema, &t.d, &t.form, &err) != OK) {
        promise(err.rc != OK && strncmp(err.msg, "f.csv:", 6) == 0, "a failure says where");
        promise(err.msg[6] >= '1' && err.msg[6] <= '9', "with the line");
        promise(!t.schema && !t.d, "and leaves the outputs alone");
        return 0;
    }
    check_table(&t);
    check_round_trip(&t);
    schema_free(t.schema);
    dataset_free(t.d);
    return 0;
}
