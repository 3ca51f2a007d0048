/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/model.h"

/* assemble - models that were not learned here: made of parts, and put before other frames
 *
 * What was learned elsewhere is a network, a scale and a threshold. There are no scores of
 * held-back data, so no threshold but a fixed one can be asked of such a model; nothing is known of
 * how often features came or stood still, so none is missed; each counts in the score, whatever
 * a profile says, since its network was made for them all; and what the network sees is not cut, as
 * classic pipelines do not cut it. Thread: pure. */

struct model_parts {
    const struct schema *schema; /* copied */
    const float *low, *span;     /* [schema->n] of z = (x - low) / span, span > 0; copied */
    struct net net;              /* taken, also on failure; as wide as the schema at both ends */
    float threshold;             /* of the reconstruction error, > 0 */
    struct model_provenance provenance;
};

/* E_CONFIG when widths, scale or threshold do not fit; E_NOMEM. */
MUST_CHECK enum rc model_assemble(struct model_parts *parts, struct model **ret, struct err *err);

/* m's threshold stays when spec is asked of it: it has no scores, and spec is no plain number.
 * Where one is configured for many models, such a model is not refused for it. */
bool model_keeps_threshold(const struct model *m, const struct threshold_spec *spec);

/* m for frames of another schema with the same features in the same order: a profile's, whose
 * names mean more. A new model (one reference) with that provenance and interval. E_STATE names the
 * first feature that differs; E_NOMEM. */
MUST_CHECK enum rc model_rebind(const struct model *m, const struct schema *schema,
                                const struct model_provenance *provenance, int64_t interval_ms,
                                struct model **ret, struct err *err);
