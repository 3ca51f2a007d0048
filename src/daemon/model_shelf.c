/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/model_shelf.h"

#include <pthread.h>

#include "base/mem.h"

enum { PLACES = 64 };

struct model_shelf {
    pthread_mutex_t lock;
    size_t next; /* place to be used next: the oldest goes */
    struct {
        uint64_t id;
        struct model *model; /* NULL: the place is free */
    } place[PLACES];
};

enum rc model_shelf_new(struct model_shelf **ret, struct err *err)
{
    struct model_shelf *s = mem_alloc(sizeof *s);

    if (!s)
        return err_set(err, E_NOMEM, "models: no memory");
    (void)pthread_mutex_init(&s->lock, NULL); /* of the default kind: cannot fail on Linux */
    *ret = s;
    return OK;
}

void model_shelf_free(struct model_shelf *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < PLACES; i++)
        model_unref(s->place[i].model);
    (void)pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

struct model *model_shelf_swap(struct model_shelf *s, uint64_t id, struct model *m)
{
    struct model *found = NULL;

    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < PLACES && !found; i++)
        if (s->place[i].model && s->place[i].id == id &&
            settings_same_threshold(&s->place[i].model->threshold_spec, &m->threshold_spec))
            found = model_ref(s->place[i].model);
    if (!found) {
        model_unref(s->place[s->next].model);
        s->place[s->next].id = id;
        s->place[s->next].model = model_ref(m);
        s->next = (s->next + 1) % PLACES;
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (!found)
        return m;
    model_unref(m);
    return found;
}
