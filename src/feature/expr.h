/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "feature/lex.h"
#include "feature/plan.h"

/* expr - a subset of PromQL, compiled into a plan
 *
 *   selectors     name{l="v", l!="v", l=~"re", l!~"re"}; the metric name is needed
 *   ranges        [5s], [1h30m], [$__rate_interval]: only as the argument of the next
 *   over ranges   rate increase delta irate idelta, avg min max sum count last _over_time
 *   functions     abs clamp_min clamp_max vector scalar time
 *   aggregations  sum avg min max count, with by (...) or without (...), before or behind
 *   operators     + - * / % ^ and unary -, == != < <= > >= with bool, and or unless, with
 *                 on (...) or ignoring (...): one-to-one
 * Precedence, types, labels and names are Prometheus's; anything else is refused with a sentence
 * that starts "column N: ". What an accepted text means is what a Prometheus server answers.
 * Source: prometheus/prometheus, promql/parser/generated_parser.y and promql/engine.go. */

enum { EXPR_RANGE_MAX_S = 7 * 86400 };

/* Adds the expression's steps to plan; *ret is the one that gives its value. On failure the plan
 * may hold steps that nothing uses. E_PARSE, E_LIMIT, E_NOMEM. */
MUST_CHECK enum rc expr_compile(struct str text, int64_t rate_interval_ms, struct plan *plan,
                                uint32_t *ret, struct err *err);

/* The text with $__rate_interval filled in, as a Prometheus server takes it. */
MUST_CHECK enum rc expr_promql(struct str text, int64_t rate_interval_ms, struct buf *out,
                               struct err *err);

/* The window that $__rate_interval stands for: four intervals, so that one lost sample leaves
 * enough (Grafana's rule), and no less than 5 s. 1s -> 5s, 15s -> 1m. */
int64_t expr_rate_interval_ms(int64_t interval_ms);
