/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/tune_pool.h"
#include "cli/tune_report.h"

/* tune_show - a search while it runs, on standard error: on a terminal the best trials and a bar,
 * redrawn in place; elsewhere a line for each execution that ended. Thread: main. */

struct tune_show {
    bool live;
    size_t lines; /* drawn last, above the cursor */
};

void tune_show_init(struct tune_show *s);
void tune_show_task(const struct tune_show *s, const struct tune_view *v,
                    const struct tune_task *t);
void tune_show_draw(struct tune_show *s, const struct tune_view *v, const struct tune_pool *p);
void tune_show_done(struct tune_show *s); /* wipes what was drawn */
