/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/panel.h"

#include <inttypes.h>

#include "base/mem.h"

struct panel {
    struct retrain_question q; /* of the whole */
    size_t n, n_gathered;
    struct retrain *member[PANEL_MAX];
    struct dataset *gathered[PANEL_MAX];
    const struct dataset *list[PANEL_MAX]; /* the same, to be handed out */
};

void panel_close(struct panel *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++)
        retrain_close(p->member[i]);
    for (size_t i = 0; i < p->n_gathered; i++)
        dataset_free(p->gathered[i]);
    mem_free(p);
}

enum rc panel_open(const struct retrain_question *q, char (*member)[INSTANCE_MAX], size_t n,
                   struct panel **ret, struct err *err)
{
    CLEANUP(panel_closep) struct panel *p = mem_alloc(sizeof *p);

    if (!p)
        return err_set(err, E_NOMEM, "training of '%s': no memory", q->instance);
    p->q = *q;
    for (size_t i = 0; i < (n ? n : 1) && p->n < PANEL_MAX; i++) {
        struct retrain_question one = *q;
        if (n) {
            one.instance = member[i];
            one.rows_max = RETRAIN_ROWS_MAX / n;
            one.least_rows = 1; /* they count together */
        }
        const enum rc rc = retrain_open(&one, &p->member[p->n], err);
        if (rc != OK && (rc == E_NOMEM || n <= 1))
            return rc;
        p->n += rc == OK; /* the others have a past too */
    }
    if (p->n == 0)
        return err->rc;
    *ret = TAKE(p);
    return OK;
}

enum rc panel_gather(struct panel *p, const struct dataset *const **ret_v, size_t *ret_n,
                     struct err *err)
{
    uint64_t rows = 0;

    for (size_t i = 0; i < p->n; i++) {
        struct dataset *d = NULL;
        const enum rc rc = retrain_gather(p->member[i], &d, err);
        if (rc == E_STATE && p->n > 1)
            continue; /* the others may have enough */
        if (rc != OK)
            return rc;
        rows += d->rows;
        p->list[p->n_gathered] = d;
        p->gathered[p->n_gathered++] = d;
    }
    if (p->n_gathered == 0 || rows < p->q.least_rows)
        return err_set(err, E_STATE,
                       "%" PRIu64 " frames of %zu entities fit to learn from, expected at least "
                       "%" PRIu64,
                       rows, p->n, p->q.least_rows);
    *ret_v = p->list;
    *ret_n = p->n_gathered;
    return OK;
}

enum rc panel_stillness(struct panel *p, uint64_t *ret_longest, struct err *err)
{
    const size_t n = p->q.schema->n;
    CLEANUP(mem_freep) uint64_t *one = mem_array(n, sizeof *one);

    if (!one)
        return err_set(err, E_NOMEM, "no memory for %zu features", n);
    for (size_t f = 0; f < n; f++)
        ret_longest[f] = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (retrain_stillness(p->member[i], one, err) != OK)
            return err->rc;
        for (size_t f = 0; f < n; f++)
            ret_longest[f] = one[f] > ret_longest[f] ? one[f] : ret_longest[f];
    }
    return OK;
}

static void add(struct promotion_figures *to, const struct promotion_figures *f)
{
    to->entities++;
    to->confirmed += f->confirmed;
    to->confirmed_missed += f->confirmed_missed;
    to->unmarked += f->unmarked;
    to->unmarked_missed += f->unmarked_missed;
    to->unheard += f->unheard;
    to->unheard_gained += f->unheard_gained;
    to->quiet_frames += f->quiet_frames;
    to->live_opened += f->live_opened;
    to->candidate_opened += f->candidate_opened;
    to->live_ringing += f->live_ringing;
    to->candidate_ringing += f->candidate_ringing;
}

enum rc panel_rehearse(struct panel *p, struct model *live, struct model *candidate,
                       struct promotion_figures *ret, struct err *err)
{
    *ret = (struct promotion_figures){0};
    for (size_t i = 0; i < p->n; i++) {
        struct promotion_figures one = {0};
        if (retrain_rehearse(p->member[i], live, candidate, &one, err) != OK)
            return err->rc;
        add(ret, &one);
    }
    return OK;
}

size_t panel_disbelieved(const struct panel *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        n += retrain_disbelieved(p->member[i]);
    return n;
}

bool panel_sweep(struct panel *p, const char *models_dir, uint64_t live_id)
{
    return retrain_sweep(p->member[0], models_dir, live_id);
}
