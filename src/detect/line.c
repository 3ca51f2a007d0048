/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/line.h"

#include <assert.h>
#include <string.h>

void line_init(struct line *l, struct confirm_spec confirm)
{
    memset(l, 0, sizeof *l);
    watch_init(&l->watch, confirm);
}

void line_done(struct line *l)
{
    scorer_free(l->scorer);
    model_unref(l->model);
    l->scorer = NULL;
    l->model = NULL;
}

enum rc line_set_model(struct line *l, const struct schema *frames, struct model *m,
                       struct err *err)
{
    struct scorer *scorer;

    if (schema_match(frames, m->schema, err) != OK || scorer_new(m, &scorer, err) != OK)
        return err->rc;
    struct model *const before = l->model; /* may be m */
    scorer_free(l->scorer);
    l->scorer = scorer;
    l->model = model_ref(m);
    model_unref(before);
    return OK;
}

void line_push(struct line *l, int64_t ts_ms, const float *frame, struct line_step *ret)
{
    assert(l->scorer);
    scorer_push(l->scorer, ts_ms, frame, &ret->verdict);
    ret->event = watch_push(&l->watch, &ret->verdict, &ret->incident);
}

void line_forget(struct line *l)
{
    if (l->scorer)
        scorer_clear(l->scorer);
    watch_gap(&l->watch);
}
