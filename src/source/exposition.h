/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "data/series.h"

/* exposition - what an exporter answers, Prometheus text format 0.0.4 or OpenMetrics 1.0, to a
 * snapshot
 *
 * Accepts and refuses what Prometheus 2.42 does, oddities included (docs/scrape.md has the few
 * differences). A malformed body is one sentence with line and column (in bytes, from 1), and
 * nothing of it is taken: the scrape has failed.
 *
 * A body hardly ever changes but in its numbers. So each target has a layout: the bytes between the
 * numbers of its last good body (of what nobody wants, their hashes), and the series of each
 * number. Where they are the same again, a series costs a compare and a number, and nothing is
 * allocated but the snapshot; where they are not, the line is read anew and the layout is made
 * over.
 *
 * Errors: E_PARSE; E_LIMIT (more than SERIES_MAX wanted series, a body over EXPOSITION_BODY_MAX);
 * E_NOMEM. Thread: parser and layout are their holder's.
 * Source: prometheus.io/docs/instrumenting/exposition_formats; OpenMetrics 1.0.0
 * (openmetrics.io); prometheus/prometheus 2.42, model/textparse and scrape/scrape.go. */

enum { EXPOSITION_BODY_MAX = 1 << 30 }; /* places in a body are uint32_t */

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };

/* By the Content-Type header of an answer (NULL: there was none): Prometheus takes everything but
 * OpenMetrics for text. */
enum exposition_format exposition_format_of(const char *content_type);

/* What becomes of a target's series. */
struct exposition_rules {
    const struct label *labels; /* the target's (job, instance); no name twice, no empty value */
    size_t n_labels;
    bool honor_labels; /* of two labels with one name the exporter's stays; else it is renamed
                          exported_NAME, and the target's stays */
    bool add_up;       /* a snapshot has up = 1 as well, where that is wanted */
    /* Asked once a series, with its final labels; NULL: all are wanted. It lives as long as the
     * layout. */
    bool (*wants)(void *arg, struct str name, const struct label *labels, size_t n_labels);
    void *wants_arg;
};

/* Samples with a time of their own count when it is at most this far from the scrape's: what
 * Prometheus's lookback still shows (5 min), and what it takes of the future (10 min). */
enum { EXPOSITION_PAST_MS = 5 * 60 * 1000, EXPOSITION_FUTURE_MS = 10 * 60 * 1000 };

struct exposition_counts {
    size_t samples;    /* of the body */
    size_t taken;      /* that are in the snapshot */
    size_t learned;    /* lines that were not as in the last body */
    size_t repeated;   /* of a series that the body has already: the first one counts */
    size_t untimely;   /* whose own time is too far off */
    size_t over_limit; /* of a series with more labels or bytes than a series may have */
};

struct exposition_parser; /* what parsing needs and no target has to keep */
struct exposition_layout; /* what is remembered of one target, and its series_set */

MUST_CHECK enum rc exposition_parser_new(struct exposition_parser **ret, struct err *err);
void exposition_parser_free(struct exposition_parser *p); /* NULL is fine */

/* Copies the rules' labels. */
MUST_CHECK enum rc exposition_layout_new(const struct exposition_rules *rules,
                                         struct exposition_layout **ret, struct err *err);
void exposition_layout_free(struct exposition_layout *l);          /* NULL is fine */
size_t exposition_layout_bytes(const struct exposition_layout *l); /* memory, without its series */

/* The body of one scrape at ts_ms. The caller owns *ret_snapshot. Its set is the last one's,
 * unless that was full of series that are gone: then a new set begins. After a malformed body the
 * layout is still that of the last good one. */
MUST_CHECK enum rc exposition_parse(struct exposition_parser *p, struct exposition_layout *l,
                                    enum exposition_format format, struct str body, int64_t ts_ms,
                                    struct snapshot **ret_snapshot,
                                    struct exposition_counts *ret_counts, struct err *err);

static inline void exposition_parser_freep(struct exposition_parser **p)
{
    exposition_parser_free(*p);
}

static inline void exposition_layout_freep(struct exposition_layout **l)
{
    exposition_layout_free(*l);
}
