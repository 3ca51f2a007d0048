/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "data/source_spec.h"

/* import_options - what `tocsin import` was told. Thread: main. */

struct import_options {
    const char *url, *profile;
    const char *match, *label;       /* match NULL: none */
    const char *instance;            /* NULL: the only one */
    const char *output, *output_dir; /* one of them */
    int64_t from_ms, to_ms, step_ms; /* from and to are multiples of step, inclusive */
    bool cut;                        /* to_ms was too near to the present */
    bool json;
    struct http_access access; /* its texts are lent */
};

extern const char import_help[];

/* Fills *ret; an exit code, or -1 to go on. now_ms: what relative times are relative to. */
int import_options_parse(int argc, char **argv, int64_t now_ms, struct import_options *ret);
