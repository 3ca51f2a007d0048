/* SPDX-License-Identifier: Apache-2.0 */
#include "source/exposition_series.h"

#include <string.h>

#include "base/mem.h"

#define EXPORTED "exported_" /* prometheus/common, model.ExportedLabelPrefix */

/* The final labels under way. */
struct mix {
    size_t n;
    struct label label[SERIES_LABELS_MAX];
    struct expo_scratch *scratch;
};

void expo_scratch_done(struct expo_scratch *s)
{
    mem_free(s->p);
    *s = (struct expo_scratch){0};
}

/* All texts of one series go into one block that is large enough from the start, so that none
 * moves. */
static bool reserve(struct expo_scratch *s, size_t n)
{
    s->n = 0;
    if (n <= s->capacity)
        return true;
    char *p = mem_grow(s->p, n, 1);
    if (!p)
        return false;
    s->p = p;
    s->capacity = n;
    return true;
}

/* \\ \" and \n turned back; any other backslash stays, as Go's strings.NewReplacer leaves it. */
static struct str unescape(struct expo_scratch *s, struct str raw)
{
    char *to = s->p + s->n;
    size_t n = 0;

    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];
        if (c == '\\' && i + 1 < raw.n) {
            const char next = raw.p[i + 1];
            if (next == '\\' || next == '"' || next == 'n') {
                c = next == 'n' ? '\n' : next;
                i++;
            }
        }
        to[n++] = c;
    }
    s->n += n;
    return (struct str){to, n};
}

static bool key_has(const struct expo_key *key, struct str name)
{
    for (size_t i = 0; i < key->n_labels; i++)
        if (str_eq(key->label[i].name, name))
            return true;
    return false;
}

static bool labels_have(const struct label *labels, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(labels[i].name, name))
            return true;
    return false;
}

/* exported_NAME, with as many exported_ as make it new. */
static struct str exported_name(struct mix *m, const struct expo_key *key,
                                const struct exposition_rules *rules, struct str name)
{
    const size_t n = sizeof EXPORTED - 1;
    struct str ret = name;

    do {
        char *to = m->scratch->p + m->scratch->n;
        memmove(to + n, ret.p, ret.n); /* the last try may stand right there */
        memcpy(to, EXPORTED, n);
        ret = (struct str){to, ret.n + n};
    } while (key_has(key, ret) || labels_have(rules->labels, rules->n_labels, ret) ||
             labels_have(m->label, m->n, ret));
    m->scratch->n += ret.n;
    return ret;
}

static enum rc refuse_twice(const struct expo_key *key, struct err *err)
{
    for (size_t i = 0; i < key->n_labels; i++) {
        const struct str name = key->label[i].name;
        bool twice = str_eq(name, STR("__name__"));
        for (size_t j = 0; j < i && !twice; j++)
            twice = str_eq(key->label[j].name, name);
        if (twice)
            return err_set(err, E_PARSE, "the label '%.*s' comes twice",
                           (int)(name.n < 64 ? name.n : 64), name.p);
    }
    return OK;
}

/* Bytes that unescaped values and new names may take together. A new name is the old one behind
 * as many exported_ as there are names in its way, and one more. */
static size_t text_bound(const struct expo_key *key, const struct exposition_rules *rules)
{
    const size_t in_the_way = 2 * key->n_labels + rules->n_labels;
    size_t n = (in_the_way + 2) * (sizeof EXPORTED - 1) * (rules->n_labels + 1);

    for (size_t i = 0; i < key->n_labels; i++)
        n += key->label[i].value.n + key->label[i].name.n;
    return n;
}

static void add(struct mix *m, struct str name, struct str value)
{
    if (value.n) /* an empty one is none */
        m->label[m->n++] = (struct label){name, value};
}

/* The exporter's labels in the target's way, which stay as exported_NAME: short names first, as
 * Prometheus sorts them (equal ones by name, the order of its labels). */
static void rename_clashes(struct mix *m, const struct expo_key *key,
                           const struct exposition_rules *rules, struct label *clash, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0; j--) {
            const struct str a = clash[j - 1].name, b = clash[j].name;
            if (a.n < b.n || (a.n == b.n && memcmp(a.p, b.p, a.n) < 0))
                break;
            const struct label swap = clash[j];
            clash[j] = clash[j - 1];
            clash[j - 1] = swap;
        }
    for (size_t i = 0; i < n; i++)
        add(m, exported_name(m, key, rules, clash[i].name), clash[i].value);
}

/* The exporter's labels and the target's; there is room for all. */
static void mix_labels(struct mix *m, const struct expo_key *key,
                       const struct exposition_rules *rules)
{
    struct label clash[SERIES_LABELS_MAX];
    size_t n_clash = 0;

    for (size_t i = 0; i < rules->n_labels; i++)
        if (!rules->honor_labels || !key_has(key, rules->labels[i].name))
            add(m, rules->labels[i].name, rules->labels[i].value);
    for (size_t i = 0; i < key->n_labels; i++) {
        const struct expo_label *l = &key->label[i];
        const struct str value = l->escaped ? unescape(m->scratch, l->value) : l->value;
        if (rules->honor_labels || !labels_have(rules->labels, rules->n_labels, l->name))
            add(m, l->name, value);
        else if (value.n)
            clash[n_clash++] = (struct label){l->name, value};
    }
    rename_clashes(m, key, rules, clash, n_clash);
}

enum rc expo_series(const struct expo_key *key, const struct exposition_rules *rules,
                    enum metric_type type, struct series_set *set, struct expo_scratch *scratch,
                    uint32_t *ret_id, struct err *err)
{
    struct mix m = {.n = 0, .scratch = scratch};
    size_t text;

    *ret_id = EXPO_OVER;
    if (key->n_labels + rules->n_labels > SERIES_LABELS_MAX)
        return OK;
    if (refuse_twice(key, err) != OK)
        return err->rc;
    if (!reserve(scratch, text_bound(key, rules)))
        return err_set(err, E_NOMEM, "no memory for the labels of a series");
    mix_labels(&m, key, rules);
    text = key->name.n;
    for (size_t i = 0; i < m.n; i++)
        text += m.label[i].name.n + m.label[i].value.n;
    if (text > SERIES_TEXT_MAX)
        return OK;
    *ret_id = EXPO_UNWANTED;
    if (rules->wants && !rules->wants(rules->wants_arg, key->name, m.label, m.n))
        return OK;
    return series_set_intern(set, key->name, m.label, m.n, type, ret_id, err);
}
