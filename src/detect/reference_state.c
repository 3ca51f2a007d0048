/* SPDX-License-Identifier: Apache-2.0 */
/* reference: its state as bytes, and back. One function walks the fields for both directions, so
 * that they cannot differ.
 *
 *   magic, version (u32); schema hash (u64); features (u32); fields of struct reference; each
 *   track's fields; XXH3 of all before (u64). Little-endian, as the machines that tocsin runs on.
 */
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "detect/reference_private.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "state files are little-endian");

enum { MAGIC = 0x66657274 /* "tref" */, VERSION = 1 };

struct walk {
    struct buf *out;         /* writing */
    const unsigned char *in; /* reading: the next byte, */
    size_t left;             /* and how many there are */
    bool malformed;          /* they did not suffice, or were none that are written */
};

static void bytes(struct walk *w, void *p, size_t n)
{
    if (w->out) {
        buf_add(w->out, p, n);
    } else if (w->left < n) {
        w->malformed = true;
    } else {
        memcpy(p, w->in, n);
        w->in += n;
        w->left -= n;
    }
}

static void flag(struct walk *w, bool *p)
{
    uint8_t v = *p;

    bytes(w, &v, sizeof v);
    w->malformed |= v > 1;
    *p = v == 1;
}

static void walk_change(struct walk *w, struct slow_change *c)
{
    struct incident *const in = &c->incident;

    bytes(w, &in->id, sizeof in->id);
    bytes(w, &in->start_ms, sizeof in->start_ms);
    bytes(w, &in->peak_ms, sizeof in->peak_ms);
    bytes(w, &in->peak_score, sizeof in->peak_score);
    bytes(w, &in->threshold, sizeof in->threshold);
    bytes(w, &in->n_causes, sizeof in->n_causes);
    for (size_t k = 0; k < CAUSES_MAX; k++) {
        bytes(w, &in->causes[k].feature, sizeof in->causes[k].feature);
        bytes(w, &in->causes[k].value, sizeof in->causes[k].value);
        bytes(w, &in->causes[k].expected, sizeof in->causes[k].expected);
        bytes(w, &in->causes[k].share, sizeof in->causes[k].share);
        bytes(w, &c->slow[k].since_ms, sizeof c->slow[k].since_ms);
        bytes(w, &c->slow[k].learned_ms, sizeof c->slow[k].learned_ms);
        bytes(w, &c->slow[k].rate, sizeof c->slow[k].rate);
    }
}

static void walk_track(struct walk *w, struct track *t)
{
    bytes(w, t->expected, sizeof t->expected);
    bytes(w, t->recent, sizeof t->recent);
    bytes(w, t->days, sizeof t->days);
    bytes(w, &t->days_learned, sizeof t->days_learned);
    bytes(w, &t->side, sizeof t->side);
    flag(w, &t->named);
    bytes(w, &t->residual2, sizeof t->residual2);
    bytes(w, &t->low, sizeof t->low);
    bytes(w, &t->high, sizeof t->high);
    bytes(w, &t->departure, sizeof t->departure);
    bytes(w, &t->evidence, sizeof t->evidence);
    bytes(w, &t->slope_n, sizeof t->slope_n);
    bytes(w, &t->since, sizeof t->since);
    bytes(w, &t->based_ms, sizeof t->based_ms);
    bytes(w, &t->mean_t, sizeof t->mean_t);
    bytes(w, &t->mean_d, sizeof t->mean_d);
    bytes(w, &t->m_tt, sizeof t->m_tt);
    bytes(w, &t->m_td, sizeof t->m_td);
}

static void walk_state(struct walk *w, struct reference *r)
{
    bytes(w, &r->last_hour, sizeof r->last_hour);
    bytes(w, &r->day_start, sizeof r->day_start);
    bytes(w, &r->unlearnable, sizeof r->unlearnable);
    flag(w, &r->any);
    flag(w, &r->open);
    walk_change(w, &r->change);
    for (size_t i = 0; i < r->n; i++)
        walk_track(w, &r->track[i]);
}

struct head {
    uint32_t magic, version;
    uint64_t schema;
    uint64_t n;
};

void reference_encode(const struct reference *r, struct buf *out)
{
    const struct head head = {MAGIC, VERSION, r->schema_hash, r->n};
    struct walk w = {.out = out};
    const size_t from = out->n;

    buf_add(out, &head, sizeof head);
    /* written from, never to: the walk has one signature for both directions */
    walk_state(&w, (struct reference *)(uintptr_t)r);
    if (out->failed)
        return;
    const uint64_t sum = hash_bytes(out->p + from, out->n - from, 0);
    buf_add(out, &sum, sizeof sum);
}

int64_t reference_resume_ms(const struct reference *r)
{
    return r->any ? (r->last_hour + 1) * HOURS_MS : 0;
}

static bool time_fits(int64_t ms)
{
    return ms >= -REFERENCE_TIME_MAX && ms <= REFERENCE_TIME_MAX;
}

static bool hour_fits(int64_t hour)
{
    return hour >= -REFERENCE_TIME_MAX / HOURS_MS && hour <= REFERENCE_TIME_MAX / HOURS_MS;
}

static bool change_fits(const struct reference *r)
{
    const struct incident *const in = &r->change.incident;

    if (in->n_causes > CAUSES_MAX || !time_fits(in->start_ms) || !time_fits(in->peak_ms))
        return false;
    for (size_t k = 0; k < in->n_causes; k++)
        if (in->causes[k].feature >= r->n || !time_fits(r->change.slow[k].since_ms) ||
            !time_fits(r->change.slow[k].learned_ms))
            return false;
    return true;
}

static bool track_fits(const struct track *t)
{
    for (size_t h = 0; h < DAY; h++)
        if (t->days[h] > REFERENCE_DAYS)
            return false;
    return t->days_learned <= REFERENCE_DAYS && t->side >= -1 && t->side <= 1 &&
           t->residual2 >= 0 && t->evidence >= 0 && t->evidence <= 1 && hour_fits(t->since) &&
           time_fits(t->based_ms);
}

static bool state_fits(const struct reference *r)
{
    if (!hour_fits(r->last_hour) || !hour_fits(r->day_start) || !change_fits(r))
        return false;
    for (size_t i = 0; i < r->n; i++)
        if (!track_fits(&r->track[i]))
            return false;
    return true;
}

enum rc reference_decode(const void *p, size_t n, const struct schema *schema,
                         struct reference **ret, struct err *err)
{
    CLEANUP(reference_freep) struct reference *r = NULL;
    struct head head;
    uint64_t sum;

    if (n < sizeof head + sizeof sum)
        return err_set(err, E_PARSE, "reference: %zu bytes, too few for one", n);
    memcpy(&head, p, sizeof head);
    if (head.magic != MAGIC)
        return err_set(err, E_PARSE, "reference: these bytes are something else");
    if (head.version != VERSION)
        return err_set(err, E_STATE, "reference: version %u, expected %d", head.version, VERSION);
    memcpy(&sum, (const char *)p + n - sizeof sum, sizeof sum);
    if (hash_bytes(p, n - sizeof sum, 0) != sum)
        return err_set(err, E_PARSE, "reference: the checksum does not fit its %zu bytes", n);
    if (head.schema != schema->hash || head.n != schema->n)
        return err_set(err, E_STATE, "reference: of another schema (%016llx, expected %016llx)",
                       (unsigned long long)head.schema, (unsigned long long)schema->hash);
    if (reference_new(schema, &r, err) != OK)
        return err->rc;
    struct walk w = {.in = (const unsigned char *)p + sizeof head,
                     .left = n - sizeof head - sizeof sum};
    walk_state(&w, r);
    if (w.malformed || w.left != 0)
        return err_set(err, E_PARSE, "reference: %zu bytes do not fit %zu features", n, r->n);
    if (!state_fits(r))
        return err_set(err, E_PARSE, "reference: a value is outside its range");
    *ret = TAKE(r);
    return OK;
}
