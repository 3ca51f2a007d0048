/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/series.h"
#include "feature/evaluator_value.h"
#include "feature/profile.h"

/* world - expressions and the samples that they are asked about, for tests of feature/
 *
 * A test names its series as text, pushes ticks of values and asks. */

enum { WORLD_INTERVAL_MS = 1000 };

struct world {
    struct profile *profile;
    struct evaluator *evaluator;
    struct series_set *set;
    struct err err;
};

/* A profile of these expressions, f0, f1, ...; fails the test when one is refused. */
void world_init(struct world *w, const char *const *expressions, size_t n);
void world_done(struct world *w);

/* What the loader says of one expression; the whole sentence is in w->err. */
enum rc world_compile(struct world *w, const char *expression);

/* A series from "name{label=value,...}"; its number. */
uint32_t world_series(struct world *w, const char *text);

/* A tick with v[n] for the first series; the others, and stale values, are absent. */
enum rc world_push(struct world *w, int64_t ts_ms, const double *v, size_t n);
double world_ask(struct world *w, int64_t ts_ms, size_t feature);

/* expression over one instant: series[n] are worth v[n] at 1000 ms. */
double world_instant(const char *expression, const char *const *series, const double *v, size_t n);
