/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "exchange/exchange.h"

enum { VECTORS = 8, /* low .. watch */ DAY_S = 86400 };

static const char score_of_fixed[] =
    "the reconstruction error: mean of the squared differences between scaled features and their "
    "reconstruction; tocsin compares it with the threshold";
static const char score_of_others[] =
    "the reconstruction error: mean of the squared differences between scaled features and their "
    "reconstruction, what /predict calls reconstruction_error; the score that tocsin compares with "
    "this model's threshold also knows each feature's usual deviation and the last frames, so the "
    "threshold is not of this number";
static const char score_of_raw[] =
    "none: the bare network, from scaled features to their reconstruction, scaled";

/* --- facts --- */

static enum rc add_text(struct exchange_plan *p, const char *key, const char *value,
                        struct err *err)
{
    return exchange_facts_add(&p->facts, str_of(key), str_of(value), err);
}

static enum rc add_buf(struct exchange_plan *p, const char *key, const struct buf *b,
                       struct err *err)
{
    if (b->failed)
        return err_set(err, E_NOMEM, "no memory for the facts of a model");
    return exchange_facts_add(&p->facts, str_of(key), (struct str){b->p ? b->p : "", b->n}, err);
}

static enum rc add_time(struct exchange_plan *p, const char *key, int64_t ms, struct err *err)
{
    char text[STR_RFC3339_MAX];

    if (ms == 0) /* not known */
        return OK;
    str_from_rfc3339_ms(ms, text);
    return add_text(p, key, text, err);
}

static enum rc add_lists(struct exchange_plan *p, const struct model *m, struct err *err)
{
    CLEANUP(buf_done) struct buf b;
    enum rc rc;

    buf_init(&b, EXCHANGE_FACT_BYTES_MAX);
    for (size_t i = 0; i < m->schema->n; i++)
        buf_printf(&b, "%s\n", m->schema->f[i].name);
    if ((rc = add_buf(p, EXCHANGE_FEATURES, &b, err)) != OK)
        return rc;
    buf_clear(&b);
    for (size_t i = 0; i < m->schema->n; i++)
        buf_printf(&b, "%s\n", m->schema->f[i].unit);
    if ((rc = add_buf(p, EXCHANGE_UNITS, &b, err)) != OK)
        return rc;
    buf_clear(&b);
    buf_puts(&b, "feature,min,max\n");
    for (size_t i = 0; i < m->schema->n; i++) {
        const double low = (double)m->scaler.low[i], span = (double)m->scaler.span[i];

        buf_printf(&b, "%s,", m->schema->f[i].name);
        buf_double(&b, low); /* in double: reading it gives the same low and span */
        buf_puts(&b, ",");
        buf_double(&b, low + span);
        buf_puts(&b, "\n");
    }
    return add_buf(p, EXCHANGE_SCALER, &b, err);
}

static enum rc add_facts(struct exchange_plan *p, const struct model *m, struct err *err)
{
    const struct model_provenance *const from = &m->provenance;
    CLEANUP(buf_done) struct buf b;
    char text[40];
    enum rc rc;

    buf_init(&b, sizeof text);
    if ((rc = add_text(p, EXCHANGE_VERSION, TOCSIN_VERSION, err)) != OK ||
        (rc = add_lists(p, m, err)) != OK)
        return rc;
    if (!p->raw || model_is_classic(m)) {
        buf_float(&b, m->threshold);
        if ((rc = add_buf(p, EXCHANGE_THRESHOLD, &b, err)) != OK ||
            (rc = add_text(p, EXCHANGE_THRESHOLD_METHOD,
                           threshold_method_name(m->threshold_spec.method), err)) != OK)
            return rc;
    }
    if ((rc = add_time(p, EXCHANGE_TRAINED_FROM, from->first_ms, err)) != OK ||
        (rc = add_time(p, EXCHANGE_TRAINED_TO, from->last_ms, err)) != OK)
        return rc;
    (void)snprintf(text, sizeof text, "%" PRIu64, m->stats.train_rows + m->stats.validation_rows);
    if ((rc = add_text(p, EXCHANGE_ROWS, text, err)) != OK)
        return rc;
    (void)snprintf(text, sizeof text, "%016" PRIx64, m->schema->hash);
    if ((rc = add_text(p, EXCHANGE_SCHEMA_HASH, text, err)) != OK)
        return rc;
    return add_text(p, EXCHANGE_SCORE,
                    p->raw                ? score_of_raw
                    : model_is_classic(m) ? score_of_fixed
                                          : score_of_others,
                    err);
}

/* --- the numbers --- */

static enum rc alloc_vectors(struct exchange_plan *p, const struct season *s, struct err *err)
{
    const size_t n = p->n;
    float *const block = mem_array((VECTORS + s->slots) * n + 2 * s->slots, sizeof *block);

    if (!block)
        return err_set(err, E_NOMEM, "no memory to export a model of %zu features", n);
    float **const vectors[VECTORS] = {&p->low,      &p->span,    &p->pass,   &p->fill,
                                      &p->out_span, &p->out_low, &p->weight, &p->watch};
    for (size_t v = 0; v < VECTORS; v++)
        *vectors[v] = block + v * n; /* the first owns them all */
    if (s->slots == 0)
        return OK;
    p->season_slots = s->slots;
    p->season = block + VECTORS * n;
    memcpy(p->season, s->offset, s->slots * n * sizeof *p->season);
    p->slot_at = p->season + s->slots * n;
    p->slot_rest = p->slot_at + s->slots;
    for (size_t k = 0; k < s->slots; k++) {
        const double at = ((double)k + (double)s->place) * DAY_S / (double)s->slots;

        p->slot_at[k] = (float)floor(at); /* under 2^24: exact */
        p->slot_rest[k] = (float)(at - floor(at));
    }
    return OK;
}

/* A feature that was never seen, or has no weight, has a scale that only keeps it in the middle
 * (feature/scaler.h); in float32 its difference could overflow, and nothing asks for it. */
static bool is_scaled(const struct model *m, size_t i)
{
    return m->scaler.constant[i] == SCALER_MOVES || m->scaler.constant[i] == SCALER_CONSTANT;
}

static void fill_vectors(struct exchange_plan *p, const struct model *m)
{
    for (size_t i = 0; i < p->n; i++) {
        const bool learned = model_learned(m, i);

        p->low[i] = is_scaled(m, i) ? m->scaler.low[i] : 0;
        p->span[i] = is_scaled(m, i) ? m->scaler.span[i] : 1;
        p->pass[i] = p->weight[i] = learned ? 1 : 0;
        p->fill[i] = learned ? 0 : SCALER_CENTRE;
        p->out_span[i] = learned ? m->scaler.span[i] : 0;
        p->out_low[i] = learned ? m->scaler.low[i] : m->scaler.median[i];
        p->watch[i] = m->scaler.constant[i] == SCALER_CONSTANT ? 1 : 0;
        p->masked = p->masked || !learned;
        p->watches = p->watches || p->watch[i] > 0;
        p->n_weighted += p->weight[i];
    }
}

enum rc exchange_plan_make(const struct model *m, bool raw, struct exchange_plan *ret,
                           struct err *err)
{
    CLEANUP(exchange_plan_done)
    struct exchange_plan p = {
        .raw = raw, .n = m->schema->n, .clip_low = m->clip_low, .clip_high = m->clip_high};

    if (exchange_net_of(m, &p.net, err) != OK)
        return err->rc;
    if (!raw) {
        if (alloc_vectors(&p, &m->season, err) != OK)
            return err->rc;
        fill_vectors(&p, m);
    }
    if (add_facts(&p, m, err) != OK)
        return err->rc;
    *ret = p;
    p = (struct exchange_plan){0};
    return OK;
}

void exchange_plan_done(struct exchange_plan *p)
{
    mem_free(p->low);
    exchange_net_done(&p->net);
    exchange_facts_done(&p->facts);
    *p = (struct exchange_plan){0};
}

/* --- running it --- */

static float cut(float v, float least, float most)
{
    return v < least ? least : v > most ? most : v;
}

/* s[n], the season at t seconds of the day: by hats, as the graph has it. */
static void season_of(const struct exchange_plan *p, float t, float *s)
{

    memset(s, 0, p->n * sizeof *s);
    for (size_t k = 0; k < p->season_slots; k++) {
        const float far = fabsf(t - p->slot_at[k] - p->slot_rest[k]);
        const float hat = fmaxf(0, 1 - fminf(far, DAY_S - far) * ((float)p->season_slots / DAY_S));
        for (size_t i = 0; hat > 0 && i < p->n; i++)
            s[i] += hat * p->season[k * p->n + i];
    }
}

static void judge(const struct exchange_plan *p, const float *z, const float *y,
                  float *feature_error, float *score)
{
    float sum = 0, weights = 0;

    for (size_t i = 0; i < p->n; i++) {
        const bool noticed = fabsf(z[i] - SCALER_CENTRE) >= SCALER_NOTICED;
        const float weight = p->weight[i] + (noticed ? p->watch[i] : 0);
        const float d =
            cut(z[i] - (y[i] * p->pass[i] + p->fill[i]), -MODEL_DISTANCE_MAX, MODEL_DISTANCE_MAX);

        feature_error[i] = d * d * weight;
        sum += feature_error[i];
        weights += weight;
    }
    *score = sum / weights;
}

void exchange_plan_before(const struct exchange_plan *p, const float *x, float t, float *s,
                          float *z, float *in)
{
    season_of(p, t, s);
    for (size_t i = 0; i < p->n; i++) {
        z[i] = cut((x[i] - s[i] - p->low[i]) / p->span[i], -SCALER_Z_MAX, SCALER_Z_MAX);
        in[i] = cut(z[i], p->clip_low, p->clip_high) * p->pass[i] + p->fill[i];
    }
}

void exchange_plan_after(const struct exchange_plan *p, const float *s, const float *z,
                         const float *y, float *reconstruction, float *feature_error, float *score)
{
    for (size_t i = 0; i < p->n; i++) {
        const float masked = y[i] * p->pass[i] + p->fill[i];
        reconstruction[i] = masked * p->out_span[i] + p->out_low[i] + s[i];
    }
    judge(p, z, y, feature_error, score);
}

enum rc exchange_plan_run(const struct exchange_plan *p, const float *x, float t,
                          float *reconstruction, float *feature_error, float *score,
                          struct err *err)
{
    const size_t n = p->n;

    if (p->raw)
        return exchange_net_run(&p->net, x, reconstruction, err);
    CLEANUP(mem_freep) float *work = mem_array(n, 4 * sizeof *work);
    if (!work)
        return err_set(err, E_NOMEM, "no memory to run an export of %zu features", n);
    float *const s = work, *const z = s + n, *const in = z + n, *const y = in + n;

    exchange_plan_before(p, x, t, s, z, in);
    if (exchange_net_run(&p->net, in, y, err) != OK)
        return err->rc;
    exchange_plan_after(p, s, z, y, reconstruction, feature_error, score);
    return OK;
}
