/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/board.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct board {
    pthread_mutex_t *lock; /* apart, so that a reader's const board can be locked */
    struct telemetry *telemetry;
    struct entity_view *views; /* [capacity] */
    size_t n, capacity;
    char trouble[ERR_MSG_MAX];
};

const char *phase_name(enum phase p)
{
    switch (p) {
    case PHASE_LEARNING:
        return "learning";
    case PHASE_TRAINING:
        return "training";
    case PHASE_WATCHING:
        return "watching";
    }
    return "unknown";
}

enum rc board_new(struct telemetry *t, struct board **ret, struct err *err)
{
    CLEANUP(board_freep) struct board *b = mem_alloc(sizeof *b);
    if (!b)
        return err_set(err, E_NOMEM, "board: no memory");
    b->telemetry = t;
    b->lock = mem_alloc(sizeof *b->lock);
    if (!b->lock)
        return err_set(err, E_NOMEM, "board: no memory for its lock");
    (void)pthread_mutex_init(b->lock, NULL); /* of the default kind: cannot fail on Linux */
    *ret = TAKE(b);
    return OK;
}

void board_free(struct board *b)
{
    if (!b)
        return;
    if (b->lock)
        (void)pthread_mutex_destroy(b->lock);
    mem_free(b->lock);
    mem_free(b->views);
    mem_free(b);
}

static enum rc add_locked(struct board *b, const char *instance, size_t *ret_slot, struct err *err)
{
    for (size_t i = 0; i < b->n; i++)
        if (strcmp(b->views[i].instance, instance) == 0)
            return err_set(err, E_CONFIG, "board: entity '%s' comes twice", instance);
    if (b->n == BOARD_ENTITIES_MAX)
        return err_set(err, E_LIMIT, "board: entity '%s' is one more than %d", instance,
                       BOARD_ENTITIES_MAX);
    if (b->n == b->capacity) {
        const size_t capacity = b->capacity ? 2 * b->capacity : 1;
        struct entity_view *views = mem_grow(b->views, capacity, sizeof *views);
        if (!views)
            return err_set(err, E_NOMEM, "board: no memory for entity '%s'", instance);
        b->views = views;
        b->capacity = capacity;
    }
    struct entity_view *v = &b->views[b->n];
    memset(v, 0, sizeof *v);
    memcpy(v->instance, instance, strlen(instance) + 1);
    v->phase = PHASE_LEARNING;
    v->widening = 1;
    *ret_slot = b->n++;
    return OK;
}

enum rc board_add(struct board *b, const char *instance, size_t *ret_slot, struct err *err)
{
    const size_t n = strlen(instance);

    if (n == 0)
        return err_set(err, E_CONFIG, "board: an entity needs a name");
    if (n >= INSTANCE_MAX)
        return err_set(err, E_LIMIT, "board: an entity's name has %zu bytes, at most %d", n,
                       INSTANCE_MAX - 1);
    pthread_mutex_lock(b->lock);
    const enum rc rc = add_locked(b, instance, ret_slot, err);
    pthread_mutex_unlock(b->lock);
    return rc;
}

void board_publish(struct board *b, size_t slot, const struct entity_view *v)
{
    char instance[INSTANCE_MAX];

    assert(v->n_causes <= CAUSES_MAX && v->incident.n_causes <= CAUSES_MAX);
    pthread_mutex_lock(b->lock);
    assert(slot < b->n);
    struct entity_view *to = &b->views[slot];
    memcpy(instance, to->instance, sizeof instance);
    *to = *v;
    memcpy(to->instance, instance, sizeof instance);
    pthread_mutex_unlock(b->lock);
}

size_t board_count(const struct board *b)
{
    pthread_mutex_lock(b->lock);
    const size_t n = b->n;
    pthread_mutex_unlock(b->lock);
    return n;
}

bool board_read(const struct board *b, size_t slot, struct entity_view *ret)
{
    pthread_mutex_lock(b->lock);
    const bool there = slot < b->n;
    if (there)
        *ret = b->views[slot];
    pthread_mutex_unlock(b->lock);
    return there;
}

struct telemetry *board_telemetry(const struct board *b)
{
    return b->telemetry;
}

void board_set_trouble(struct board *b, const char *sentence)
{
    pthread_mutex_lock(b->lock);
    (void)snprintf(b->trouble, sizeof b->trouble, "%s", sentence);
    pthread_mutex_unlock(b->lock);
}

void board_trouble(const struct board *b, char *out, size_t size)
{
    pthread_mutex_lock(b->lock);
    (void)snprintf(out, size, "%s", b->trouble);
    pthread_mutex_unlock(b->lock);
}
