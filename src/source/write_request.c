/* SPDX-License-Identifier: Apache-2.0 */
#include "source/write_request.h"

#include <string.h>

#include "base/mem.h"
#include "base/protobuf_wire.h"

/* A field's number and type as one byte. */
enum {
    TAG_BYTES_1 = 1 << 3 | WIRE_BYTES,
    TAG_BYTES_2 = 2 << 3 | WIRE_BYTES,
    TAG_DOUBLE_1 = 1 << 3 | WIRE_FIXED64,
    TAG_VARINT_2 = 2 << 3 | WIRE_VARINT,
};

/* Numbers of fields. */
enum {
    REQUEST_1_SERIES = 1,
    REQUEST_2_SYMBOLS = 4,
    REQUEST_2_SERIES = 5,
    SERIES_LABELS = 1,
    SERIES_SAMPLES = 2,
    SERIES_1_EXEMPLARS = 3,
    SERIES_1_HISTOGRAMS = 4,
    SERIES_2_HISTOGRAMS = 3,
    SERIES_2_EXEMPLARS = 4,
    SERIES_2_METADATA = 5,
    METADATA_TYPE = 1,
};

static const char cut_off[] = "what should be a time series is cut off or no protobuf";
static const char too_long[] = "the labels of a time series are too long";
static const char too_many[] = "too many samples in one body";
static const char too_many_series[] = "too many series in one body";
static const char no_memory[] = "no memory for samples";
static const char past_table[] = "a label refers to no symbol";
static const char half_label[] = "a time series refers to a label's name without a value";

struct write_request {
    enum write_protocol protocol;
    const uint8_t *body;
    struct wire rest;
    size_t samples_left, series_left; /* until there are too many */

    struct str *symbols;
    size_t n_symbols, symbols_capacity;

    struct write_sample *samples; /* of one series */
    size_t n_samples, samples_capacity;

    bool has_name; /* of 2.0's references, which come in pairs */
    struct str name;
    size_t n_labels; /* bytes */
    uint8_t labels[WRITE_LABELS_BYTES_MAX];
};

enum rc write_request_new(struct write_request **ret, struct err *err)
{
    struct write_request *r = mem_alloc(sizeof *r);

    if (!r)
        return err_set(err, E_NOMEM, "remote write: no memory");
    *ret = r;
    return OK;
}

void write_request_free(struct write_request *r)
{
    if (!r)
        return;
    mem_free(r->symbols);
    mem_free(r->samples);
    mem_free(r);
}

static enum rc malformed(const struct write_request *r, const uint8_t *at, const char *why,
                         struct err *err)
{
    const enum rc rc = why == too_many || why == too_many_series ? E_LIMIT
                       : why == no_memory                        ? E_NOMEM
                                                                 : E_PARSE;

    return err_set(err, rc, "byte %zu: %s", (size_t)(at - r->body), why);
}

static enum rc add_symbol(struct write_request *r, struct wire text, struct err *err)
{
    if (r->n_symbols == WRITE_SYMBOLS_MAX)
        return err_set(err, E_LIMIT, "more than %d symbols in one body", WRITE_SYMBOLS_MAX);
    if (r->n_symbols == r->symbols_capacity) {
        const size_t capacity = r->symbols_capacity ? 2 * r->symbols_capacity : 1024;
        struct str *symbols = mem_grow(r->symbols, capacity, sizeof *symbols);
        if (!symbols)
            return err_set(err, E_NOMEM, "no memory for %zu symbols", capacity);
        r->symbols = symbols;
        r->symbols_capacity = capacity;
    }
    r->symbols[r->n_symbols++] = (struct str){(const char *)text.p, (size_t)(text.end - text.p)};
    return OK;
}

/* All symbols, wherever they stand: a message's fields may come in any order. */
static enum rc read_symbols(struct write_request *r, struct err *err)
{
    struct wire w = r->rest, bytes;
    uint32_t number;
    unsigned type;

    while (w.p < w.end) {
        const uint8_t *at = w.p;
        if (!wire_tag(&w, &number, &type))
            return malformed(r, at, "no protobuf field", err);
        if (number != REQUEST_2_SYMBOLS) {
            if (!wire_skip(&w, type))
                return malformed(r, at, "a field is cut off or no protobuf", err);
            continue;
        }
        if (type != WIRE_BYTES || !wire_bytes(&w, &bytes))
            return malformed(r, at, "a symbol is cut off or no text", err);
        if (add_symbol(r, bytes, err) != OK)
            return err->rc;
    }
    if (r->n_symbols && r->symbols[0].n)
        return err_set(err, E_PARSE, "the first symbol is not the empty one");
    return OK;
}

enum rc write_request_begin(struct write_request *r, enum write_protocol protocol, const void *body,
                            size_t n, struct err *err)
{
    const uint8_t *p = n ? body : r->labels; /* of no bytes, any will do */

    r->protocol = protocol;
    r->body = p;
    r->rest = (struct wire){p, p + n};
    r->samples_left = WRITE_SAMPLES_MAX;
    r->series_left = WRITE_SERIES_MAX;
    r->n_symbols = 0;
    return protocol == WRITE_2 ? read_symbols(r, err) : OK;
}

/* Fields that are left out are 0: so says proto3, and senders leave out a value of 0. */
static bool read_sample(struct wire m, struct write_sample *ret)
{
    uint32_t number;
    unsigned type;
    uint64_t ts;

    *ret = (struct write_sample){0};
    while (m.p < m.end) {
        if (*m.p == TAG_DOUBLE_1) {
            m.p++;
            if (!wire_double(&m, &ret->value))
                return false;
        } else if (*m.p == TAG_VARINT_2) {
            m.p++;
            if (!wire_varint(&m, &ts))
                return false;
            ret->ts_ms = (int64_t)ts;
        } else if (!wire_tag(&m, &number, &type) || !wire_skip(&m, type)) {
            return false;
        }
    }
    return true;
}

static const char *add_sample(struct write_request *r, struct wire m)
{
    if (r->samples_left == 0)
        return too_many;
    r->samples_left--;
    if (r->n_samples == r->samples_capacity) {
        const size_t capacity = r->samples_capacity ? 2 * r->samples_capacity : 16;
        struct write_sample *samples = mem_grow(r->samples, capacity, sizeof *samples);
        if (!samples)
            return no_memory;
        r->samples = samples;
        r->samples_capacity = capacity;
    }
    return read_sample(m, &r->samples[r->n_samples++]) ? NULL : cut_off;
}

/* Append a label as 1.0 encodes it. */
static const char *put_label(struct write_request *r, struct str name, struct str value)
{
    const size_t most = WRITE_LABELS_BYTES_MAX;

    if (name.n > most || value.n > most)
        return too_long;
    const size_t n = 2 + wire_varint_size(name.n) + name.n + wire_varint_size(value.n) + value.n;
    if (1 + wire_varint_size(n) + n > most - r->n_labels)
        return too_long;
    uint8_t *to = r->labels + r->n_labels;
    *to++ = TAG_BYTES_1;
    to = wire_put_varint(to, n);
    to = wire_put_bytes(wire_put_bytes(to, TAG_BYTES_1, name), TAG_BYTES_2, value);
    r->n_labels = (size_t)(to - r->labels);
    return NULL;
}

/* Labels that do not all stand at the front of their series, put together. */
static const char *join_labels(struct write_request *r, struct str front, struct wire label)
{
    const struct str bytes = {(const char *)label.p, (size_t)(label.end - label.p)};

    if (r->n_labels == 0) {
        if (front.n > sizeof r->labels)
            return too_long;
        memcpy(r->labels, front.p, front.n);
        r->n_labels = front.n;
    }
    if (bytes.n > sizeof r->labels ||
        1 + wire_varint_size(bytes.n) + bytes.n > sizeof r->labels - r->n_labels)
        return too_long;
    r->n_labels = (size_t)(wire_put_bytes(r->labels + r->n_labels, TAG_BYTES_1, bytes) - r->labels);
    return NULL;
}

/* Every sender writes labels first: they are then one piece of the body, and its bytes name the
 * series. */
static const char *read_series_1(struct write_request *r, struct wire m, struct write_series *ret)
{
    const char *const first = (const char *)m.p, *why = NULL;
    uint32_t number;
    unsigned type;
    struct wire bytes = {0};

    while (m.p < m.end && *m.p == TAG_BYTES_1) {
        m.p++;
        if (!wire_bytes(&m, &bytes))
            return cut_off;
    }
    ret->labels = (struct str){first, (size_t)((const char *)m.p - first)};
    while (m.p < m.end && !why) {
        if (!wire_tag(&m, &number, &type))
            return cut_off;
        if (type != WIRE_BYTES || number > SERIES_1_HISTOGRAMS) {
            if (number <= SERIES_1_HISTOGRAMS || !wire_skip(&m, type))
                return cut_off;
            continue;
        }
        if (!wire_bytes(&m, &bytes))
            return cut_off;
        if (number == SERIES_SAMPLES)
            why = add_sample(r, bytes);
        else if (number == SERIES_LABELS)
            why = join_labels(r, ret->labels, bytes);
        ret->n_exemplars += number == SERIES_1_EXEMPLARS;
        ret->n_histograms += number == SERIES_1_HISTOGRAMS;
    }
    if (r->n_labels)
        ret->labels = (struct str){(const char *)r->labels, r->n_labels};
    return why;
}

static const char *add_reference(struct write_request *r, uint64_t reference)
{
    if (reference >= r->n_symbols)
        return past_table;
    r->has_name = !r->has_name;
    if (!r->has_name)
        return put_label(r, r->name, r->symbols[reference]);
    r->name = r->symbols[reference];
    return NULL;
}

/* Packed, as all senders write them, or one by one. */
static const char *read_references(struct write_request *r, struct wire *m, unsigned type)
{
    struct wire packed;
    uint64_t reference;

    if (type == WIRE_VARINT)
        return wire_varint(m, &reference) ? add_reference(r, reference) : cut_off;
    if (type != WIRE_BYTES || !wire_bytes(m, &packed))
        return cut_off;
    while (packed.p < packed.end) {
        if (!wire_varint(&packed, &reference))
            return cut_off;
        const char *why = add_reference(r, reference);
        if (why)
            return why;
    }
    return NULL;
}

static bool read_metadata(struct wire m, enum metric_type *ret)
{
    enum { COUNTER = 1, GAUGE = 2 };
    uint32_t number;
    unsigned type;
    uint64_t v;

    while (m.p < m.end) {
        if (!wire_tag(&m, &number, &type))
            return false;
        if (number != METADATA_TYPE || type != WIRE_VARINT) {
            if (!wire_skip(&m, type))
                return false;
            continue;
        }
        if (!wire_varint(&m, &v))
            return false;
        *ret = v == COUNTER ? METRIC_COUNTER : v == GAUGE ? METRIC_GAUGE : METRIC_UNTYPED;
    }
    return true;
}

static const char *read_series_2(struct write_request *r, struct wire m, struct write_series *ret)
{
    const char *why = NULL;
    uint32_t number;
    unsigned type;
    struct wire bytes = {0};

    while (m.p < m.end && !why) {
        if (!wire_tag(&m, &number, &type))
            return cut_off;
        if (number == SERIES_LABELS) {
            why = read_references(r, &m, type);
            continue;
        }
        if (number > SERIES_2_METADATA) {
            if (!wire_skip(&m, type))
                return cut_off;
            continue;
        }
        if (type != WIRE_BYTES || !wire_bytes(&m, &bytes))
            return cut_off;
        if (number == SERIES_SAMPLES)
            why = add_sample(r, bytes);
        else if (number == SERIES_2_METADATA && !read_metadata(bytes, &ret->type))
            why = cut_off;
        ret->n_exemplars += number == SERIES_2_EXEMPLARS;
        ret->n_histograms += number == SERIES_2_HISTOGRAMS;
    }
    ret->labels = (struct str){(const char *)r->labels, r->n_labels};
    return why ? why : r->has_name ? half_label : NULL;
}

enum rc write_request_next(struct write_request *r, struct write_series *ret, bool *ret_more,
                           struct err *err)
{
    const uint32_t wanted = r->protocol == WRITE_2 ? REQUEST_2_SERIES : REQUEST_1_SERIES;
    uint32_t number;
    unsigned type;
    struct wire m;

    while (r->rest.p < r->rest.end) {
        const uint8_t *at = r->rest.p;
        if (!wire_tag(&r->rest, &number, &type))
            return malformed(r, at, "no protobuf field", err);
        if (number != wanted) {
            if (!wire_skip(&r->rest, type))
                return malformed(r, at, "a field is cut off or no protobuf", err);
            continue;
        }
        if (type != WIRE_BYTES || !wire_bytes(&r->rest, &m))
            return malformed(r, at, cut_off, err);
        if (r->series_left-- == 0)
            return malformed(r, at, too_many_series, err);
        r->n_samples = r->n_labels = 0;
        r->has_name = false;
        struct write_series s = {.type = METRIC_UNTYPED};
        const char *why =
            r->protocol == WRITE_2 ? read_series_2(r, m, &s) : read_series_1(r, m, &s);
        if (why)
            return malformed(r, at, why, err);
        s.samples = r->samples;
        s.n_samples = r->n_samples;
        *ret = s;
        *ret_more = true;
        return OK;
    }
    *ret_more = false;
    return OK;
}

/* One message Label. */
static bool read_label(struct wire m, struct label *ret)
{
    uint32_t number;
    unsigned type;
    struct wire bytes;

    ret->name = ret->value = STR("");
    while (m.p < m.end) {
        if (!wire_tag(&m, &number, &type))
            return false;
        if (number > 2) {
            if (!wire_skip(&m, type))
                return false;
            continue;
        }
        if (type != WIRE_BYTES || !wire_bytes(&m, &bytes))
            return false;
        const struct str text = {(const char *)bytes.p, (size_t)(bytes.end - bytes.p)};
        if (number == 1)
            ret->name = text;
        else
            ret->value = text;
    }
    return true;
}

/* For messages: no more than fits a sentence. */
static int shown(struct str s)
{
    return (int)(s.n < 64 ? s.n : 64);
}

static enum rc check_label(const struct label *l, const struct label *before, size_t n,
                           struct err *err)
{
    if (l->name.n == 0)
        return err_set(err, E_PARSE, "a label without a name (value '%.*s')", shown(l->value),
                       l->value.p);
    if (!str_is_utf8(l->name) || !str_is_utf8(l->value))
        return err_set(err, E_PARSE, "label '%.*s' is not UTF-8, or holds a NUL", shown(l->name),
                       l->name.p);
    for (size_t i = 0; i < n; i++)
        if (str_eq(before[i].name, l->name))
            return err_set(err, E_PARSE, "label '%.*s' comes twice in one series", shown(l->name),
                           l->name.p);
    return OK;
}

enum rc write_labels_parse(struct str encoded, struct str *ret_name,
                           struct label labels[SERIES_LABELS_MAX], size_t *ret_n, struct err *err)
{
    struct wire w = {(const uint8_t *)encoded.p, (const uint8_t *)encoded.p + encoded.n}, m;
    struct label all[SERIES_LABELS_MAX + 1]; /* and the name */
    size_t n_all = 0, n = 0;
    uint32_t number;
    unsigned type;

    if (encoded.n > WRITE_LABELS_BYTES_MAX)
        return err_set(err, E_LIMIT, "labels of %zu bytes, where at most %d are taken", encoded.n,
                       WRITE_LABELS_BYTES_MAX);
    while (w.p < w.end) {
        if (n_all == sizeof all / sizeof all[0])
            return err_set(err, E_LIMIT, "a series with more than %d labels", SERIES_LABELS_MAX);
        if (!wire_tag(&w, &number, &type) || type != WIRE_BYTES || !wire_bytes(&w, &m) ||
            !read_label(m, &all[n_all]))
            return err_set(err, E_PARSE, "a label is cut off or no protobuf");
        if (check_label(&all[n_all], all, n_all, err) != OK)
            return err->rc;
        n_all++;
    }
    if (n_all == 0)
        return err_set(err, E_PARSE, "a series without labels");
    *ret_name = STR("");
    for (size_t i = 0; i < n_all; i++) {
        if (str_eq(all[i].name, STR("__name__")))
            *ret_name = all[i].value;
        else if (all[i].value.n && n == SERIES_LABELS_MAX)
            return err_set(err, E_LIMIT, "a series with more than %d labels", SERIES_LABELS_MAX);
        else if (all[i].value.n)
            labels[n++] = all[i];
    }
    *ret_n = n;
    return OK;
}
