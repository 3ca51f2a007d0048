/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"

/* A JSON string is a YAML one: quote the expression so. */
static void put_quoted(struct buf *b, const char *z)
{
    buf_puts(b, "\"");
    for (; *z; z++)
        if (*z == '\n')
            buf_puts(b, "\\n");
        else
            buf_printf(b, *z == '"' || *z == '\\' ? "\\%c" : "%c", *z);
    buf_puts(b, "\"");
}

static enum rc compile(struct world *w, const char *const *expressions, size_t n)
{
    struct buf text;

    buf_init(&text, 1 << 17);
    buf_puts(&text, "name: world\nfeatures:\n");
    for (size_t i = 0; i < n; i++) {
        buf_printf(&text, "  - name: f%zu\n    expr: ", i);
        put_quoted(&text, expressions[i]);
        buf_puts(&text, "\n");
    }
    const enum rc rc = profile_parse((struct str){text.p, text.n}, "world.yml", WORLD_INTERVAL_MS,
                                     &w->profile, &w->err);
    buf_done(&text);
    return rc;
}

enum rc world_compile(struct world *w, const char *expression)
{
    *w = (struct world){0};
    return compile(w, &expression, 1);
}

void world_init(struct world *w, const char *const *expressions, size_t n)
{
    *w = (struct world){0};
    if (compile(w, expressions, n) != OK ||
        evaluator_new(w->profile, WORLD_INTERVAL_MS, &w->evaluator, &w->err) != OK ||
        series_set_new(&w->set, &w->err) != OK)
        fail_msg("%s", w->err.msg);
}

void world_done(struct world *w)
{
    evaluator_free(w->evaluator);
    profile_free(w->profile);
    series_set_unref(w->set);
}

uint32_t world_series(struct world *w, const char *text)
{
    struct label labels[SERIES_LABELS_MAX];
    const size_t n_name = strcspn(text, "{");
    const char *p = text + n_name;
    size_t n = 0;
    uint32_t id = 0;

    while (*p && *++p && *p != '}') {
        const size_t k = strcspn(p, "="), v = strcspn(p + k + 1, ",}");
        labels[n++] = (struct label){{p, k}, {p + k + 1, v}};
        p += k + 1 + v;
    }
    if (series_set_intern(w->set, (struct str){text, n_name}, labels, n, METRIC_GAUGE, &id,
                          &w->err) != OK)
        fail_msg("%s", w->err.msg);
    return id;
}

enum rc world_push(struct world *w, int64_t ts_ms, const double *v, size_t n)
{
    struct snapshot *s = snapshot_new(w->set, ts_ms);

    assert_non_null(s);
    assert_true(n <= s->n);
    for (size_t i = 0; i < n; i++)
        s->v[i] = v[i];
    const enum rc rc = evaluator_push(w->evaluator, s, &w->err);
    snapshot_free(s);
    return rc;
}

double world_ask(struct world *w, int64_t ts_ms, size_t feature)
{
    double base[SCHEMA_FEATURES_MAX];

    evaluator_eval(w->evaluator, ts_ms, base);
    return evaluator_value(w->evaluator, feature);
}

double world_instant(const char *expression, const char *const *series, const double *v, size_t n)
{
    struct world w;

    world_init(&w, &expression, 1);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(world_series(&w, series[i]), i);
    assert_int_equal(world_push(&w, 1000, v, n), OK);
    const double answer = world_ask(&w, 1000, 0);
    world_done(&w);
    return answer;
}
