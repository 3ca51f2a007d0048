/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model_file.h"

#include <endian.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

/* A model file. Numbers are little-endian, floats IEEE 754; str is u16 length and bytes.
 *
 *   head      magic "\x89TOCSIN\n", u32 version, u32 zero, u64 length of the whole file
 *   sections  each: 4 bytes tag, u64 length of what follows; all of them, in this order:
 *     PROV  i64 created_ms, first_ms, last_ms, u64 seed, settings, str instance, profile, version
 *     SCHM  u64 hash, definition, u32 n, then for each feature: str name, unit, group,
 *           f32 resolution
 *     SCAL  u64 rows, f32 low[n], span[n], median[n], u8 constant[n], u64 seen[n],
 *           longest_still[n]; what is SCALER_WEIGHTLESS there is weightless in the schema
 *     SEAS  i64 interval_ms, u32 slots, f32 place, offset[slots][n]
 *     UNIT  f32 unit_level[n], unit_change[n], worst[n]
 *     NETW  f32 clip_low, clip_high, u32 n_layers, then for each layer u32 width, u32 activation
 *           (enum activation); f32 parameters, layer after layer, weights then biases
 *     STAT  u64 train_rows, validation_rows, f64 train_mse, validation_mse, std, u32 epochs
 *     SCOR  u32 n_scores, f32 scores ascending
 *     TAIL  i64 exposure_ms, u32 k, of, f32 floor, u32 n, then for each peak f32 high, f32 low
 *     TRND  the same of the training rows
 *     THRS  u32 method (enum threshold_method), f64 value, f32 threshold, f32 widening
 *   checksum  u64 XXH3 of all bytes before it; also the model's id
 *
 * Head and checksum stay so in every later version: a reader first knows that the bytes are whole,
 * then whether it understands them. Equal models have equal bytes: no section has a choice. */

const char model_magic[MODEL_MAGIC_SIZE] = "\x89TOCSIN\n"; /* no text, and fails as text */
const char model_tags[MODEL_SECTIONS][5] = {"PROV", "SCHM", "SCAL", "SEAS", "UNIT", "NETW",
                                            "STAT", "SCOR", "TAIL", "TRND", "THRS"};

struct writer {
    uint64_t n;               /* bytes so far */
    struct hash_stream *hash; /* NULL: only count */
    struct buf *out;          /* NULL: only count and hash */
};

static void put(struct writer *w, const void *p, size_t n)
{
    w->n += n;
    if (w->hash)
        hash_stream_add(w->hash, p, n);
    if (w->out)
        buf_add(w->out, p, n);
}

static void put_u32(struct writer *w, uint32_t v)
{
    v = htole32(v);
    put(w, &v, sizeof v);
}

static void put_u64(struct writer *w, uint64_t v)
{
    v = htole64(v);
    put(w, &v, sizeof v);
}

static void put_f32(struct writer *w, float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    put_u32(w, bits);
}

static void put_f64(struct writer *w, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    put_u64(w, bits);
}

static void put_f32s(struct writer *w, const float *v, size_t n)
{
    enum { BLOCK = 256 };
    uint32_t block[BLOCK];

    if (!w->hash && !w->out) {
        w->n += n * sizeof *v;
        return;
    }
    for (size_t done = 0; done < n;) {
        const size_t part = n - done < BLOCK ? n - done : BLOCK;
        memcpy(block, v + done, part * sizeof *v);
        for (size_t i = 0; i < part; i++)
            block[i] = htole32(block[i]);
        put(w, block, part * sizeof *block);
        done += part;
    }
}

static void put_u64s(struct writer *w, const uint64_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_u64(w, v[i]);
}

static void put_str(struct writer *w, const char *z, size_t capacity)
{
    const size_t n = strnlen(z, capacity - 1);
    const uint16_t le = htole16((uint16_t)n);

    put(w, &le, sizeof le);
    put(w, z, n);
}

static void put_provenance(struct writer *w, const struct model *m)
{
    const struct model_provenance *p = &m->provenance;

    put_u64(w, (uint64_t)p->created_ms);
    put_u64(w, (uint64_t)p->first_ms);
    put_u64(w, (uint64_t)p->last_ms);
    put_u64(w, p->seed);
    put_u64(w, p->settings);
    put_str(w, p->instance, sizeof p->instance);
    put_str(w, p->profile, sizeof p->profile);
    put_str(w, p->version, sizeof p->version);
}

static void put_schema(struct writer *w, const struct model *m)
{
    put_u64(w, m->schema->hash);
    put_u64(w, m->schema->definition);
    put_u32(w, (uint32_t)m->schema->n);
    for (size_t i = 0; i < m->schema->n; i++) {
        const struct feature *f = &m->schema->f[i];
        put_str(w, f->name, sizeof f->name);
        put_str(w, f->unit, sizeof f->unit);
        put_str(w, f->group, sizeof f->group);
        put_f32(w, f->resolution);
    }
}

static void put_scaler(struct writer *w, const struct model *m)
{
    const struct scaler *s = &m->scaler;

    put_u64(w, s->rows);
    put_f32s(w, s->low, s->n);
    put_f32s(w, s->span, s->n);
    put_f32s(w, s->median, s->n);
    put(w, s->constant, s->n);
    put_u64s(w, s->seen, s->n);
    put_u64s(w, s->longest_still, s->n);
}

static void put_season(struct writer *w, const struct model *m)
{
    put_u64(w, (uint64_t)m->interval_ms);
    put_u32(w, (uint32_t)m->season.slots);
    put_f32(w, m->season.place);
    put_f32s(w, m->season.offset, m->season.slots * m->schema->n);
}

static void put_units(struct writer *w, const struct model *m)
{
    put_f32s(w, m->unit_level, m->schema->n);
    put_f32s(w, m->unit_change, m->schema->n);
    put_f32s(w, m->worst, m->schema->n);
}

static void put_net(struct writer *w, const struct model *m)
{
    put_f32(w, m->clip_low);
    put_f32(w, m->clip_high);
    put_u32(w, (uint32_t)m->net.n_layers);
    for (size_t i = 0; i < m->net.n_layers; i++) {
        put_u32(w, m->net.layer[i].out);
        put_u32(w, (uint32_t)m->net.layer[i].act);
    }
    put_f32s(w, m->net.params, m->net.n_params);
}

static void put_stats(struct writer *w, const struct model *m)
{
    put_u64(w, m->stats.train_rows);
    put_u64(w, m->stats.validation_rows);
    put_f64(w, m->stats.train_mse);
    put_f64(w, m->stats.validation_mse);
    put_f64(w, m->stats.std);
    put_u32(w, m->stats.epochs);
}

static void put_scores(struct writer *w, const struct model *m)
{
    put_u32(w, (uint32_t)m->n_scores);
    put_f32s(w, m->scores, m->n_scores);
}

static void put_peaks(struct writer *w, const struct tail *t)
{
    put_u64(w, (uint64_t)t->exposure_ms);
    put_u32(w, t->confirm.k);
    put_u32(w, t->confirm.of);
    put_f32(w, t->floor);
    put_u32(w, (uint32_t)t->n);
    for (size_t i = 0; i < t->n; i++) {
        put_f32(w, t->peak[i].high);
        put_f32(w, t->peak[i].low);
    }
}

static void put_tail(struct writer *w, const struct model *m)
{
    put_peaks(w, &m->tail);
}

static void put_trained(struct writer *w, const struct model *m)
{
    put_peaks(w, &m->trained);
}

static void put_threshold(struct writer *w, const struct model *m)
{
    put_u32(w, (uint32_t)m->threshold_spec.method);
    put_f64(w, m->threshold_spec.value);
    put_f32(w, m->threshold);
    put_f32(w, m->threshold_widening);
}

static void put_sections(struct writer *w, const struct model *m)
{
    static void (*const content[MODEL_SECTIONS])(struct writer *, const struct model *) = {
        put_provenance, put_schema, put_scaler, put_season,  put_units,    put_net,
        put_stats,      put_scores, put_tail,   put_trained, put_threshold};

    for (size_t i = 0; i < MODEL_SECTIONS; i++) {
        struct writer count = {0};
        content[i](&count, m);
        put(w, model_tags[i], 4);
        put_u64(w, count.n);
        content[i](w, m);
    }
}

/* To w, with or without a place for the bytes; the checksum. */
static uint64_t put_model(struct writer *w, const struct model *m)
{
    struct hash_stream hash;
    struct writer count = {0};

    put_sections(&count, m);
    hash_stream_init(&hash);
    w->hash = &hash;
    put(w, model_magic, MODEL_MAGIC_SIZE);
    put_u32(w, MODEL_VERSION);
    put_u32(w, 0);
    put_u64(w, MODEL_HEAD_SIZE + count.n + MODEL_CHECKSUM_SIZE);
    put_sections(w, m);
    w->hash = NULL;
    const uint64_t checksum = hash_stream_value(&hash);
    put_u64(w, checksum);
    return checksum;
}

void model_encode(const struct model *m, struct buf *out)
{
    struct writer w = {.out = out};

    (void)put_model(&w, m);
}

uint64_t model_id(const struct model *m)
{
    struct writer w = {0};

    return put_model(&w, m);
}

enum rc model_save(const struct model *m, const char *path, struct err *err)
{
    struct buf out;

    buf_init(&out, MODEL_BYTES_MAX);
    model_encode(m, &out);
    const enum rc rc =
        out.failed ? err_set(err, E_NOMEM, "'%s': no memory for the model's bytes, or over %d",
                             path, MODEL_BYTES_MAX)
                   : file_write(path, out.p, out.n, err);
    buf_done(&out);
    return rc;
}

enum rc model_load(const char *path, struct model **ret, struct err *err)
{
    CLEANUP(mem_freep) char *p = NULL;
    size_t n;
    const enum rc rc = file_read(path, MODEL_BYTES_MAX, &p, &n, err);

    return rc == OK ? model_decode(p, n, path, ret, err) : rc;
}
