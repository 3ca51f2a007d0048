/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "config/config.h"
#include "tune/search.h"

/* tune_report - a search in words: the table of trials, the choice, YAML, options, JSON
 *
 * The same search gives the same bytes: nothing here knows of time or threads. Thread: main. */

struct tune_view {
    const struct search *search;
    const struct search_spec *spec;
    const struct config *base; /* the settings of trial 0 */
    size_t features, fit_rows, judge_rows;
};

void tune_report_head(struct buf *out);
void tune_report_row(const struct tune_view *v, uint32_t trial, struct buf *out);

/* Everything about a complete search but the YAML. Each line begins with prefix. */
void tune_report_words(const struct tune_view *v, const char *prefix, struct buf *out);
/* The chosen settings as a configuration file's `model` section. */
void tune_report_yaml(const struct tune_view *v, struct buf *out);
json_t *tune_report_json(const struct tune_view *v); /* NULL: no memory */
