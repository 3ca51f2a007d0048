/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "source/host_parse.h"

/* host_samples - for the tests of the host source: samples as the text "NAME{LABEL=VALUE,...}" */

static inline void put_series(struct buf *out, const struct series *s)
{
    buf_str(out, s->name);
    for (size_t i = 0; i < s->n_labels; i++) {
        buf_puts(out, i ? "," : "{");
        buf_str(out, s->labels[i].name);
        buf_puts(out, "=");
        buf_str(out, s->labels[i].value);
    }
    buf_puts(out, s->n_labels ? "}" : "");
}

/* All samples, a line each, "SERIES NUMBER\n", in their order; mem_free it. */
static inline char *samples_text(const struct series_set *set, const struct host_samples *samples)
{
    struct buf out;

    buf_init(&out, 64 << 20);
    buf_puts(&out, "");
    for (size_t i = 0; i < samples->n; i++) {
        put_series(&out, series_set_at(set, samples->p[i].id));
        buf_puts(&out, " ");
        buf_double(&out, samples->p[i].v);
        buf_puts(&out, "\n");
    }
    assert_false(out.failed);
    return buf_take(&out);
}

struct parsed { /* one format and what it has given so far */
    struct series_set *set;
    struct host_rows rows;
    struct host_samples samples;
    struct err err;
};

static inline struct parsed parsed_new(enum host_format_id format)
{
    struct parsed p = {0};
    assert_int_equal(series_set_new(&p.set, &p.err), OK);
    host_rows_init(&p.rows, &host_formats[format], p.set);
    return p;
}

static inline void parsed_done(struct parsed *p)
{
    host_rows_done(&p->rows);
    host_samples_done(&p->samples);
    series_set_unref(p->set);
}

/* Parse text as the next reading of the file. */
static inline enum rc parse_next(struct parsed *p, struct str text)
{
    p->samples.n = 0;
    return host_rows_parse(&p->rows, text, &p->samples, &p->err);
}
