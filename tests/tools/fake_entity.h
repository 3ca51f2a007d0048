/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "serve/board.h"

/* fake_entity - states of an entity as the daemon publishes them, for tests and benchmarks of
 * what reads the board. Pure: now_ms is the time of the newest frame. */
enum fake_state {
    FAKE_LEARNING,
    FAKE_TRAINING,
    FAKE_QUIET,
    FAKE_UNUSUAL,
    FAKE_RINGING,
    FAKE_CREEPING
};

bool fake_state_parse(const char *name, enum fake_state *ret); /* "learning", ... */
void fake_entity(enum fake_state state, int64_t now_ms, struct entity_view *ret);
