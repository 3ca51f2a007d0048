/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* push_body - makes bodies of remote writes, for tests and benchmarks; shares no code with what
 * reads them
 *
 * Messages before compression, unless a name says packed. A buffer that fails ends the program. */

struct push_label {
    const char *name, *value;
};

struct push_sample {
    double value;
    int64_t ts_ms;
};

/* One field of a message. */
void push_varint(struct buf *out, unsigned field, uint64_t v);
void push_double(struct buf *out, unsigned field, double v);
void push_bytes(struct buf *out, unsigned field, const void *p, size_t n);

/* Protocol 1.0: append a TimeSeries to a WriteRequest. As protobuf's own encoders do, a value of 0
 * is left out. */
void push_series_1(struct buf *out, const struct push_label *labels, size_t n_labels,
                   const struct push_sample *samples, size_t n_samples);

/* Protocol 2.0: a Request, whose symbols stand before its series. */
struct push_2 {
    struct buf series;
    char **symbols;
    size_t n, capacity;
};
void push_2_init(struct push_2 *r);
void push_2_done(struct push_2 *r);
uint32_t push_2_symbol(struct push_2 *r, const char *text); /* its number */
/* type: METRIC_TYPE of the metadata, 0: there is none. */
void push_2_series(struct push_2 *r, const struct push_label *labels, size_t n_labels,
                   const struct push_sample *samples, size_t n_samples, unsigned type);
void push_2_format(const struct push_2 *r, struct buf *out);

/* In Snappy's block format. */
void push_pack(const struct buf *plain, struct buf *out);
