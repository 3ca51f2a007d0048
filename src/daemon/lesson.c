/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/lesson.h"

#include "base/mem.h"
#include "data/pool.h"
#include "model/departure.h"

_Static_assert((int)POOL_GAP >= (int)DEPARTURE_GAP,
               "no change is learned from one entity to another");

void lesson_span(const struct dataset *const *v, size_t n, int64_t *ret_first_ms,
                 int64_t *ret_last_ms, size_t *ret_rows)
{
    *ret_first_ms = *ret_last_ms = 0;
    *ret_rows = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t first, last;
        if (v[i]->rows == 0)
            continue;
        dataset_span(v[i], &first, &last);
        *ret_first_ms = *ret_rows == 0 || first < *ret_first_ms ? first : *ret_first_ms;
        *ret_last_ms = *ret_rows == 0 || last > *ret_last_ms ? last : *ret_last_ms;
        *ret_rows += v[i]->rows;
    }
}

void lesson_allow_stillness(struct model *m, const uint64_t *longest)
{
    struct scaler *s = &m->scaler;

    for (size_t i = 0; i < s->n; i++) {
        const uint64_t still = longest[i] > s->longest_still[i] ? longest[i] : s->longest_still[i];
        s->longest_still[i] = still < s->seen[i] ? still : s->seen[i];
    }
}

/* How long features stood still in each dataset as it is: in a pool no stretch is longer than what
 * an entity gives of a slice. */
static enum rc allow_own_stillness(struct model *m, const struct dataset *const *v, size_t n,
                                   struct err *err)
{
    const size_t features = m->scaler.n;
    CLEANUP(mem_freep) uint64_t *longest = mem_array(features, sizeof *longest);
    struct scaler of_one = {.n = features, .longest_still = longest};

    if (!longest)
        return err_set(err, E_NOMEM, "no memory for %zu features", features);
    for (size_t i = 0; i < n; i++) {
        scaler_note_stillness(&of_one, v[i]->X, v[i]->rows);
        lesson_allow_stillness(m, longest);
    }
    return OK;
}

/* Views of v[n], which own nothing: the rows before the held part, and those in it. */
static void split(const struct dataset *const *v, size_t n, double validation,
                  struct dataset *train, struct dataset *held, const struct dataset **trains,
                  const struct dataset **helds)
{
    for (size_t i = 0; i < n; i++) {
        const size_t part = (size_t)((double)v[i]->rows * validation + 0.5);
        const size_t least = v[i]->rows < 2 * VALIDATION_ROWS_MIN ? 0 : VALIDATION_ROWS_MIN;
        const size_t cut = v[i]->rows - (part > least ? part : least);
        train[i] = (struct dataset){.rows = cut, .n = v[i]->n, .ts_ms = v[i]->ts_ms, .X = v[i]->X};
        held[i] = (struct dataset){.rows = v[i]->rows - cut,
                                   .n = v[i]->n,
                                   .ts_ms = v[i]->ts_ms ? v[i]->ts_ms + cut : NULL,
                                   .X = v[i]->X ? v[i]->X + cut * v[i]->n : NULL};
        trains[i] = &train[i];
        helds[i] = &held[i];
    }
}

/* Both parts, pooled. */
static enum rc pool_parts(const struct dataset *const *v, size_t n, size_t rows_max,
                          double validation, struct dataset **ret_train, struct dataset **ret_held,
                          struct err *err)
{
    CLEANUP(mem_freep) struct dataset *views = mem_array(2 * n, sizeof *views);
    CLEANUP(mem_freep) const struct dataset **lists = mem_array(2 * n, sizeof(void *));
    const size_t of_held = (size_t)((double)rows_max * validation);

    if (!views || !lists)
        return err_set(err, E_NOMEM, "no memory for the frames of %zu entities", n);
    split(v, n, validation, views, views + n, lists, lists + n);
    if (pool_datasets(lists, n, rows_max - of_held, ret_train, err) != OK)
        return err->rc;
    return pool_datasets(lists + n, n, of_held > 0 ? of_held : 1, ret_held, err);
}

enum rc lesson_train(const struct dataset *const *v, size_t n, size_t rows_max,
                     const struct schema *schema, const struct learn_spec *spec,
                     const struct threshold_spec *threshold,
                     const struct model_provenance *provenance, model_progress_fn *progress,
                     void *arg, struct model **ret, struct err *err)
{
    CLEANUP(dataset_freep) struct dataset *train = NULL;
    CLEANUP(dataset_freep) struct dataset *held = NULL;
    CLEANUP(model_unrefp) struct model *m = NULL;

    if (n == 1)
        return model_train(v[0], NULL, schema, spec, threshold, provenance, progress, arg, ret,
                           err);
    if (pool_parts(v, n, rows_max, spec->validation, &train, &held, err) != OK ||
        model_train(train, held, schema, spec, threshold, provenance, progress, arg, &m, err) !=
            OK ||
        allow_own_stillness(m, v, n, err) != OK)
        return err->rc;
    *ret = TAKE(m);
    return OK;
}
