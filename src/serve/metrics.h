/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "data/targets.h"
#include "data/telemetry.h"
#include "serve/accept.h"
#include "serve/board.h"
#include "serve/process.h"

/* metrics - the body of /metrics, from copies of the board
 *
 * Text exposition format 0.0.4, or OpenMetrics 1.0 (counters lose _total in their metadata, UNIT
 * lines, `# EOF`). A family without a sample is left out; a score that could not be made is NaN.
 * Sources: prometheus.io/docs/instrumenting/exposition_formats; OpenMetrics 1.0.0.
 * Pure. Thread: any. */

/* Cardinality is bounded: per entity some 20 series and CAUSES_MAX of anomaly_feature_error. */
struct metrics_input {
    const struct entity_view *views; /* [n] */
    size_t n;
    const struct target_list *targets; /* NULL: nobody is scraped */
    const struct telemetry *telemetry;
    const struct process_cost *process;
    int64_t started_ms, now_ms;
    const char *version;
};

void metrics_format(const struct metrics_input *in, enum exposition form, struct buf *out);
const char *metrics_content_type(enum exposition form);
