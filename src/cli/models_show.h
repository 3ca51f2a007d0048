/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "model/model.h"
#include "store/store.h"

/* models_show - one model, and two beside each other, as text and as JSON
 *
 * Thread: main. */

struct shown_model { /* a row with copies of its texts, and its file */
    int64_t id;
    char instance[INSTANCE_MAX];
    struct store_model row;
    struct model *model;
};

json_t *models_json_of(const char *text); /* null for what is no JSON */
void models_show_text(const struct shown_model *s, struct buf *out);
json_t *models_show_json(const struct shown_model *s); /* NULL: no memory */

/* What moved from a to b: threshold, errors, and of each feature that both have the median and the
 * range, the largest first (in ranges of a). */
MUST_CHECK enum rc models_diff(const struct shown_model *a, const struct shown_model *b,
                               struct buf *out, json_t **ret_json, struct err *err);
