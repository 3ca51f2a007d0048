/* SPDX-License-Identifier: Apache-2.0 */
#include "push_body.h"

#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 256 << 20 };

static void must(const struct buf *b)
{
    if (!b->failed)
        return;
    fprintf(stderr, "push_body: no memory\n");
    exit(1);
}

static void add_varint(struct buf *out, uint64_t v)
{
    unsigned char bytes[10];
    size_t n = 0;

    do {
        bytes[n] = (unsigned char)(v % 128);
        v /= 128;
        if (v)
            bytes[n] |= 128;
        n++;
    } while (v);
    buf_add(out, bytes, n);
    must(out);
}

void push_varint(struct buf *out, unsigned field, uint64_t v)
{
    add_varint(out, field * 8);
    add_varint(out, v);
}

void push_double(struct buf *out, unsigned field, double v)
{
    add_varint(out, field * 8 + 1);
    buf_add(out, &v, sizeof v); /* the machines that tests run on are little-endian */
    must(out);
}

void push_bytes(struct buf *out, unsigned field, const void *p, size_t n)
{
    add_varint(out, field * 8 + 2);
    add_varint(out, n);
    buf_add(out, p, n);
    must(out);
}

static void add_message(struct buf *out, unsigned field, struct buf *message)
{
    push_bytes(out, field, message->n ? message->p : "", message->n);
    buf_done(message);
}

static void add_samples(struct buf *out, const struct push_sample *samples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf m;
        uint64_t bits;
        memcpy(&bits, &samples[i].value, sizeof bits);
        buf_init(&m, LIMIT);
        if (bits)
            push_double(&m, 1, samples[i].value);
        if (samples[i].ts_ms)
            push_varint(&m, 2, (uint64_t)samples[i].ts_ms);
        add_message(out, 2, &m);
    }
}

void push_series_1(struct buf *out, const struct push_label *labels, size_t n_labels,
                   const struct push_sample *samples, size_t n_samples)
{
    struct buf series;

    buf_init(&series, LIMIT);
    for (size_t i = 0; i < n_labels; i++) {
        struct buf m;
        buf_init(&m, LIMIT);
        if (labels[i].name[0])
            push_bytes(&m, 1, labels[i].name, strlen(labels[i].name));
        if (labels[i].value[0])
            push_bytes(&m, 2, labels[i].value, strlen(labels[i].value));
        add_message(&series, 1, &m);
    }
    add_samples(&series, samples, n_samples);
    add_message(out, 1, &series);
}

void push_2_init(struct push_2 *r)
{
    *r = (struct push_2){0};
    buf_init(&r->series, LIMIT);
    (void)push_2_symbol(r, "");
}

void push_2_done(struct push_2 *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->symbols[i]);
    free(r->symbols);
    buf_done(&r->series);
}

uint32_t push_2_symbol(struct push_2 *r, const char *text)
{
    for (size_t i = r->n; i-- > 0;)
        if (strcmp(r->symbols[i], text) == 0)
            return (uint32_t)i;
    if (r->n == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 64;
        r->symbols = realloc(r->symbols, r->capacity * sizeof *r->symbols);
        if (!r->symbols)
            exit(1);
    }
    r->symbols[r->n] = strdup(text);
    return (uint32_t)r->n++;
}

void push_2_series(struct push_2 *r, const struct push_label *labels, size_t n_labels,
                   const struct push_sample *samples, size_t n_samples, unsigned type)
{
    struct buf series, references, metadata;

    buf_init(&series, LIMIT);
    buf_init(&references, LIMIT);
    buf_init(&metadata, LIMIT);
    for (size_t i = 0; i < n_labels; i++) {
        add_varint(&references, push_2_symbol(r, labels[i].name));
        add_varint(&references, push_2_symbol(r, labels[i].value));
    }
    add_message(&series, 1, &references);
    add_samples(&series, samples, n_samples);
    if (type) {
        push_varint(&metadata, 1, type);
        push_varint(&metadata, 3, push_2_symbol(r, "What it measures."));
        add_message(&series, 5, &metadata);
    }
    buf_done(&metadata);
    add_message(&r->series, 5, &series);
}

void push_2_format(const struct push_2 *r, struct buf *out)
{
    for (size_t i = 0; i < r->n; i++)
        push_bytes(out, 4, r->symbols[i], strlen(r->symbols[i]));
    buf_add(out, r->series.n ? r->series.p : "", r->series.n);
    must(out);
}

void push_pack(const struct buf *plain, struct buf *out)
{
    size_t n = snappy_max_compressed_length(plain->n);
    char *packed = malloc(n ? n : 1);

    if (!packed || snappy_compress(plain->n ? plain->p : "", plain->n, packed, &n) != SNAPPY_OK)
        exit(1);
    buf_add(out, packed, n);
    must(out);
    free(packed);
}
