/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/import_rows.h"

#include <math.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "detect/continuity.h"
#include "feature/derive.h"
#include "source/csv.h"

enum { FLUSH_BYTES = 1 << 20 };

struct import_rows {
    const struct profile *profile;
    struct deriver *deriver;
    struct file_writer *file;
    struct buf text;
    float *frame; /* [n] */
    int64_t step_ms;
    uint64_t bytes;
    struct import_summary summary;
};

void import_summary_done(struct import_summary *s)
{
    mem_free(s->missing);
    *s = (struct import_summary){0};
}

static enum rc flush(struct import_rows *r, struct err *err)
{
    if (r->text.failed)
        return err_set(err, E_NOMEM, "no memory for rows");
    r->bytes += r->text.n;
    if (r->bytes > CSV_BYTES_MAX)
        return err_set(err, E_LIMIT,
                       "over %d MiB of rows, more than `tocsin train` reads: take a longer --step "
                       "or a shorter span",
                       CSV_BYTES_MAX >> 20);
    const enum rc rc = file_writer_add(r->file, r->text.p, r->text.n, err);
    buf_clear(&r->text);
    return rc;
}

enum rc import_rows_open(const char *path, const struct profile *p, int64_t step_ms,
                         struct import_rows **ret, struct err *err)
{
    const struct schema *schema = profile_schema(p);
    CLEANUP(import_rows_freep) struct import_rows *r = mem_alloc(sizeof *r);

    if (!r)
        return err_set(err, E_NOMEM, "no memory for rows");
    buf_init(&r->text, FLUSH_BYTES + CSV_LINE_MAX);
    r->profile = p;
    r->step_ms = step_ms;
    r->summary.n = schema->n;
    r->summary.missing = mem_array(schema->n, sizeof *r->summary.missing);
    r->frame = mem_array(schema->n, sizeof *r->frame);
    if (!r->summary.missing || !r->frame)
        return err_set(err, E_NOMEM, "no memory for rows of %zu features", schema->n);
    if (deriver_new(p, &r->deriver, err) != OK || file_writer_open(path, &r->file, err) != OK)
        return err->rc;
    buf_puts(&r->text, "timestamp");
    for (size_t i = 0; i < schema->n; i++) /* names have no comma and no quote (schema.h) */
        buf_printf(&r->text, ",%s", schema->f[i].name);
    buf_puts(&r->text, "\n");
    *ret = TAKE(r);
    return OK;
}

void import_rows_free(struct import_rows *r)
{
    if (!r)
        return;
    deriver_free(r->deriver);
    file_writer_free(r->file);
    buf_done(&r->text);
    mem_free(r->frame);
    import_summary_done(&r->summary);
    mem_free(r);
}

enum rc import_rows_add(struct import_rows *r, int64_t ts_ms, const double *base, struct err *err)
{
    struct import_summary *s = &r->summary;

    if (s->rows > 0 && continuity_is_hole(ts_ms - s->last_ms, r->step_ms, 0))
        deriver_clear(r->deriver);
    deriver_apply(r->deriver, ts_ms, base, r->frame);
    if (s->rows++ == 0)
        s->first_ms = ts_ms;
    s->last_ms = ts_ms;
    csv_put_time(&r->text, ts_ms, CSV_TIME_UNIX);
    for (size_t i = 0; i < s->n; i++) {
        buf_puts(&r->text, ",");
        if (isnan(r->frame[i]))
            s->missing[i]++;
        else
            buf_float(&r->text, r->frame[i]);
    }
    buf_puts(&r->text, "\n");
    return r->text.failed || r->text.n >= FLUSH_BYTES ? flush(r, err) : OK;
}

size_t import_rows_count(const struct import_rows *r)
{
    return r->summary.rows;
}

enum rc import_rows_close(struct import_rows *r, struct import_summary *ret, struct err *err)
{
    if (flush(r, err) != OK || file_writer_commit(r->file, err) != OK)
        return err->rc;
    *ret = r->summary;
    r->summary = (struct import_summary){0};
    return OK;
}
