/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "data/settings.h"

/* space - the settings that a search draws from
 *
 * Layers (a middle from a twelfth to half of the n features, up to two layers on either side of it
 * that narrow evenly from the widest, a half to one and a half times n), both activations, learning
 * rate, batch size, feature dropout. What is not drawn (scaling, epochs, patience, seed) stays as
 * it is in base. Thread: pure. */

/* Trial `trial` of the search with this seed: *base itself for 0, else a draw that depends on
 * these two numbers alone. */
void space_draw(const struct learn_spec *base, size_t n, uint64_t seed, uint32_t trial,
                struct learn_spec *ret);
