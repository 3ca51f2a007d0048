/* SPDX-License-Identifier: Apache-2.0 */
#include "writeback/write_encoder.h"

#include <endian.h>
#include <math.h>
#include <snappy-c.h>

#include "base/mem.h"
#include "base/protobuf_wire.h"
#include "data/series.h"

enum {
    LABEL_HEAD_MAX = 3 * (1 + WIRE_VARINT_MAX), /* of a label, its name and its value */
    SAMPLE_MAX = 2 + 9 + 1 + WIRE_VARINT_MAX,
    /* the settings' labels, __name__ and instance, and a sample */
    SERIES_MAX_BYTES = WRITE_LABELS_TEXT_MAX + 256 + INSTANCE_MAX +
                       (WRITE_LABELS_MAX + 2) * LABEL_HEAD_MAX + SAMPLE_MAX,
    PLAIN_MAX = 64 << 20, /* before compression; a batch is far below */
};

static const char *const names[WRITTEN_SERIES] = {"anomaly_score", "anomaly_threshold",
                                                  "anomaly_detected"};

struct write_encoder {
    size_t n_labels;
    struct label labels[WRITE_LABELS_MAX + 2]; /* sorted; the values of ours are filled in */
    size_t at_name, at_instance;
    struct buf plain;
    uint8_t series[SERIES_MAX_BYTES];
};

static int compare(struct str a, struct str b)
{
    const int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static enum rc add_label(struct write_encoder *e, struct str name, struct str value,
                         struct err *err)
{
    size_t i = e->n_labels;

    for (; i > 0 && compare(e->labels[i - 1].name, name) >= 0; i--) {
        if (str_eq(e->labels[i - 1].name, name))
            return err_set(err, E_CONFIG, "write: label '%.*s' is set already", (int)name.n,
                           name.p);
        e->labels[i] = e->labels[i - 1];
    }
    e->labels[i] = (struct label){name, value};
    e->n_labels++;
    return OK;
}

static size_t find(const struct write_encoder *e, struct str name)
{
    size_t i = 0;

    while (!str_eq(e->labels[i].name, name))
        i++;
    return i;
}

enum rc write_encoder_new(const struct write_spec *spec, struct write_encoder **ret,
                          struct err *err)
{
    CLEANUP(write_encoder_freep) struct write_encoder *e = mem_alloc(sizeof *e);
    size_t text = 0;

    if (!e)
        return err_set(err, E_NOMEM, "write: no memory");
    buf_init(&e->plain, PLAIN_MAX);
    if (spec->n_labels > WRITE_LABELS_MAX)
        return err_set(err, E_LIMIT, "write: more than %d labels", WRITE_LABELS_MAX);
    if (add_label(e, STR("__name__"), STR(""), err) != OK ||
        add_label(e, STR("instance"), STR(""), err) != OK)
        return err->rc;
    for (size_t i = 0; i < spec->n_labels; i++) {
        const struct label_text *l = &spec->labels[i];
        if (!l->name || !l->name[0] || !l->value || !l->value[0])
            return err_set(err, E_CONFIG, "write: a label has no name or no value");
        text += strlen(l->name) + strlen(l->value);
        if (text > WRITE_LABELS_TEXT_MAX)
            return err_set(err, E_LIMIT, "write: labels of more than %d bytes",
                           WRITE_LABELS_TEXT_MAX);
        if (add_label(e, str_of(l->name), str_of(l->value), err) != OK)
            return err->rc;
    }
    e->at_name = find(e, STR("__name__"));
    e->at_instance = find(e, STR("instance"));
    *ret = TAKE(e);
    return OK;
}

void write_encoder_free(struct write_encoder *e)
{
    if (!e)
        return;
    buf_done(&e->plain);
    mem_free(e);
}

static uint8_t *put_sample(uint8_t *to, double value, int64_t ts_ms)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    bits = htole64(bits);
    *to++ = wire_tag_of(2, WIRE_BYTES);
    *to++ = (uint8_t)(9 + 1 + wire_varint_size((uint64_t)ts_ms));
    *to++ = wire_tag_of(1, WIRE_FIXED64);
    memcpy(to, &bits, sizeof bits);
    to += sizeof bits;
    *to++ = wire_tag_of(2, WIRE_VARINT);
    return wire_put_varint(to, (uint64_t)ts_ms);
}

/* One TimeSeries with one sample. */
static void add_series(struct write_encoder *e, double value, int64_t ts_ms)
{
    uint8_t head[1 + WIRE_VARINT_MAX], *to = e->series;

    for (size_t i = 0; i < e->n_labels; i++) {
        const struct label *l = &e->labels[i];
        *to++ = wire_tag_of(1, WIRE_BYTES);
        to = wire_put_varint(to, 2 + wire_varint_size(l->name.n) + l->name.n +
                                     wire_varint_size(l->value.n) + l->value.n);
        to = wire_put_bytes(to, wire_tag_of(1, WIRE_BYTES), l->name);
        to = wire_put_bytes(to, wire_tag_of(2, WIRE_BYTES), l->value);
    }
    to = put_sample(to, value, ts_ms);
    head[0] = wire_tag_of(1, WIRE_BYTES);
    const uint8_t *end = wire_put_varint(head + 1, (uint64_t)(to - e->series));
    buf_add(&e->plain, head, (size_t)(end - head));
    buf_add(&e->plain, e->series, (size_t)(to - e->series));
}

enum rc write_encoder_format(struct write_encoder *e, const struct written_score *v, size_t n,
                             struct buf *out, struct err *err)
{
    buf_clear(&e->plain);
    buf_clear(out);
    for (size_t i = 0; i < n; i++) {
        /* a NaN of any other bits could be taken for a marker */
        const double score = isnan(v[i].score) ? (double)NAN : v[i].score;
        const double values[WRITTEN_SERIES] = {score, v[i].threshold, v[i].detected};
        e->labels[e->at_instance].value = str_of(v[i].instance);
        for (size_t k = 0; k < WRITTEN_SERIES; k++) {
            e->labels[e->at_name].value = str_of(names[k]);
            add_series(e, v[i].ended ? series_stale() : values[k], v[i].ts_ms);
        }
    }
    size_t size = snappy_max_compressed_length(e->plain.n);
    CLEANUP(mem_freep) char *packed = mem_grow(NULL, size, 1);
    if (!packed || e->plain.failed ||
        snappy_compress(e->plain.n ? e->plain.p : "", e->plain.n, packed, &size) != SNAPPY_OK)
        return err_set(err, E_NOMEM, "write: no memory for %zu scores", n);
    buf_add(out, packed, size);
    return out->failed ? err_set(err, E_NOMEM, "write: no memory for %zu scores", n) : OK;
}
