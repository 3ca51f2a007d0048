/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "feature/evaluator.h"

/* evaluator_value - what the last evaluator_eval found, infinite values too: lets tests
 * compare with a server's answers. NaN before the first one. */
double evaluator_value(const struct evaluator *e, size_t i);
