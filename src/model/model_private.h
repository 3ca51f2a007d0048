/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* model_private - what the model's own files share */
struct model;

/* What the network sees of z[n] (scaled; NaN where unknown): clipped, the training median for NaN,
 * the middle for features that did not move in training. ret may be z. */
void model_net_inputs(const struct model *m, const float *z, float *ret);
