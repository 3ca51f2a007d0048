/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A parse and what came of it, for tests of expositions. After <cmocka.h>. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "source/exposition.h"

enum { NOW_MS = 500000000 }; /* some time */

struct parsed {
    struct exposition_parser *parser;
    struct exposition_layout *layout;
    struct snapshot *s; /* of the last body, or NULL */
    struct exposition_counts counts;
    enum rc rc;
    struct err err;
};

static inline void parsed_open(struct parsed *p, const struct exposition_rules *rules)
{
    static const struct exposition_rules none = {.n_labels = 0};

    *p = (struct parsed){.rc = OK};
    assert_int_equal(exposition_parser_new(&p->parser, &p->err), OK);
    assert_int_equal(exposition_layout_new(rules ? rules : &none, &p->layout, &p->err), OK);
}

static inline void parsed_close(struct parsed *p)
{
    snapshot_free(p->s);
    exposition_layout_free(p->layout);
    exposition_parser_free(p->parser);
}

/* A body in a block of exactly its size, so that AddressSanitizer sees a read past its end. */
static inline void parsed_body(struct parsed *p, enum exposition_format f, struct str body)
{
    char *copy = mem_alloc(body.n);

    assert_non_null(copy);
    if (body.n)
        memcpy(copy, body.p, body.n);
    snapshot_free(p->s);
    p->s = NULL;
    p->rc = exposition_parse(p->parser, p->layout, f, (struct str){copy, body.n}, NOW_MS, &p->s,
                             &p->counts, &p->err);
    mem_free(copy);
}

static inline int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One series a line, sorted: "TYPE name{a=b,c=d} value"; TYPE is left out unless `typed`. */
static inline char *parsed_lines(const struct parsed *p, bool typed)
{
    static const char *const types[] = {"untyped", "counter", "gauge"};
    char **lines = mem_array(p->s->n + 1, sizeof *lines);
    struct buf all;
    size_t n = 0;

    assert_non_null(lines);
    for (uint32_t id = 0; id < p->s->n; id++) {
        const struct series *s = series_set_at(p->s->set, id);
        struct buf b;
        if (series_is_stale(p->s->v[id]))
            continue;
        buf_init(&b, 1 << 20);
        if (typed)
            buf_printf(&b, "%s ", types[s->type]);
        buf_str(&b, s->name);
        for (size_t j = 0; j < s->n_labels; j++) {
            buf_puts(&b, j ? "," : "{");
            buf_str(&b, s->labels[j].name);
            buf_puts(&b, "=");
            buf_str(&b, s->labels[j].value);
        }
        buf_puts(&b, s->n_labels ? "} " : " ");
        buf_double(&b, p->s->v[id]);
        lines[n++] = buf_take(&b);
    }
    qsort(lines, n, sizeof *lines, by_text);
    buf_init(&all, 64 << 20);
    buf_puts(&all, "");
    for (size_t i = 0; i < n; i++) {
        buf_printf(&all, "%s\n", lines[i]);
        mem_free(lines[i]);
    }
    mem_free(lines);
    return buf_take(&all);
}

static inline char *parsed_text(const struct parsed *p)
{
    return parsed_lines(p, true);
}
