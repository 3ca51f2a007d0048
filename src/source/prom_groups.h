/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "source/prom_query.h"

/* prom_groups - which entities of a Prometheus server are alike: by a label of their series `up`
 *
 * Every target that a server scrapes has `up` with all labels of the target. Those that are pushed
 * there have it from their own server. Thread: its holder's. */

struct prom_groups {
    const char *entity_label; /* "instance" */
    const char *label;        /* "role" */
    const char *match;        /* label matchers, as job="node", or NULL */
};

/* fn(arg, instance, group) for each entity that has the label at that time, by name; of several
 * values the least, so that it is the same one each time. As prom_query. */
MUST_CHECK enum rc prom_groups_ask(struct prom_client *c, const struct prom_groups *g,
                                   int64_t at_ms,
                                   void (*fn)(void *arg, const char *instance, const char *group),
                                   void *arg, struct err *err);
