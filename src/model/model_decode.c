/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "model/model_file.h"
#include "model/model_private.h"
#include "model/news.h"

/* Bytes of a model file to a model. Nothing is allocated before the bytes that fill it are known
 * to be there. A read past the end gives zeros and marks the section short: it is looked at once,
 * at the end of each section or before an allocation. */
struct reader {
    const char *name; /* of the file, for messages */
    const char *tag;  /* of the section in hand */
    const uint8_t *p;
    size_t left; /* in the section */
    bool is_short;
};

__attribute__((format(printf, 3, 4))) static enum rc
malformed(const struct reader *r, struct err *err, const char *fmt, ...)
{
    char sentence[ERR_MSG_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap); /* cut at the end: still a sentence */
    va_end(ap);
    return err_set(err, E_PARSE, "'%s': model file, section %s: %s", r->name, r->tag, sentence);
}

/* n bytes, or NULL when the section is short of them. */
static const uint8_t *get(struct reader *r, size_t n)
{
    const uint8_t *p = r->p;

    if (r->is_short || n > r->left) {
        r->is_short = true;
        return NULL;
    }
    r->p += n;
    r->left -= n;
    return p;
}

static uint16_t get_u16(struct reader *r)
{
    const uint8_t *p = get(r, 2);
    uint16_t v = 0;

    if (p)
        memcpy(&v, p, sizeof v);
    return le16toh(v);
}

static uint32_t get_u32(struct reader *r)
{
    const uint8_t *p = get(r, 4);
    uint32_t v = 0;

    if (p)
        memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static uint64_t get_u64(struct reader *r)
{
    const uint8_t *p = get(r, 8);
    uint64_t v = 0;

    if (p)
        memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static float get_f32(struct reader *r)
{
    const uint32_t bits = get_u32(r);
    float v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

static double get_f64(struct reader *r)
{
    const uint64_t bits = get_u64(r);
    double v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

/* False when one is not finite. */
static bool get_f32s(struct reader *r, float *v, size_t n)
{
    bool finite = true;

    for (size_t i = 0; i < n; i++) {
        v[i] = get_f32(r);
        finite = finite && isfinite(v[i]);
    }
    return finite;
}

/* To z[capacity], which is zero. False when too long or not text. */
static bool get_str(struct reader *r, char *z, size_t capacity)
{
    const uint16_t n = get_u16(r);
    const uint8_t *p = get(r, n);

    if (!p || n >= capacity || !str_is_utf8((struct str){(const char *)p, n}))
        return false;
    memcpy(z, p, n);
    return true;
}

static enum rc get_provenance(struct reader *r, struct model *m, struct err *err)
{
    struct model_provenance *p = &m->provenance;

    p->created_ms = (int64_t)get_u64(r);
    p->first_ms = (int64_t)get_u64(r);
    p->last_ms = (int64_t)get_u64(r);
    p->seed = get_u64(r);
    p->settings = get_u64(r);
    if (!get_str(r, p->instance, sizeof p->instance) ||
        !get_str(r, p->profile, sizeof p->profile) || !get_str(r, p->version, sizeof p->version))
        return malformed(r, err, "expected three short texts");
    return OK;
}

static enum rc get_schema(struct reader *r, struct model *m, struct err *err)
{
    const uint64_t hash = get_u64(r), definition = get_u64(r);
    const uint32_t n = get_u32(r);

    enum { FEATURE_BYTES_LEAST = 3 * 2 + 4 };
    if (n == 0 || n > SCHEMA_FEATURES_MAX || r->left < (size_t)n * FEATURE_BYTES_LEAST)
        return malformed(r, err, "expected 1 to %d features and their bytes, found %u",
                         SCHEMA_FEATURES_MAX, n);
    CLEANUP(mem_freep) struct feature *f = mem_array(n, sizeof *f);
    if (!f)
        return err_set(err, E_NOMEM, "'%s': no memory for %u features", r->name, n);
    for (uint32_t i = 0; i < n; i++) {
        if (!get_str(r, f[i].name, sizeof f[i].name) || !get_str(r, f[i].unit, sizeof f[i].unit) ||
            !get_str(r, f[i].group, sizeof f[i].group))
            return malformed(r, err, "expected three short texts for feature %u", i + 1);
        f[i].resolution = get_f32(r);
        if (!(f[i].resolution >= 0 && isfinite(f[i].resolution)))
            return malformed(r, err, "expected a finite resolution of feature %u", i + 1);
    }
    const enum rc rc = schema_new(f, n, &m->schema, err);
    if (rc != OK)
        return err_wrap(err, "'%s': model file, section %s", r->name, r->tag);
    schema_define(m->schema, definition);
    if (m->schema->hash != hash)
        return malformed(r, err, "the hash does not fit the features");
    return OK;
}

static enum rc get_scaler(struct reader *r, struct model *m, struct err *err)
{
    enum { FEATURE_BYTES = 3 * 4 + 1 + 2 * 8 };
    struct scaler *s = &m->scaler;
    const size_t n = m->schema->n;
    const uint64_t rows = get_u64(r);

    if (r->is_short || r->left != n * FEATURE_BYTES)
        return malformed(r, err, "expected %zu bytes for %zu features, found %zu",
                         n * FEATURE_BYTES, n, r->left);
    const enum rc rc = scaler_alloc(n, s, err);
    if (rc != OK)
        return rc;
    s->rows = rows;
    bool good = get_f32s(r, s->low, n);
    good = get_f32s(r, s->span, n) && good;
    good = get_f32s(r, s->median, n) && good;
    memcpy(s->constant, get(r, n), n); /* the bytes are there: see above */
    for (size_t i = 0; i < n; i++)
        s->seen[i] = get_u64(r);
    for (size_t i = 0; i < n; i++)
        s->longest_still[i] = get_u64(r);
    for (size_t i = 0; i < n; i++)
        good = good && s->span[i] > 0 && s->constant[i] <= SCALER_WEIGHTLESS &&
               s->seen[i] <= rows && s->longest_still[i] <= s->seen[i];
    for (size_t i = 0; i < n; i++)
        m->schema->f[i].weightless = s->constant[i] == SCALER_WEIGHTLESS;
    return good ? OK : malformed(r, err, "expected finite bounds and a positive span");
}

static enum rc get_season(struct reader *r, struct model *m, struct err *err)
{
    const size_t n = m->schema->n;

    m->interval_ms = (int64_t)get_u64(r);
    const uint32_t slots = get_u32(r);
    const float place = get_f32(r);
    if (r->is_short || m->interval_ms < 0 || slots > SEASON_SLOTS || r->left != slots * n * 4)
        return malformed(r, err, "expected an interval, 0 to %d slots and their bytes, found %u",
                         SEASON_SLOTS, slots);
    if (!(place >= 0 && place <= 1))
        return malformed(r, err, "expected a place in the slot of 0 to 1");
    m->season.n = n;
    m->season.place = place;
    if (slots == 0)
        return OK;
    m->season.offset = mem_array(slots * n, sizeof *m->season.offset);
    if (!m->season.offset)
        return err_set(err, E_NOMEM, "'%s': no memory for %u slots", r->name, slots);
    m->season.slots = slots;
    return get_f32s(r, m->season.offset, slots * n) ? OK
                                                    : malformed(r, err, "expected finite offsets");
}

static enum rc get_units(struct reader *r, struct model *m, struct err *err)
{
    const size_t n = m->schema->n;

    if (r->left != 3 * n * 4)
        return malformed(r, err, "expected %zu units, found %zu bytes", 3 * n, r->left);
    if (model_alloc_units(m, n, err) != OK)
        return err_wrap(err, "'%s'", r->name);
    bool good = get_f32s(r, m->unit_level, 2 * n) && get_f32s(r, m->worst, n);
    for (size_t i = 0; i < 2 * n; i++)
        good = good && m->unit_level[i] > 0;
    for (size_t i = 0; i < n; i++)
        good = good && m->worst[i] >= 1 && m->worst[i] <= NEWS_WORST_MAX;
    return good ? OK
                : malformed(r, err, "expected finite units over 0, and a worst of 1 to %g",
                            (double)NEWS_WORST_MAX);
}

static enum rc get_net(struct reader *r, struct model *m, struct err *err)
{
    enum { LAYERS_MAX = sizeof m->net.layer / sizeof m->net.layer[0] };
    uint32_t widths[LAYERS_MAX];
    enum activation acts[LAYERS_MAX];
    uint64_t params = 0, in = m->schema->n;

    m->clip_low = get_f32(r);
    m->clip_high = get_f32(r);
    if (!isfinite(m->clip_low) || !isfinite(m->clip_high) || m->clip_low > m->clip_high)
        return malformed(r, err, "expected finite clip bounds in order");
    const uint32_t n_layers = get_u32(r);
    if (n_layers == 0 || n_layers > LAYERS_MAX)
        return malformed(r, err, "expected 1 to %d layers, found %u", LAYERS_MAX, n_layers);
    for (uint32_t i = 0; i < n_layers; i++) {
        widths[i] = get_u32(r);
        const uint32_t act = get_u32(r);
        if (widths[i] == 0 || widths[i] > NET_WIDTH_MAX || act > ACT_TANH)
            return malformed(r, err, "layer %u: expected a width of 1 to %d and a known activation",
                             i + 1, NET_WIDTH_MAX);
        acts[i] = (enum activation)act;
        params += in * widths[i] + widths[i];
        in = widths[i];
    }
    if (in != m->schema->n)
        return malformed(r, err, "expected a last layer of %zu, found %u", m->schema->n,
                         (unsigned)in);
    if (r->is_short || r->left != params * 4)
        return malformed(r, err, "expected %llu parameters, found %zu bytes",
                         (unsigned long long)params, r->left);
    const enum rc rc = net_init_layers(&m->net, m->schema->n, widths, acts, n_layers, err);
    if (rc != OK)
        return err_wrap(err, "'%s': model file, section %s", r->name, r->tag);
    if (m->net.n_params != params)
        return malformed(r, err, "expected %zu parameters, found %llu", m->net.n_params,
                         (unsigned long long)params);
    return get_f32s(r, m->net.params, params) ? OK
                                              : malformed(r, err, "expected finite parameters");
}

static enum rc get_stats(struct reader *r, struct model *m, struct err *err)
{
    (void)err;
    /* figures to print: any will do */
    m->stats.train_rows = get_u64(r);
    m->stats.validation_rows = get_u64(r);
    m->stats.train_mse = get_f64(r);
    m->stats.validation_mse = get_f64(r);
    m->stats.std = get_f64(r);
    m->stats.epochs = get_u32(r);
    return OK;
}

static enum rc get_scores(struct reader *r, struct model *m, struct err *err)
{
    const uint32_t n = get_u32(r);

    if (n > MODEL_SCORES_MAX || r->is_short || r->left != (size_t)n * 4)
        return malformed(r, err, "expected 0 to %d scores and their bytes, found %u and %zu bytes",
                         MODEL_SCORES_MAX, n, r->left);
    m->scores = mem_array(n, sizeof *m->scores);
    if (!m->scores)
        return err_set(err, E_NOMEM, "'%s': no memory for %u scores", r->name, n);
    m->n_scores = n;
    bool good = get_f32s(r, m->scores, n);
    for (uint32_t i = 1; i < n; i++)
        good = good && m->scores[i] >= m->scores[i - 1];
    return good ? OK : malformed(r, err, "expected finite scores in ascending order");
}

static enum rc get_peaks(struct reader *r, struct tail *t, uint32_t most, struct err *err)
{
    t->exposure_ms = (int64_t)get_u64(r);
    t->confirm.k = get_u32(r);
    t->confirm.of = get_u32(r);
    t->floor = get_f32(r);
    const uint32_t n = get_u32(r);
    if (n > most || r->is_short || r->left != (size_t)n * 8)
        return malformed(r, err, "expected 0 to %u peaks and their bytes, found %u and %zu bytes",
                         most, n, r->left);
    if (t->exposure_ms < 0 || t->confirm.k < 1 || t->confirm.k > t->confirm.of ||
        t->confirm.of > CONFIRM_OF_MAX || !isfinite(t->floor))
        return malformed(r, err, "expected a time from 0, confirmation by 1 <= k <= of <= %d",
                         CONFIRM_OF_MAX);
    t->peak = mem_array(n, sizeof *t->peak);
    if (!t->peak)
        return err_set(err, E_NOMEM, "'%s': no memory for %u peaks", r->name, n);
    t->n = n;
    bool good = true;
    for (uint32_t i = 0; i < n; i++) {
        t->peak[i].high = get_f32(r);
        t->peak[i].low = get_f32(r);
        good = good && isfinite(t->peak[i].high) && isfinite(t->peak[i].low);
    }
    return good ? OK : malformed(r, err, "expected finite peaks");
}

static enum rc get_tail(struct reader *r, struct model *m, struct err *err)
{
    return get_peaks(r, &m->tail, TAIL_PEAKS_MAX, err);
}

static enum rc get_trained(struct reader *r, struct model *m, struct err *err)
{
    return get_peaks(r, &m->trained, MODEL_TRAINED_MAX, err);
}

static enum rc get_threshold(struct reader *r, struct model *m, struct err *err)
{
    const uint32_t method = get_u32(r);

    m->threshold_spec.value = get_f64(r);
    m->threshold = get_f32(r);
    m->threshold_widening = get_f32(r);
    if (method > THRESHOLD_STAGED || !isfinite(m->threshold_spec.value) ||
        !isfinite(m->threshold) || !isfinite(m->threshold_widening))
        return malformed(r, err, "expected a known method and finite numbers");
    m->threshold_spec.method = (enum threshold_method)method;
    if (method == THRESHOLD_STAGED && !(m->threshold_spec.value > 0))
        return malformed(r, err, "expected so many alarms a week");
    return model_find_stage(m, err);
}

/* A section's head; r->left becomes the section's, *ret_after what follows it. */
static enum rc open_section(struct reader *r, const char *tag, size_t *ret_after, struct err *err)
{
    r->tag = tag;
    const uint8_t *found = get(r, 4);
    const uint64_t n = get_u64(r);

    if (r->is_short || memcmp(found, tag, 4) != 0)
        return malformed(r, err, "expected it here, found another or none");
    if (n > r->left)
        return malformed(r, err, "expected %llu bytes, found %zu", (unsigned long long)n, r->left);
    *ret_after = r->left - n;
    r->left = n;
    return OK;
}

/* The frame around the sections: whole, undamaged, of a version that we know. */
static enum rc check_frame(const uint8_t *p, size_t n, const char *name, struct err *err)
{
    struct reader head = {.name = name, .p = p, .left = n};
    const uint8_t *magic = get(&head, MODEL_MAGIC_SIZE);

    if (!magic || memcmp(magic, model_magic, MODEL_MAGIC_SIZE) != 0)
        return err_set(err, E_PARSE, "'%s': expected a tocsin model file, found %s", name,
                       n == 0 ? "an empty file" : "another kind of file");
    const uint32_t version = get_u32(&head), zero = get_u32(&head);
    const uint64_t length = get_u64(&head);
    if (head.is_short || length != n || n < MODEL_HEAD_SIZE + MODEL_CHECKSUM_SIZE)
        return err_set(err, E_PARSE,
                       "'%s': expected a model file of %llu bytes, found %zu: it is cut or damaged",
                       name, (unsigned long long)length, n);
    struct reader tail = {.p = p + n - MODEL_CHECKSUM_SIZE, .left = MODEL_CHECKSUM_SIZE};
    const uint64_t expected = get_u64(&tail), found = hash_bytes(p, n - MODEL_CHECKSUM_SIZE, 0);
    if (expected != found)
        return err_set(err, E_PARSE,
                       "'%s': expected a model file with checksum %016llx, found %016llx: it is "
                       "damaged",
                       name, (unsigned long long)expected, (unsigned long long)found);
    if (version > MODEL_VERSION)
        return err_set(err, E_STATE,
                       "'%s': expected a model file of version %d at most, found version %u: it is "
                       "of a newer tocsin",
                       name, MODEL_VERSION, version);
    if (version == 0 || zero != 0)
        return err_set(err, E_PARSE, "'%s': expected a model file of version %d, found %u", name,
                       MODEL_VERSION, version);
    if (version < MODEL_VERSION)
        return err_set(err, E_STATE,
                       "'%s': expected a model file of version %d, found version %u: it is of an "
                       "older tocsin; learn anew",
                       name, MODEL_VERSION, version);
    return OK;
}

enum rc model_decode(const void *p, size_t n, const char *name, struct model **ret, struct err *err)
{
    static enum rc (*const content[MODEL_SECTIONS])(struct reader *, struct model *,
                                                    struct err *) = {
        get_provenance, get_schema, get_scaler, get_season,  get_units,    get_net,
        get_stats,      get_scores, get_tail,   get_trained, get_threshold};
    enum rc rc = check_frame(p, n, name, err);
    if (rc != OK)
        return rc;

    CLEANUP(model_unrefp) struct model *m = mem_alloc(sizeof *m);
    if (!m)
        return err_set(err, E_NOMEM, "'%s': no memory for a model", name);
    atomic_init(&m->refs, 1);
    struct reader r = {.name = name,
                       .p = (const uint8_t *)p + MODEL_HEAD_SIZE,
                       .left = n - MODEL_HEAD_SIZE - MODEL_CHECKSUM_SIZE};
    for (size_t i = 0; i < MODEL_SECTIONS; i++) {
        size_t after = 0;
        rc = open_section(&r, model_tags[i], &after, err);
        if (rc == OK)
            rc = content[i](&r, m, err);
        if (rc == OK && r.is_short)
            rc = malformed(&r, err, "expected more bytes");
        if (rc == OK && r.left != 0)
            rc = malformed(&r, err, "expected its end, found %zu more bytes", r.left);
        if (rc != OK)
            return rc;
        r.left = after;
    }
    if (r.left != 0)
        return malformed(&r, err, "expected it to be the last, found %zu more bytes", r.left);
    *ret = TAKE(m);
    return OK;
}
