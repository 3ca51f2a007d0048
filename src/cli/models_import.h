/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* models_import - a model file as the live one of an entity, while no daemon runs
 *
 * What `tocsin run` would watch with the same configuration: its data folder, instance, profile and
 * interval. The model's features must be the profile's, in their order; it is bound to the profile,
 * copied below the data folder and made the live one. Thread: main. */

struct models_import_options {
    const char *model;
    const char *config;                                   /* NULL: none, the defaults */
    const char *data_dir, *instance, *profile, *interval; /* NULL: as configured */
    bool as_json;
};

/* E_CONFIG, E_STATE (a daemon runs, other features), E_IO, E_PARSE, E_NOMEM. */
MUST_CHECK enum rc models_import(const struct models_import_options *o, struct err *err);
