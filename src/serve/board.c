/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/board.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

struct board {
    pthread_mutex_t *lock; /* apart, so that a reader's const board can be locked */
    struct telemetry *telemetry;
    struct entity_view *views; /* [capacity] */
    uint64_t *names; /* [capacity] hashes of the instances, 0 = gone: quick to look through */
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

int64_t entity_view_age_ms(const struct entity_view *v, int64_t now_ms)
{
    return now_ms > v->ts_ms ? now_ms - v->ts_ms : 0;
}

bool entity_view_is_stale(const struct entity_view *v, int64_t now_ms)
{
    enum { STALE_INTERVALS = 10, STALE_MIN_MS = 10000 };
    const int64_t most_ms = v->interval_ms * STALE_INTERVALS;

    if (v->stale[0])
        return true;
    return v->ts_ms != 0 &&
           entity_view_age_ms(v, now_ms) > (most_ms > STALE_MIN_MS ? most_ms : STALE_MIN_MS);
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
    mem_free(b->names);
    mem_free(b);
}

static uint64_t hash_of(const char *instance)
{
    return hash_bytes(instance, strlen(instance), 0) | 1; /* never 0 */
}

/* The slot of an entity, b->n when there is none. */
static size_t find_locked(const struct board *b, const char *instance)
{
    const uint64_t hash = hash_of(instance);

    for (size_t i = 0; i < b->n; i++)
        if (b->names[i] == hash && strcmp(b->views[i].instance, instance) == 0)
            return i;
    return b->n;
}

static enum rc grow(struct board *b, const char *instance, struct err *err)
{
    const size_t capacity = b->capacity ? 2 * b->capacity : 1;
    struct entity_view *views = mem_grow(b->views, capacity, sizeof *views);

    if (views)
        b->views = views;
    uint64_t *names = mem_grow(b->names, capacity, sizeof *names);
    if (names)
        b->names = names;
    if (!views || !names)
        return err_set(err, E_NOMEM, "board: no memory for entity '%s'", instance);
    b->capacity = capacity;
    return OK;
}

static enum rc add_locked(struct board *b, const char *instance, size_t *ret_slot, struct err *err)
{
    size_t at = 0; /* the slot of one that is gone, else a new one */

    if (find_locked(b, instance) < b->n)
        return err_set(err, E_CONFIG, "board: entity '%s' comes twice", instance);
    while (at < b->n && b->names[at])
        at++;
    if (at == BOARD_ENTITIES_MAX)
        return err_set(err, E_LIMIT, "board: entity '%s' is one more than %d", instance,
                       BOARD_ENTITIES_MAX);
    if (at == b->capacity && grow(b, instance, err) != OK)
        return err->rc;
    struct entity_view *v = &b->views[at];
    memset(v, 0, sizeof *v);
    memcpy(v->instance, instance, strlen(instance) + 1);
    v->phase = PHASE_LEARNING;
    v->widening = 1;
    b->names[at] = hash_of(instance);
    b->n += at == b->n;
    *ret_slot = at;
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

void board_remove(struct board *b, size_t slot)
{
    pthread_mutex_lock(b->lock);
    assert(slot < b->n);
    memset(&b->views[slot], 0, sizeof b->views[slot]);
    b->names[slot] = 0;
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

bool board_find(const struct board *b, const char *instance, struct entity_view *ret)
{
    pthread_mutex_lock(b->lock);
    const size_t at = find_locked(b, instance);
    const bool there = at < b->n; /* while nobody can add one */
    if (there)
        *ret = b->views[at];
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
