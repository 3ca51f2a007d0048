/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "data/series.h"

/* write_request - decodes the body of a remote write, after decompression: one time series after
 * the other, as views into the body
 *
 * 1.0 is prometheus.WriteRequest, 2.0 io.prometheus.write.v2.Request with its table of symbols.
 * Both give a series' labels in 1.0's encoding, so that whoever compares labels compares bytes and
 * knows nothing of protocols. Metadata of 1.0, exemplars, created timestamps and fields that later
 * versions may add are passed over; native histograms are counted.
 * Memory: the reader's own, kept from body to body; nothing is allocated a sample. What a body can
 * make it take is bounded by the limits below, whatever the body says.
 * Thread: its holder's.
 * Source: prometheus.io/docs/specs/prw, remote_write_spec and remote_write_spec_2_0;
 * prometheus/prompb/types.proto, remote.proto, io/prometheus/write/v2/types.proto. */

enum write_protocol { WRITE_1, WRITE_2 };

enum {
    WRITE_SAMPLES_MAX = 1 << 20, /* in one body; senders' batches are of 500 to 10,000 */
    WRITE_SERIES_MAX = 1 << 20,  /* in one body: an empty one has two bytes, and is looked up */
    WRITE_SYMBOLS_MAX = 1 << 20, /* in one body */
    /* of one series' encoded labels: text, and tags and lengths of each label */
    WRITE_LABELS_BYTES_MAX = SERIES_TEXT_MAX + 16 * (SERIES_LABELS_MAX + 1),
};

struct write_sample {
    int64_t ts_ms;
    double value; /* series_is_stale: the series ended */
};

struct write_series {
    struct str labels; /* for write_labels_parse; good until the next call */
    const struct write_sample *samples;
    size_t n_samples, n_histograms, n_exemplars;
    enum metric_type type; /* of 2.0's metadata */
};

struct write_request;

MUST_CHECK enum rc write_request_new(struct write_request **ret, struct err *err);
void write_request_free(struct write_request *r); /* NULL is fine */
static inline void write_request_freep(struct write_request **r)
{
    write_request_free(*r);
}

/* Start on a body, which is lent until its last series was read. E_PARSE (with the byte), E_LIMIT,
 * E_NOMEM. */
MUST_CHECK enum rc write_request_begin(struct write_request *r, enum write_protocol protocol,
                                       const void *body, size_t n, struct err *err);
/* The next series; *ret_more false: there is none. The labels' own form is not looked at: that is
 * done once a series, by write_labels_parse. E_PARSE, E_LIMIT, E_NOMEM. */
MUST_CHECK enum rc write_request_next(struct write_request *r, struct write_series *ret,
                                      bool *ret_more, struct err *err);

/* Encoded labels to a metric's name (empty: there is none) and its other labels. Held to what both
 * specifications ask: UTF-8, no empty label name, no name twice. Any order is taken, as
 * Prometheus's own receiver does; labels with an empty value are left out, as it does too.
 * E_PARSE, E_LIMIT. */
MUST_CHECK enum rc write_labels_parse(struct str encoded, struct str *ret_name,
                                      struct label labels[SERIES_LABELS_MAX], size_t *ret_n,
                                      struct err *err);
