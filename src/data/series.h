/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

/* series - a metric with its labels, and one tick's values of many of them
 *
 * A series_set names series once and gives each a small dense number, so that a sample is a
 * number and a value. It belongs to a source and an entity.
 * Thread: one thread interns. Entries never change once made, so another thread may read the
 * entries below the count that a snapshot carries, once it got the snapshot through a queue. */

enum metric_type { METRIC_UNTYPED, METRIC_COUNTER, METRIC_GAUGE };

struct label {
    struct str name, value;
};

struct series {
    struct str name;
    const struct label *labels; /* sorted by name, byte order; no empty values */
    uint16_t n_labels;
    enum metric_type type;
};

/* [a-zA-Z_][a-zA-Z0-9_]*: Prometheus's model.LabelName. */
bool label_name_is_valid(struct str s);

struct series_set;

enum {
    SERIES_MAX = 65536,      /* in one set; past that E_LIMIT */
    SERIES_LABELS_MAX = 64,  /* labels of one series */
    SERIES_TEXT_MAX = 16384, /* bytes of one series' names and values together */
};

MUST_CHECK enum rc series_set_new(struct series_set **ret, struct err *err);
struct series_set *series_set_ref(struct series_set *s); /* counted; returns s */
void series_set_unref(struct series_set *s);             /* the last one frees; NULL is fine */

/* The number of this series, made on first sight. Labels may come in any order; those with an
 * empty value are left out. E_LIMIT, E_NOMEM; E_PARSE when a label name comes twice. */
MUST_CHECK enum rc series_set_intern(struct series_set *s, struct str name,
                                     const struct label *labels, size_t n_labels,
                                     enum metric_type type, uint32_t *ret_id, struct err *err);

size_t series_set_count(const struct series_set *s);
const struct series *series_set_at(const struct series_set *s, uint32_t id);
struct str series_label(const struct series *s, struct str name); /* {"", 0} when absent */

/* Prometheus's marker for "this series is gone": a NaN with its own bits, told from a sampled
 * NaN (prometheus/model/value: StaleNaN 0x7ff0000000000002). */
static inline double series_stale(void)
{
    const uint64_t bits = 0x7ff0000000000002u;
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline bool series_is_stale(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits == 0x7ff0000000000002u;
}

/* All samples of one entity at one tick: v[id] for each series of the set, stale where absent. */
struct snapshot {
    int64_t ts_ms;          /* Unix milliseconds */
    struct series_set *set; /* one reference */
    size_t n;               /* entries of v: the set's count at that time */
    double v[];
};

/* Room for every series of the set, all stale; takes a new reference on set. NULL: no memory. */
struct snapshot *snapshot_new(struct series_set *set, int64_t ts_ms);
void snapshot_free(struct snapshot *s); /* NULL is fine */
static inline void snapshot_freep(struct snapshot **s)
{
    snapshot_free(*s);
}
