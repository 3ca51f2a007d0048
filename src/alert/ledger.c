/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/ledger.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

struct entry {
    uint64_t id;                 /* of this entry, never used again */
    uint64_t version;            /* of its news */
    int64_t due_ms, sent_ms;     /* sent_ms: of the last settled send; INT64_MIN: none */
    int64_t over_ms;             /* when the end came; 0: it rings */
    bool knows_start, knows_end; /* what the receiver has taken of this incident */
    struct alert alert;
};

struct ledger {
    int64_t resend_ms;
    uint64_t last_id;
    size_t n, room;
    uint64_t *key; /* [n] hash of instance and kind: beside the entries, for they are long */
    struct entry *v;
};

enum rc ledger_new(int64_t resend_ms, struct ledger **ret, struct err *err)
{
    struct ledger *l = mem_alloc(sizeof *l);

    if (!l)
        return err_set(err, E_NOMEM, "alerts: no memory");
    l->resend_ms = resend_ms;
    *ret = l;
    return OK;
}

void ledger_free(struct ledger *l)
{
    if (!l)
        return;
    mem_free(l->key);
    mem_free(l->v);
    mem_free(l);
}

size_t ledger_length(const struct ledger *l)
{
    return l->n;
}

static uint64_t key_of(const struct alert *a)
{
    return hash_bytes(a->instance, strlen(a->instance), (uint64_t)a->kind);
}

static struct entry *find(const struct ledger *l, const struct alert *a)
{
    const uint64_t key = key_of(a);

    for (size_t i = 0; i < l->n; i++)
        if (l->key[i] == key && l->v[i].alert.kind == a->kind &&
            strcmp(l->v[i].alert.instance, a->instance) == 0)
            return &l->v[i];
    return NULL;
}

static void drop(struct ledger *l, struct entry *e)
{
    l->key[e - l->v] = l->key[--l->n];
    *e = l->v[l->n];
    if (l->n == 0) { /* a bad hour's memory goes back */
        mem_free(l->key);
        mem_free(l->v);
        l->key = NULL;
        l->v = NULL;
        l->room = 0;
    }
}

/* Room for one more: at the limit the one that is over for longest makes it. */
static enum rc make_room(struct ledger *l, struct err *err)
{
    struct entry *oldest = NULL;

    if (l->n < l->room)
        return OK;
    if (l->n < LEDGER_MAX) {
        const size_t room = l->room ? 2 * l->room : 8;
        struct entry *v = mem_grow(l->v, room, sizeof *v);
        if (v)
            l->v = v;
        uint64_t *key = v ? mem_grow(l->key, room, sizeof *key) : NULL;
        if (!key)
            return err_set(err, E_NOMEM, "alerts: no memory");
        l->key = key;
        l->room = room;
        return OK;
    }
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].over_ms && (!oldest || l->v[i].over_ms < oldest->over_ms))
            oldest = &l->v[i];
    if (!oldest)
        return err_set(err, E_LIMIT, "alerts: %d incidents are open already", LEDGER_MAX);
    drop(l, oldest);
    return OK;
}

static void update(struct entry *e, const struct alert *a, int64_t now_ms)
{
    const bool ends = a->end_ms && !e->over_ms, goes_on = !a->end_ms && e->over_ms;

    e->alert = *a;
    e->version++;
    if (ends || goes_on) {
        e->over_ms = ends ? now_ms : 0;
        e->knows_start = e->knows_start && ends;
        e->knows_end = false;
        e->due_ms = now_ms;
    } else if (e->sent_ms != INT64_MIN && e->due_ms > e->sent_ms + LEDGER_UPDATE_MS) {
        e->due_ms = e->sent_ms + LEDGER_UPDATE_MS;
    }
}

enum rc ledger_take(struct ledger *l, const struct alert *a, int64_t now_ms, struct err *err)
{
    struct entry *e = find(l, a);

    if (e && a->start_ms < e->alert.start_ms)
        return OK;
    if (e && a->start_ms == e->alert.start_ms) {
        update(e, a, now_ms);
        return OK;
    }
    if (!e) {
        if (make_room(l, err) != OK)
            return err->rc;
        l->key[l->n] = key_of(a);
        e = &l->v[l->n++];
    }
    *e = (struct entry){.id = ++l->last_id,
                        .due_ms = now_ms,
                        .sent_ms = INT64_MIN,
                        .over_ms = a->end_ms ? now_ms : 0,
                        .alert = *a};
    return OK;
}

enum rc ledger_recall(struct ledger *l, const struct alert *a, int64_t now_ms, struct err *err)
{
    const enum rc rc = ledger_take(l, a, now_ms, err);
    struct entry *e = rc == OK ? find(l, a) : NULL;

    if (e && e->sent_ms == INT64_MIN)
        e->due_ms = now_ms + l->resend_ms;
    return rc;
}

int64_t ledger_next_ms(const struct ledger *l, int64_t now_ms)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < l->n; i++) {
        const struct entry *e = &l->v[i];
        if (e->due_ms < next)
            next = e->due_ms;
        if (e->over_ms && e->over_ms + LEDGER_OVER_MS < next)
            next = e->over_ms + LEDGER_OVER_MS;
    }
    if (l->n == 0)
        return -1;
    return next > now_ms ? next : now_ms;
}

size_t ledger_due(const struct ledger *l, int64_t now_ms, struct ledger_loan *out, size_t n)
{
    size_t k = 0;

    for (size_t i = 0; i < l->n && k < n; i++) {
        const struct entry *e = &l->v[i];
        if (e->due_ms > now_ms)
            continue;
        out[k].at = i;
        out[k].id = e->id;
        out[k].version = e->version;
        out[k].alert = e->alert;
        k++;
    }
    return k;
}

enum ledger_news ledger_settle(struct ledger *l, const struct ledger_loan *loan, bool taken,
                               int64_t now_ms)
{
    struct entry *e = loan->at < l->n && l->v[loan->at].id == loan->id ? &l->v[loan->at] : NULL;
    enum ledger_news news = LEDGER_NOTHING;

    for (size_t i = 0; i < l->n && !e; i++) /* another went meanwhile, and it moved */
        if (l->v[i].id == loan->id)
            e = &l->v[i];
    if (!e)
        return LEDGER_NOTHING;
    e->sent_ms = now_ms;
    if (taken && loan->alert.end_ms && !e->knows_end) {
        e->knows_start = e->knows_end = true;
        news = LEDGER_OVER;
    } else if (taken && !loan->alert.end_ms && !e->knows_start) {
        e->knows_start = true;
        news = LEDGER_RINGS;
    }
    if (e->version == loan->version)
        e->due_ms = now_ms + l->resend_ms;
    else if (!e->over_ms || loan->alert.end_ms) /* only its text is other than what was sent */
        e->due_ms = now_ms + (l->resend_ms < LEDGER_UPDATE_MS ? l->resend_ms : LEDGER_UPDATE_MS);
    return news;
}

bool ledger_forget(struct ledger *l, int64_t now_ms, struct alert *ret, bool *ret_taken)
{
    for (size_t i = 0; i < l->n; i++) {
        struct entry *e = &l->v[i];
        if (!e->over_ms || now_ms - e->over_ms < LEDGER_OVER_MS)
            continue;
        *ret = e->alert;
        *ret_taken = e->knows_end;
        drop(l, e);
        return true;
    }
    return false;
}
