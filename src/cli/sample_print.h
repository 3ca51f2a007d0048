/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "data/series.h"

/* sample_print - the samples of a snapshot, by family, as Prometheus text or as JSON. Thread: main.
 */

enum { SAMPLE_OUTPUT_MAX = 256 << 20 }; /* bytes */

struct sample_row { /* one sample */
    const struct series *series;
    uint32_t id;
    double v;
};

/* The samples of s by family; *ret_n of them. NULL: no memory. The caller owns them (mem_free). */
struct sample_row *sample_rows(const struct snapshot *s, size_t *ret_n);

/* The text exposition format 0.0.4. */
void sample_put_text(struct buf *out, const struct sample_row *rows, size_t n);

/* [{"name", "type", "labels", "value"}]; what JSON has no number for is the text "NaN", "+Inf" or
 * "-Inf". NULL: no memory. */
json_t *sample_rows_json(const struct sample_row *rows, size_t n);

/* Takes o, NULL: E_NOMEM. */
MUST_CHECK enum rc sample_put_json(struct buf *out, json_t *o, struct err *err);
