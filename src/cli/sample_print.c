/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sample_print.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

static const char *type_name(enum metric_type type)
{
    switch (type) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_UNTYPED:
        break;
    }
    return "untyped";
}

static int compare(const void *a, const void *b)
{
    const struct sample_row *x = a, *y = b;
    const struct str p = x->series->name, q = y->series->name;
    const int c = memcmp(p.p, q.p, p.n < q.n ? p.n : q.n);

    if (c != 0 || p.n != q.n)
        return c ? c : p.n < q.n ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

struct sample_row *sample_rows(const struct snapshot *s, size_t *ret_n)
{
    size_t n = 0;

    struct sample_row *rows = mem_array(s->n, sizeof *rows);
    if (!rows)
        return NULL;
    for (uint32_t id = 0; id < s->n; id++)
        if (!series_is_stale(s->v[id]))
            rows[n++] = (struct sample_row){series_set_at(s->set, id), id, s->v[id]};
    qsort(rows, n, sizeof *rows, compare);
    *ret_n = n;
    return rows;
}

static void put_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        if (c == '\n')
            buf_puts(out, "\\n");
        else if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else
            buf_add(out, &c, 1);
    }
}

void sample_put_text(struct buf *out, const struct sample_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct series *s = rows[i].series;
        if (i == 0 || !str_eq(s->name, rows[i - 1].series->name)) {
            buf_puts(out, "# TYPE ");
            buf_str(out, s->name);
            buf_printf(out, " %s\n", type_name(s->type));
        }
        buf_str(out, s->name);
        for (size_t j = 0; j < s->n_labels; j++) {
            buf_puts(out, j ? "," : "{");
            buf_str(out, s->labels[j].name);
            buf_puts(out, "=\"");
            put_escaped(out, s->labels[j].value);
            buf_puts(out, "\"");
        }
        buf_puts(out, s->n_labels ? "} " : " ");
        buf_double(out, rows[i].v);
        buf_puts(out, "\n");
    }
}

static json_t *json_of_value(double v)
{
    if (isfinite(v))
        return json_real(v);
    return json_string(isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
}

static json_t *json_of_row(const struct sample_row *row)
{
    const struct series *s = row->series;
    json_t *labels = json_object();

    for (size_t j = 0; j < s->n_labels; j++) {
        const struct label *l = &s->labels[j];
        char *name = mem_strndup(l->name.p, l->name.n);
        if (name)
            (void)json_object_set_new(labels, name, json_stringn(l->value.p, l->value.n));
        mem_free(name);
    }
    return json_pack("{s:s%, s:s, s:o, s:o}", "name", s->name.p, s->name.n, "type",
                     type_name(s->type), "labels", labels, "value", json_of_value(row->v));
}

json_t *sample_rows_json(const struct sample_row *rows, size_t n)
{
    json_t *samples = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(samples, json_of_row(&rows[i]));
    if (json_array_size(samples) == n)
        return samples;
    json_decref(samples);
    return NULL;
}

enum rc sample_put_json(struct buf *out, json_t *o, struct err *err)
{
    char *text = o ? json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;

    json_decref(o);
    if (!text)
        return err_set(err, E_NOMEM, "no memory for the samples as JSON");
    buf_puts(out, text);
    buf_puts(out, "\n");
    free(text); /* jansson's */
    return OK;
}
