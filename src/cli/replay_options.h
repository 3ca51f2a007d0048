/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"

/* replay_options - the words after `tocsin replay`, and the configuration that they ask for.
 * Thread: its holder's. */

struct replay_options {
    const char *file; /* NULL: no configuration file */
    const char *data_dir, *data, *model, *profile, *instance, *interval;
    const char *threshold, *alarms, *confirm, *learn;
    const char *days, *from, *to;
    const char *output; /* NULL: standard output */
    bool walk, json, observed;
    struct config config; /* the present one, with what stands over it */
    int64_t learn_ms;     /* 0: not as a duration */
    double learn_share;   /* 0: not as a share */
};

/* Fills o; an exit code, or -1 to go on. */
int replay_options_parse(int argc, char **argv, struct replay_options *o);
/* o->config, o->learn_ms and o->learn_share. E_CONFIG, E_IO, E_NOMEM. */
MUST_CHECK enum rc replay_options_configure(struct replay_options *o, struct err *err);
