/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte: bit 0 OpenMetrics, bit 1 honor_labels, bit 2 not everything is wanted. */
#include <string.h>

#include "source/exposition.h"

#include "fuzz.h"

enum { NOW_MS = 500000000 };

static bool wants_some(void *arg, struct str name, const struct label *labels, size_t n_labels)
{
    (void)arg;
    promise(name.n > 0, "a series has a name");
    for (size_t i = 0; i < n_labels; i++)
        promise(labels[i].name.n > 0 && labels[i].value.n > 0, "labels are whole");
    return name.n % 2 == 0;
}

struct target {
    struct exposition_parser *p;
    struct exposition_layout *l;
    struct snapshot *s;
    struct exposition_counts counts;
    struct err err;
};

static void target_open(struct target *t, const struct exposition_rules *rules)
{
    *t = (struct target){.s = NULL};
    promise(exposition_parser_new(&t->p, &t->err) == OK, "there is memory");
    promise(exposition_layout_new(rules, &t->l, &t->err) == OK, "there is memory");
}

static void target_close(struct target *t)
{
    snapshot_free(t->s);
    exposition_layout_free(t->l);
    exposition_parser_free(t->p);
}

static enum rc scrape(struct target *t, enum exposition_format f, struct str body)
{
    snapshot_free(t->s);
    t->s = NULL;
    const enum rc rc = exposition_parse(t->p, t->l, f, body, NOW_MS, &t->s, &t->counts, &t->err);
    promise((rc == OK) == (t->s != NULL), "a snapshot when it went well");
    if (rc != OK) {
        promise(rc == E_PARSE || rc == E_LIMIT, "a failure is the body's");
        promise(rc != E_PARSE || strncmp(t->err.msg, "line ", 5) == 0, "and says where");
    }
    return rc;
}

static void check(const struct target *t)
{
    size_t n = 0;

    for (uint32_t id = 0; id < t->s->n; id++) {
        const struct series *s = series_set_at(t->s->set, id);
        n += !series_is_stale(t->s->v[id]);
        promise(s->name.n > 0 && !memchr(s->name.p, '\n', s->name.n), "a name is one");
        for (size_t i = 1; i < s->n_labels; i++)
            promise(!str_eq(s->labels[i - 1].name, s->labels[i].name), "labels are different");
    }
    promise(n == t->counts.taken || n == t->counts.taken + 1, "as many as it says, and up");
    promise(t->counts.taken <= t->counts.samples, "no more than there are");
}

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* Every sample of a in b, with the same number. */
static void check_same(const struct target *a, const struct target *b)
{
    promise(a->counts.taken == b->counts.taken, "the same number of samples");
    for (uint32_t id = 0; id < a->s->n; id++) {
        const struct series *s = series_set_at(a->s->set, id);
        struct err err;
        uint32_t other;
        if (series_is_stale(a->s->v[id]))
            continue;
        promise(series_set_intern(b->s->set, s->name, s->labels, s->n_labels, s->type, &other,
                                  &err) == OK,
                "a series is one");
        promise(other < b->s->n && bits_of(a->s->v[id]) == bits_of(b->s->v[other]),
                "the same numbers");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct label labels[] = {{STR("instance"), STR("db1:9100")},
                                          {STR("job"), STR("node")}};
    struct target kept, fresh;

    if (size == 0)
        return 0;
    const enum exposition_format f = data[0] & 1 ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
    const struct exposition_rules rules = {.labels = labels,
                                           .n_labels = 2,
                                           .honor_labels = data[0] & 2,
                                           .add_up = true,
                                           .wants = data[0] & 4 ? wants_some : NULL};
    const struct str body = {(const char *)data + 1, size - 1};
    const struct str half = {body.p, body.n / 2}, rest = {body.p + half.n, body.n - half.n};

    target_open(&kept, &rules);
    target_open(&fresh, &rules);
    (void)scrape(&kept, f, rest);
    (void)scrape(&kept, f, half);
    const enum rc rc = scrape(&fresh, f, body);
    promise(scrape(&kept, f, body) == rc, "what is remembered does not show");
    if (rc == OK) {
        check(&fresh);
        check_same(&fresh, &kept);
    } else {
        promise(strcmp(kept.err.msg, fresh.err.msg) == 0, "nor in what is said");
    }
    target_close(&kept);
    target_close(&fresh);
    return 0;
}
