/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/line.h"

#include <assert.h>
#include <string.h>

#include "base/cleanup.h"

void line_init(struct line *l, struct confirm_spec confirm)
{
    memset(l, 0, sizeof *l);
    watch_init(&l->watch, confirm);
}

void line_done(struct line *l)
{
    scorer_free(l->scorer);
    silence_free(l->silence);
    model_unref(l->model);
    l->scorer = NULL;
    l->silence = NULL;
    l->model = NULL;
}

enum rc line_set_model(struct line *l, const struct schema *frames, struct model *m,
                       struct err *err)
{
    CLEANUP(scorer_freep) struct scorer *scorer = NULL;
    struct silence *silence;

    if (schema_match(frames, m->schema, err) != OK || scorer_new(m, &scorer, err) != OK ||
        silence_new(m->schema->n, &silence, err) != OK)
        return err->rc;
    struct model *const before = l->model; /* may be m */
    scorer_free(l->scorer);
    silence_free(l->silence);
    l->scorer = TAKE(scorer);
    l->silence = silence;
    l->model = model_ref(m);
    model_unref(before);
    return OK;
}

void line_push(struct line *l, int64_t ts_ms, const float *frame, struct line_step *ret)
{
    assert(l->scorer);
    scorer_push(l->scorer, ts_ms, frame, &ret->verdict);
    ret->event = watch_push(&l->watch, &ret->verdict, &ret->incident);
    if (ret->event == WATCH_OPENED || ret->event == WATCH_UPDATED) {
        silence_mark(l->silence, l->scorer, &ret->verdict, &l->watch.incident);
        ret->incident = l->watch.incident;
    }
}

void line_forget(struct line *l)
{
    if (l->scorer)
        scorer_clear(l->scorer);
    watch_gap(&l->watch);
}
