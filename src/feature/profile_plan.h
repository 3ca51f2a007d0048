/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "feature/derive_program.h"
#include "feature/plan.h"
#include "feature/profile.h"

/* profile_plan - what the evaluator and the deriver, friends of profile.h, see of a profile */

const struct plan *profile_plan(const struct profile *p);
const uint32_t *profile_roots(const struct profile *p); /* [profile_base_count]: nodes */
const struct derive_program *profile_derived(const struct profile *p);
