/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <string.h>

#include "alert/alert.h"

/* sample - an open incident of web1 with two causes, the first of which would have silenced it */
static const struct {
    uint64_t hash, definition;
    size_t n;
    struct feature f[3];
} sample_schema = {.n = 3,
                   .f = {{"cpu_busy_ratio", "ratio", "cpu", 0, false},
                         {"disk_write_bytes", "bytes/s", "disk", 0, false},
                         {"load1_per_core", "", "cpu", 0, false}}};

static inline struct incident sample_incident(void)
{
    return (struct incident){
        .start_ms = INT64_C(1740088500250),
        .peak_ms = INT64_C(1740088510000),
        .peak_score = 31.07f,
        .threshold = 6.42f,
        .n_causes = 2,
        .causes = {{0, true, 0.973f, 0.121f, 0.583f, 1}, {1, false, 36805016, 1e6f, 0.2f, 1}}};
}

static inline struct alert sample_alert(const char *instance)
{
    const struct incident in = sample_incident();
    struct alert a;

    alert_of_incident(instance, (const struct schema *)(const void *)&sample_schema, &in, "", &a);
    return a;
}
