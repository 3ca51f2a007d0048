/* SPDX-License-Identifier: Apache-2.0 */
#include "source/exposition.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "source/exposition_lex.h"
#include "source/exposition_lines.h"
#include "source/exposition_number.h"
#include "source/exposition_series.h"

/* How many lines a body may have lost in one place for the rest to be found again at once: a
 * device or a process with all its series. Past that, its lines are read anew. */
enum { AHEAD = 128 };
enum { FIRST = 1024 }; /* entries of a table at first: a Node Exporter's */

struct exposition_layout {
    struct exposition_rules rules; /* labels: in the same block as this */
    struct series_set *set;
    struct expo_lines lines; /* of the last good body */
    enum exposition_format format;
    uint32_t up_id;
};

struct sample {
    double v;
    uint32_t id;
};

struct stamp {
    uint32_t at; /* in sample */
    int64_t ts_ms;
};

struct exposition_parser {
    struct sample *sample; /* wanted ones of this body */
    struct stamp *stamp;   /* those of them that have a time of their own, in order */
    int64_t *newest_ms;    /* by id, when there are stamps */
    uint32_t *line_at;     /* where the lines of this body begin, with their gaps */
    size_t n, capacity, n_stamps, stamps_capacity, newest_capacity, n_lines, lines_capacity;
    struct expo_scratch scratch;
};

/* One parse under way. */
struct reader {
    struct exposition_parser *p;
    struct exposition_layout *l;
    struct expo_lex lex;
    size_t at;       /* next line of l->lines */
    size_t not_here; /* number + 1 of the one that was looked for in vain where it was next */
    bool anew;       /* the body differs: `made` is its layout so far */
    struct expo_lines made;
    size_t family_upto; /* lines before this are in family */
    struct expo_family family;
    struct exposition_counts counts;
};

/* -- parser and layout -- */

enum rc exposition_parser_new(struct exposition_parser **ret, struct err *err)
{
    struct exposition_parser *p = mem_alloc(sizeof *p);

    if (!p)
        return err_set(err, E_NOMEM, "no memory for a parser of expositions");
    *ret = p;
    return OK;
}

void exposition_parser_free(struct exposition_parser *p)
{
    if (!p)
        return;
    mem_free(p->sample);
    mem_free(p->stamp);
    mem_free(p->newest_ms);
    mem_free(p->line_at);
    expo_scratch_done(&p->scratch);
    mem_free(p);
}

static struct str copy_text(char **to, struct str s)
{
    char *p = *to;
    if (s.n)
        memcpy(p, s.p, s.n);
    *to += s.n;
    return (struct str){p, s.n};
}

enum rc exposition_layout_new(const struct exposition_rules *rules, struct exposition_layout **ret,
                              struct err *err)
{
    size_t text = 0;

    if (rules->n_labels > SERIES_LABELS_MAX)
        return err_set(err, E_LIMIT, "a target has at most %d labels, found %zu", SERIES_LABELS_MAX,
                       rules->n_labels);
    for (size_t i = 0; i < rules->n_labels; i++)
        text += rules->labels[i].name.n + rules->labels[i].value.n;
    if (text > SERIES_TEXT_MAX)
        return err_set(err, E_LIMIT, "a target's labels have at most %d bytes, found %zu",
                       SERIES_TEXT_MAX, text);
    CLEANUP(exposition_layout_freep)
    struct exposition_layout *l =
        mem_alloc(sizeof *l + rules->n_labels * sizeof(struct label) + text);
    if (!l)
        return err_set(err, E_NOMEM, "no memory for a target's layout");
    struct label *labels = (struct label *)(l + 1);
    char *to = (char *)(labels + rules->n_labels);
    for (size_t i = 0; i < rules->n_labels; i++) {
        labels[i].name = copy_text(&to, rules->labels[i].name);
        labels[i].value = copy_text(&to, rules->labels[i].value);
    }
    l->rules = *rules;
    l->rules.labels = labels;
    *ret = TAKE(l);
    return OK;
}

void exposition_layout_free(struct exposition_layout *l)
{
    if (!l)
        return;
    expo_lines_done(&l->lines);
    series_set_unref(l->set);
    mem_free(l);
}

size_t exposition_layout_bytes(const struct exposition_layout *l)
{
    return sizeof *l + l->lines.capacity * sizeof(struct expo_line) + l->lines.keys_capacity;
}

/* -- samples -- */

static enum rc more_lines(struct exposition_parser *p, struct err *err)
{
    void *array = p->line_at;
    const enum rc rc =
        expo_grow(&array, &p->lines_capacity, p->n_lines + 1, sizeof *p->line_at, FIRST, err);

    p->line_at = array;
    return rc;
}

static enum rc more_samples(struct exposition_parser *p, struct err *err)
{
    void *array = p->sample;
    const enum rc rc = expo_grow(&array, &p->capacity, p->n + 1, sizeof *p->sample, FIRST, err);

    p->sample = array;
    return rc;
}

static enum rc add_sample(struct reader *r, size_t at, uint32_t id, const struct expo_tail *tail,
                          struct err *err)
{
    struct exposition_parser *p = r->p;

    if (p->n_lines == p->lines_capacity && more_lines(p, err) != OK)
        return err->rc;
    p->line_at[p->n_lines++] = (uint32_t)at; /* below EXPOSITION_BODY_MAX */
    r->counts.over_limit += id == EXPO_OVER;
    if (!expo_is_series(id))
        return OK;
    if (p->n == p->capacity && more_samples(p, err) != OK)
        return err->rc;
    if (tail->stamped) {
        void *array = p->stamp;
        const enum rc rc =
            expo_grow(&array, &p->stamps_capacity, p->n_stamps + 1, sizeof *p->stamp, FIRST, err);
        p->stamp = array;
        if (rc != OK)
            return rc;
        p->stamp[p->n_stamps++] = (struct stamp){(uint32_t)p->n, tail->ts_ms};
    }
    p->sample[p->n++] = (struct sample){tail->value, id};
    return OK;
}

/* Where samples have times of their own, the newest of a series counts, the first among equals. */
static enum rc place_stamped(struct reader *r, struct snapshot *s, struct err *err)
{
    struct exposition_parser *p = r->p;
    size_t next = 0;
    void *array = p->newest_ms;

    const enum rc rc =
        expo_grow(&array, &p->newest_capacity, s->n, sizeof *p->newest_ms, FIRST, err);
    p->newest_ms = array;
    if (rc != OK)
        return rc;
    for (size_t i = 0; i < p->n; i++) {
        const struct sample *a = &p->sample[i];
        int64_t ts_ms = s->ts_ms;
        if (next < p->n_stamps && p->stamp[next].at == i)
            ts_ms = p->stamp[next++].ts_ms;
        const bool timely =
            ts_ms >= s->ts_ms - EXPOSITION_PAST_MS && ts_ms <= s->ts_ms + EXPOSITION_FUTURE_MS;
        const bool first = series_is_stale(s->v[a->id]);
        r->counts.untimely += !timely;
        r->counts.repeated += timely && !first;
        if (!timely || (!first && ts_ms <= p->newest_ms[a->id]))
            continue;
        s->v[a->id] = a->v;
        p->newest_ms[a->id] = ts_ms;
        r->counts.taken += first;
    }
    return OK;
}

/* A number that was parsed is never the stale marker: so what is not stale has come before. */
static void place(struct reader *r, struct snapshot *s)
{
    const struct exposition_parser *p = r->p;

    for (size_t i = 0; i < p->n; i++) {
        double *v = &s->v[p->sample[i].id];
        if (series_is_stale(*v))
            *v = p->sample[i].v;
        else
            r->counts.repeated++;
    }
    r->counts.taken = p->n - r->counts.repeated;
}

static enum rc make_snapshot(struct reader *r, int64_t ts_ms, struct snapshot **ret,
                             struct err *err)
{
    CLEANUP(snapshot_freep) struct snapshot *s = snapshot_new(r->l->set, ts_ms);

    if (!s)
        return err_set(err, E_NOMEM, "no memory for %zu samples", r->p->n);
    if (r->p->n_stamps == 0)
        place(r, s);
    else if (place_stamped(r, s, err) != OK)
        return err->rc;
    if (expo_is_series(r->l->up_id))
        s->v[r->l->up_id] = 1;
    *ret = TAKE(s);
    return OK;
}

/* -- lines -- */

/* The line as it was last time, but for its tail. False: it is not, and nothing has happened. */
static bool is_known(struct reader *r, struct expo_tail *ret)
{
    const struct expo_lines *t = &r->l->lines;
    struct expo_lex *x = &r->lex;
    const char *from = x->p;
    struct err ignored;

    /* Looked for once: to hash what may be many MiB for each new line before it would be
     * quadratic. find_ahead, which knows the key's length, will find it. */
    if (r->at == t->n || r->not_here == r->at + 1)
        return false;
    if (!expo_lines_begin(t, r->at, from, x->end)) {
        r->not_here = r->at + 1;
        return false;
    }
    const char *value = from + t->line[r->at].key_n;
    if (x->end - value >= EXPO_NUMBER_ROOM) {
        const char *newline = expo_number_fast(value, &ret->value);
        if (newline) {
            ret->stamped = false;
            x->p = newline + 1;
            return true;
        }
    }
    x->p = value;
    x->quiet = true;
    const enum rc rc = expo_lex_tail(x, ret, &ignored);
    x->quiet = false;
    if (rc == OK)
        return true;
    x->p = from; /* "a {b="c"} 1" where "a 1" was; or an error, which then shows again */
    return false;
}

/* The TYPE that is in force after the lines so far: it is in one of their gaps, into which nobody
 * looked where a line was known. */
static void find_family(struct reader *r)
{
    const struct exposition_parser *p = r->p;

    for (size_t i = p->n_lines; i > r->family_upto; i--) {
        const char *from = r->lex.begin + p->line_at[i - 1];
        struct expo_lex gap = {.begin = from,
                               .p = from,
                               .end = r->lex.end, /* it ends at the name */
                               .openmetrics = r->lex.openmetrics,
                               .quiet = true};
        struct expo_family family = {.said = false};
        struct err err;
        bool more;

        if (!strchr("# \t\n", *from))
            continue; /* no gap, the name at once */
        if (expo_lex_gap(&gap, &family, &more, &err) == OK && family.said) {
            r->family = family;
            break;
        }
    }
    r->family_upto = p->n_lines;
}

/* Where key is among the lines that come next, or SIZE_MAX. */
static size_t find_ahead(const struct reader *r, struct str key)
{
    const struct expo_lines *t = &r->l->lines;
    const size_t end = t->n - r->at > AHEAD ? r->at + AHEAD : t->n;
    const uint64_t hash = hash_bytes(key.p, key.n, 0);

    for (size_t i = r->at; i < end; i++)
        if (expo_lines_is(t, i, key, hash))
            return i;
    return SIZE_MAX;
}

/* gap: what TYPE the key's own gap said. */
static enum rc series_of(struct reader *r, const struct expo_key *key,
                         const struct expo_family *gap, uint32_t *ret_id, struct err *err)
{
    struct err cause;

    find_family(r);
    if (gap->said)
        r->family = *gap;
    const enum rc rc = expo_series(key, &r->l->rules, expo_family_type(&r->family, key->name),
                                   r->l->set, &r->p->scratch, ret_id, &cause);
    if (rc == E_PARSE) {
        char expected[ERR_MSG_MAX + 32];
        (void)snprintf(expected, sizeof expected, "each label once (%s)", cause.msg);
        return expo_lex_fail(&r->lex, key->name.p, expected, err);
    }
    return rc == OK ? OK : err_set(err, rc, "%s", cause.msg);
}

/* A line that is not at its old place, from the byte `from` on: x->p is at its name. */
static enum rc read_anew(struct reader *r, const char *from, const struct expo_family *gap,
                         uint32_t *ret_id, struct expo_tail *ret_tail, struct err *err)
{
    struct expo_lex *x = &r->lex;
    struct expo_key key;

    if (!r->anew && expo_lines_copy(&r->made, &r->l->lines, r->at, err) != OK)
        return err->rc;
    r->anew = true;
    if (expo_lex_key(x, &key, err) != OK)
        return err->rc;
    const struct str bytes = {from, (size_t)(x->p - from)};
    if (expo_lex_tail(x, ret_tail, err) != OK)
        return err->rc;
    const size_t known = find_ahead(r, bytes);
    r->counts.learned += known != r->at; /* else new lines before it are all that differs */
    if (known != SIZE_MAX) {
        r->at = known + 1;
        *ret_id = r->l->lines.line[known].id;
    } else if (series_of(r, &key, gap, ret_id, err) != OK) {
        return err->rc;
    }
    return expo_lines_add(&r->made, bytes, *ret_id, err);
}

/* The next sample; *ret_more: there was one, and not the end. */
static enum rc read_line(struct reader *r, bool *ret_more, struct err *err)
{
    const struct expo_lines *t = &r->l->lines;
    const char *from = r->lex.p;
    struct expo_tail tail = {.value = 0};
    uint32_t id = EXPO_UNWANTED;

    *ret_more = true;
    if (is_known(r, &tail)) {
        id = t->line[r->at].id;
        if (r->anew && expo_lines_keep(&r->made, t, r->at, err) != OK)
            return err->rc;
        r->at++;
    } else {
        struct expo_family gap = {.said = false};
        if (expo_lex_gap(&r->lex, &gap, ret_more, err) != OK)
            return err->rc;
        if (!*ret_more)
            return OK;
        if (read_anew(r, from, &gap, &id, &tail, err) != OK)
            return err->rc;
    }
    return add_sample(r, (size_t)(from - r->lex.begin), id, &tail, err);
}

/* -- a body -- */

static enum rc new_set(struct exposition_layout *l, struct err *err)
{
    struct series_set *set;
    struct expo_scratch none = {0};
    const struct expo_key up = {.name = STR("up")};

    if (series_set_new(&set, err) != OK)
        return err->rc;
    l->up_id = EXPO_UNWANTED;
    if (l->rules.add_up &&
        expo_series(&up, &l->rules, METRIC_GAUGE, set, &none, &l->up_id, err) != OK) {
        expo_scratch_done(&none);
        series_set_unref(set);
        return err->rc;
    }
    expo_scratch_done(&none);
    series_set_unref(l->set);
    l->set = set;
    expo_lines_done(&l->lines); /* its numbers were of the old set */
    return OK;
}

static enum rc read_body(struct exposition_parser *p, struct exposition_layout *l,
                         enum exposition_format format, struct str body, int64_t ts_ms,
                         struct snapshot **ret, struct exposition_counts *ret_counts,
                         struct err *err)
{
    struct reader r = {.p = p, .l = l};

    if (format != l->format)
        expo_lines_done(&l->lines); /* what is a key in one is not always one in the other */
    l->format = format;
    r.lex = (struct expo_lex){.begin = body.p,
                              .p = body.p,
                              .end = body.p + body.n,
                              .openmetrics = format == EXPOSITION_OPENMETRICS};
    p->n = p->n_stamps = p->n_lines = 0;
    enum rc rc = OK;
    for (bool more = true; more && rc == OK;)
        rc = read_line(&r, &more, err);
    if (rc == OK)
        rc = make_snapshot(&r, ts_ms, ret, err);
    if (rc != OK) {
        expo_lines_done(&r.made);
        return rc;
    }
    if (r.anew) {
        expo_lines_done(&l->lines);
        l->lines = r.made;
        expo_lines_fit(&l->lines);
    }
    *ret_counts = r.counts;
    ret_counts->samples = p->n_lines;
    return OK;
}

enum rc exposition_parse(struct exposition_parser *p, struct exposition_layout *l,
                         enum exposition_format format, struct str body, int64_t ts_ms,
                         struct snapshot **ret_snapshot, struct exposition_counts *ret_counts,
                         struct err *err)
{
    if (body.n > EXPOSITION_BODY_MAX)
        return err_set(err, E_LIMIT, "a body of at most %d bytes, found %zu", EXPOSITION_BODY_MAX,
                       body.n);
    if (body.n == 0)
        body.p = "";
    if (!l->set && new_set(l, err) != OK)
        return err->rc;
    const enum rc rc = read_body(p, l, format, body, ts_ms, ret_snapshot, ret_counts, err);
    if (rc != E_LIMIT)
        return rc;
    /* A set only grows: one that is full of what is gone makes room for a new one. */
    if (new_set(l, err) != OK)
        return err->rc;
    return read_body(p, l, format, body, ts_ms, ret_snapshot, ret_counts, err);
}

enum exposition_format exposition_format_of(const char *content_type)
{
    static const char wanted[] = "application/openmetrics-text";
    const size_t n = sizeof wanted - 1;

    if (!content_type)
        return EXPOSITION_TEXT;
    content_type += strspn(content_type, " \t");
    if (strncasecmp(content_type, wanted, n) != 0)
        return EXPOSITION_TEXT;
    const char after = content_type[n];
    return after == '\0' || after == ';' || after == ' ' || after == '\t' ? EXPOSITION_OPENMETRICS
                                                                          : EXPOSITION_TEXT;
}
