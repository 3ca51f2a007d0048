/* SPDX-License-Identifier: Apache-2.0 */
#include "source/assembler.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "source/assembler_private.h"

enum {
    REFUSED_MS = 60 * 1000, /* until an entity is offered to the intake again */
    /* A set of more series than this, most of them ended, is made anew; and how often at most. */
    RENEW_SERIES = 4096,
    RENEW_MS = 10 * 60 * 1000,
    SILENT_INTERVALS = 4, /* as $__rate_interval: after it no rate can be computed */
    SILENT_MS_MIN = 30 * 1000,
};

struct assembler {
    struct assembler_options o;
    struct watched *entities;
    size_t n_entities, capacity; /* numbers given so far, and room */
    size_t n_used;
    size_t free_from;  /* all numbers before this are used */
    uint32_t *names;   /* open addressing: number + 1 of an entity, by its name's hash */
    size_t n_names;    /* a power of two, at least twice n_entities */
    uint32_t *touched; /* [capacity] entities that the last take gave samples */
    size_t n_touched;
    size_t n_pending;  /* entities whose tick waits for the intake */
    int64_t full_ms;   /* mono: when a push was refused for that */
    size_t bytes;      /* of open cells */
    uint64_t n_handed; /* ticks that the intake was asked to take, so far */
    size_t polled;     /* entities below it have had their turn in this round */
};

enum rc assembler_new(const struct assembler_options *o, struct assembler **ret, struct err *err)
{
    assert(o->interval_ms > 0);
    struct assembler *a = mem_alloc(sizeof *a);

    if (!a)
        return err_set(err, E_NOMEM, "assembler: no memory");
    a->o = *o;
    a->full_ms = NO_TIME;
    *ret = a;
    return OK;
}

void assembler_free(struct assembler *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n_entities; i++)
        watched_done(&a->entities[i], &a->bytes);
    mem_free(a->entities);
    mem_free(a->names);
    mem_free(a->touched);
    mem_free(a);
}

size_t assembler_entities(const struct assembler *a)
{
    return a->n_used;
}

size_t assembler_cell_bytes(const struct assembler *a)
{
    return a->bytes;
}

uint8_t assembler_generation(const struct assembler *a, uint32_t entity)
{
    return a->entities[entity].generation;
}

/* The place of a name in the table: its entity's, or the free one where it would stand. The seed is
 * one that no sender knows, so that none can make up names that all want the same place. */
static uint32_t *name_slot(const struct assembler *a, struct str name)
{
    size_t k = hash_bytes(name.p, name.n, (uint64_t)(uintptr_t)a) & (a->n_names - 1);

    while (a->names[k] && !str_eq(str_of(a->entities[a->names[k] - 1].name), name))
        k = (k + 1) & (a->n_names - 1);
    return &a->names[k];
}

static void fill_names(struct assembler *a)
{
    memset(a->names, 0, a->n_names * sizeof *a->names);
    for (size_t i = 0; i < a->n_entities; i++)
        if (a->entities[i].used)
            *name_slot(a, str_of(a->entities[i].name)) = (uint32_t)i + 1;
}

static enum rc make_room(struct assembler *a, struct err *err)
{
    const size_t capacity = a->capacity ? 2 * a->capacity : 16;

    if (a->n_entities < a->capacity)
        return OK;
    struct watched *entities = mem_grow(a->entities, capacity, sizeof *entities);
    if (entities)
        a->entities = entities;
    uint32_t *touched = mem_grow(a->touched, capacity, sizeof *touched);
    if (touched)
        a->touched = touched;
    uint32_t *names = mem_array(2 * capacity, sizeof *names);
    if (!entities || !touched || !names) {
        mem_free(names);
        return err_set(err, E_NOMEM, "no memory for %zu entities", capacity);
    }
    mem_free(a->names);
    a->names = names;
    a->n_names = 2 * capacity;
    a->capacity = capacity;
    fill_names(a);
    return OK;
}

/* A number that is free. */
static enum rc take_number(struct assembler *a, uint32_t *ret, struct err *err)
{
    if (a->n_used == ASSEMBLER_ENTITIES_MAX)
        return err_set(err, E_LIMIT, "more than %d entities", ASSEMBLER_ENTITIES_MAX);
    if (a->n_used < a->n_entities) { /* some went */
        while (a->entities[a->free_from].used)
            a->free_from++;
        *ret = (uint32_t)a->free_from;
        return OK;
    }
    if (make_room(a, err) != OK)
        return err->rc;
    *ret = (uint32_t)a->n_entities++;
    a->entities[*ret] = (struct watched){0};
    return OK;
}

enum rc assembler_entity(struct assembler *a, struct str instance, uint32_t *ret, struct err *err)
{
    struct series_set *set = NULL;
    uint32_t number = 0;

    if (instance.n == 0 || instance.n >= INSTANCE_MAX || !str_is_utf8(instance))
        return err_set(err, E_CONFIG,
                       "'%.*s' cannot name an entity: 1 to %d bytes of UTF-8 are expected",
                       (int)(instance.n < INSTANCE_MAX ? instance.n : INSTANCE_MAX), instance.p,
                       INSTANCE_MAX - 1);
    if (a->n_names) {
        const uint32_t *slot = name_slot(a, instance);
        if (*slot) {
            *ret = *slot - 1;
            return OK;
        }
    }
    /* a number that is given and not used is given again */
    if (take_number(a, &number, err) != OK || series_set_new(&set, err) != OK)
        return err->rc;
    watched_init(&a->entities[number], instance);
    a->entities[number].set = set;
    *name_slot(a, instance) = number + 1;
    a->n_used++;
    *ret = number;
    return OK;
}

enum rc assembler_series(struct assembler *a, uint32_t entity, struct str name,
                         const struct label *labels, size_t n_labels, enum metric_type type,
                         uint32_t *ret, struct err *err)
{
    struct watched *e = &a->entities[entity];
    uint32_t id = 0;

    if (series_set_intern(e->set, name, labels, n_labels, type, &id, err) != OK)
        return err_wrap(err, "'%s'", e->name);
    if (id >= e->n_last) {
        const size_t n = series_set_count(e->set);
        struct point *last = mem_grow(e->last, n, sizeof *last);
        if (!last)
            return err_set(err, E_NOMEM, "no memory for %zu series of '%s'", n, e->name);
        e->last = last;
        for (; e->n_last < n; e->n_last++)
            last[e->n_last] = (struct point){NO_TIME, series_stale()};
    }
    *ret = id;
    return OK;
}

void assembler_set_group(struct assembler *a, uint32_t entity, struct str name)
{
    struct watched *e = &a->entities[entity];
    const size_t n = name.n < GROUP_NAME_MAX ? name.n : GROUP_NAME_MAX;

    if (n == 0 || (strncmp(e->group, name.p, n) == 0 && e->group[n] == '\0'))
        return;
    memcpy(e->group, name.p, n);
    e->group[n] = '\0';
    e->grouped = false;
}

static void tell_group(const struct assembler *a, struct watched *e)
{
    struct err err;

    if (e->group[0] && !e->grouped)
        e->grouped = a->o.intake->group(a->o.intake->arg, e->name, e->group, &err) == OK;
}

/* The intake's answer to a tick. False: it is full, and the tick waits. */
static bool hand_on(struct assembler *a, struct watched *e, struct snapshot *s, int64_t mono_ms)
{
    struct err err;

    a->n_handed++;
    tell_group(a, e);
    const enum rc rc = a->o.intake->tick(a->o.intake->arg, e->name, s, &err);
    if (rc == E_LIMIT) {
        a->n_pending += e->pending == NULL;
        e->pending = s;
        return false;
    }
    a->n_pending -= e->pending != NULL;
    e->pending = NULL;
    if (rc == E_CONFIG) {
        e->refused = true;
        e->refused_ms = mono_ms;
    }
    return true; /* whatever else went wrong, the intake has taken and counted it */
}

/* Everything that the first cell was waiting for is there, or will not come. One that holds only
 * what came too late for the cell before waits for its own time: else numbers would run ahead of
 * time where samples come more often than cells. */
static bool is_due(const struct assembler *a, const struct watched *e, int64_t mono_ms)
{
    const struct assembler_cell *c = e->cells[0];
    const int64_t since_ms = c->heard_ms > a->full_ms ? c->heard_ms : a->full_ms;
    const int64_t waited_ms = mono_ms - since_ms;

    if (!c->has_own)
        return waited_ms >= ASSEMBLER_SETTLE_MS + a->o.interval_ms;
    return waited_ms >= ASSEMBLER_SETTLE_MS || watched_is_complete(e);
}

/* A set of which little is left is made anew, so that series that come and go do not fill it. */
static void renew(struct watched *e, int64_t mono_ms)
{
    struct series_set *set;
    struct err err;

    if (e->n_last < RENEW_SERIES || e->n_live > e->n_last / 4 || e->n_cells || e->pending ||
        mono_ms - e->renewed_ms < RENEW_MS)
        return;
    if (series_set_new(&set, &err) != OK)
        return; /* the old one will do, the next time may be better */
    series_set_unref(e->set);
    e->set = set;
    mem_free(e->last);
    e->last = NULL;
    e->n_last = e->n_live = 0;
    e->generation++;
    e->renewed_ms = mono_ms;
}

/* Hand on the cells that are due; all of them when the end is near. */
static void advance(struct assembler *a, struct watched *e, int64_t mono_ms, bool all)
{
    if (e->pending && !hand_on(a, e, e->pending, mono_ms))
        return;
    while (e->n_cells && (all || is_due(a, e, mono_ms))) {
        struct snapshot *s = NULL;
        struct err err;
        if (watched_close(e, &a->bytes, &s, &err) != OK)
            return; /* no memory: tried again later */
        if (s && !hand_on(a, e, s, mono_ms))
            return;
        if (!s) {
            e->silent = true;
            e->grouped = false;
            a->o.intake->stale(a->o.intake->arg, e->name, e->tick_ms,
                               "all its series were marked stale");
        }
    }
}

static void retry_pending(struct assembler *a, int64_t mono_ms)
{
    const uint64_t enough = a->n_handed + ASSEMBLER_POLL_TICKS;

    for (size_t i = 0; i < a->n_entities && a->n_pending && a->n_handed < enough; i++)
        if (a->entities[i].pending)
            advance(a, &a->entities[i], mono_ms, false);
}

/* The very sample that went into a tick, sent again because its sender missed the answer. */
static bool was_taken(const struct watched *e, const struct assembler_sample *s)
{
    return e->last[s->series].ts_ms == s->ts_ms && same_value(e->last[s->series].value, s->value);
}

/* The end of a series, marked at a time that a tick has passed: it has ended all the same. */
static bool is_late_end(struct watched *e, const struct assembler_sample *s)
{
    struct point *last = &e->last[s->series];

    if (!series_is_stale(s->value))
        return false;
    if (last->ts_ms != NO_TIME && last->ts_ms <= s->ts_ms) {
        *last = (struct point){NO_TIME, series_stale()};
        e->n_live--;
    }
    return true;
}

/* A cell for every sample that can be taken; the others are counted. */
static enum rc reserve(struct assembler *a, struct assembler_sample *v, size_t n, int64_t wall_ms,
                       int64_t mono_ms, struct assembler_result *count, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct watched *e = &a->entities[v[i].entity];
        v[i].cell = NULL;
        assert(v[i].series < e->n_last);
        if (e->refused && mono_ms - e->refused_ms < REFUSED_MS)
            count->refused++;
        else if (v[i].ts_ms > wall_ms + ASSEMBLER_AHEAD_MS)
            count->future++;
        else if (v[i].ts_ms <= e->tick_ms && (was_taken(e, &v[i]) || is_late_end(e, &v[i])))
            count->taken++;
        else if (v[i].ts_ms < 0 || v[i].ts_ms <= e->tick_ms)
            count->late++;
        else if (i && v[i - 1].cell && v[i - 1].entity == v[i].entity &&
                 v[i - 1].ts_ms == v[i].ts_ms && v[i].series < v[i - 1].cell->n)
            v[i].cell = v[i - 1].cell; /* most samples are of the same scrape as the one before */
        else if (watched_cell(e, a->o.interval_ms, v[i].ts_ms, mono_ms, &a->bytes,
                              a->o.cell_bytes_max, &v[i].cell, err) != OK)
            return err->rc;
    }
    return OK;
}

static void touch(struct assembler *a, uint32_t entity, int64_t mono_ms)
{
    struct watched *e = &a->entities[entity];

    e->heard_ms = mono_ms;
    e->silent = e->refused = false;
    if (e->touched)
        return;
    e->touched = true;
    a->touched[a->n_touched++] = entity;
}

/* A cell keeps the newest sample of each series. */
static void put(const struct assembler_sample *s, int64_t mono_ms, struct assembler_result *count)
{
    struct assembler_cell *c = s->cell;
    struct point *p = &c->points[s->series];

    if (p->ts_ms == s->ts_ms && !same_value(p->value, s->value)) {
        count->conflicting++;
        return;
    }
    count->taken++;
    if (s->ts_ms <= p->ts_ms)
        return; /* the same again, or superseded */
    c->heard_ms = mono_ms;
    c->n_present += p->ts_ms == NO_TIME;
    *p = (struct point){s->ts_ms, s->value};
    c->has_own = c->has_own || s->ts_ms >= c->start_ms;
    if (s->ts_ms > c->newest_ms)
        c->newest_ms = s->ts_ms;
}

enum rc assembler_take(struct assembler *a, struct assembler_sample *v, size_t n, int64_t wall_ms,
                       int64_t mono_ms, struct assembler_result *ret, struct err *err)
{
    struct assembler_result count = {0};

    retry_pending(a, mono_ms);
    if (a->n_pending) {
        a->full_ms = mono_ms;
        return err_set(err, E_LIMIT, "ticks of %zu entities wait to be worked off", a->n_pending);
    }
    if (reserve(a, v, n, wall_ms, mono_ms, &count, err) != OK) {
        for (size_t i = 0; i < n; i++)
            if (i == 0 || v[i].entity != v[i - 1].entity)
                watched_drop_empty(&a->entities[v[i].entity], &a->bytes);
        return err->rc;
    }
    for (size_t i = 0; i < n; i++) {
        if (!v[i].cell)
            continue;
        if (i == 0 || v[i].entity != v[i - 1].entity || !v[i - 1].cell)
            touch(a, v[i].entity, mono_ms);
        put(&v[i], mono_ms, &count);
    }
    for (size_t i = 0; i < a->n_touched; i++) {
        struct watched *e = &a->entities[a->touched[i]];
        e->touched = false;
        advance(a, e, mono_ms, false);
    }
    a->n_touched = 0;
    *ret = count;
    return OK;
}

/* An entity of which no more comes. */
static void mind_silence(struct assembler *a, struct watched *e, int64_t wall_ms, int64_t mono_ms)
{
    char why[64], lasted[STR_DURATION_MAX];
    const int64_t usual = SILENT_INTERVALS * a->o.interval_ms;
    const int64_t most = usual > SILENT_MS_MIN ? usual : SILENT_MS_MIN;

    if (e->silent || e->refused || e->n_cells || e->pending || e->tick_ms == NO_TIME ||
        mono_ms - e->heard_ms <= most)
        return;
    e->silent = true;
    e->grouped = false;
    str_from_duration_ms(most, lasted);
    (void)snprintf(why, sizeof why, "nothing came for %s", lasted);
    a->o.intake->stale(a->o.intake->arg, e->name, wall_ms, why);
}

bool assembler_poll(struct assembler *a, int64_t wall_ms, int64_t mono_ms)
{
    const uint64_t enough = a->n_handed + ASSEMBLER_POLL_TICKS;

    for (; a->polled < a->n_entities; a->polled++) {
        struct watched *e = &a->entities[a->polled];
        if (a->n_handed >= enough)
            return true;
        if (!e->used)
            continue;
        if (e->n_cells || e->pending)
            advance(a, e, mono_ms, false);
        mind_silence(a, e, wall_ms, mono_ms);
        renew(e, mono_ms); /* here alone: samples that are being taken have the old numbers */
    }
    a->polled = 0;
    return false;
}

void assembler_flush(struct assembler *a)
{
    for (size_t i = 0; i < a->n_entities; i++)
        if (a->entities[i].n_cells || a->entities[i].pending)
            advance(a, &a->entities[i], a->entities[i].heard_ms, true);
}

void assembler_expire(struct assembler *a, int64_t mono_ms)
{
    bool any = false;

    for (size_t i = 0; i < a->n_entities; i++) {
        struct watched *e = &a->entities[i];
        if (!e->used || e->n_cells || e->pending || mono_ms - e->heard_ms <= ASSEMBLER_EXPIRE_MS)
            continue;
        watched_done(e, &a->bytes);
        a->n_used--;
        a->free_from = i < a->free_from ? i : a->free_from;
        any = true;
    }
    if (any)
        fill_names(a);
}
