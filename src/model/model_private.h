/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"
#include "data/settings.h"

/* model_private - what the model's own files share */
struct model;

/* What the network sees of z[n] (scaled; NaN where unknown): clipped, the training median for NaN,
 * the middle for features that did not move in training. ret may be z. */
void model_net_inputs(const struct model *m, const float *z, float *ret);

/* Room for both units and the worst of n features, of which there is none: 1. E_NOMEM. */
MUST_CHECK enum rc model_alloc_units(struct model *m, size_t n, struct err *err);

/* threshold_by of a model that was read: its spec and its tail say it. E_NOMEM. */
MUST_CHECK enum rc model_find_stage(struct model *m, struct err *err);

/* Set m's threshold, its spec and widening, from the scores that m keeps; m is being made.
 * No threshold but a fixed one lies under the part of one feature that is off by its resolution,
 * where all have one: what is less than that is nothing that an operator cares
 * about, however still the machine was in training. Errors as threshold_fit. */
MUST_CHECK enum rc model_set_threshold(struct model *m, const struct threshold_spec *spec,
                                       struct err *err);
