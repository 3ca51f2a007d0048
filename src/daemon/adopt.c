/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/adopt.h"

#include "base/cleanup.h"
#include "daemon/model_files.h"

static void store_reader_closep(struct store_reader **r)
{
    store_reader_close(*r);
}

struct lookup {
    uint64_t model_id;
    bool replaced;
};

static bool on_row(void *arg, const struct store_model_row *row)
{
    struct lookup *l = arg;

    if (row->model.model_id != l->model_id)
        return true;
    l->replaced =
        row->model.state == STORE_MODEL_RETIRED || row->model.state == STORE_MODEL_REJECTED;
    return false;
}

enum rc adopt_look(const struct adopt_question *q, struct model **ret, struct store_model *ret_row,
                   struct err *err)
{
    CLEANUP(store_reader_closep) struct store_reader *r = NULL;
    struct lookup l = {.model_id = q->in_use, .replaced = q->in_use == 0};

    *ret = NULL;
    if (store_reader_open(q->database, &r, err) != OK)
        return err->rc;
    if (store_read_model(r, q->instance, q->schema_hash, ret_row, err) != OK)
        return err->rc == E_STATE ? OK : err->rc; /* there is none */
    if (q->in_use && store_read_models(r, q->instance, on_row, &l, err) != OK)
        return err->rc;
    if (!l.replaced || ret_row->model_id == q->in_use)
        return OK;
    return model_files_load(q->models_dir, ret_row->file, ret, err);
}
