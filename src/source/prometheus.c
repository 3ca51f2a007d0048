/* SPDX-License-Identifier: Apache-2.0 */
#include "source/prometheus.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "source/prom_chunk.h"
#include "source/prom_groups.h"

enum {
    FULL_WAIT_MS = 20,         /* before a frame is handed on again to a line that was full */
    SLEEP_MOST_MS = 10000,     /* then the wall clock is looked at again: it may have jumped */
    FORGET_MS = 3600 * 1000,   /* without a value; a reboot or an update takes minutes */
    SAID_MAX = 256,            /* causes remembered as said; then they may come again */
    GROUPS_MS = 600 * 1000,    /* between two looks at who is like whom, */
    GROUPS_SOON_MS = 30000,    /* and where somebody is new, or the server could not say */
    GAP_LEAST_MS = 3600 * 1000 /* of a gap that is filled, where backfill_ms is less */
};

struct entity { /* same number as in the grid */
    int64_t last_ms, seen_ms;
    bool past;    /* its past was asked for, and caught_up not yet said */
    bool stale;   /* and said so */
    bool refused; /* the intake will not have it */
    bool grouped; /* it was told that it is like others, */
    bool alike;   /* and is by the answer in hand */
};

struct prometheus_source {
    const struct prometheus_spec *spec;
    struct intake intake;
    struct prometheus_hooks hooks;
    pthread_t thread;
    atomic_bool stop;
    int stop_fd;

    struct prom_client *client;
    struct prom_grid *grid;
    struct prom_fill fill;
    struct entity *entities; /* [room] */
    size_t room;
    int64_t late_ms, next_ms;
    size_t n_alike;    /* of the last answer */
    int64_t groups_ms; /* mono: when it is asked next who is like whom */
    bool begun, caught_up, filling_past;
    uint64_t said[SAID_MAX]; /* causes */
    size_t n_said;

    pthread_mutex_t lock; /* of stats */
    struct prometheus_stats stats;
    uint64_t failures, frames, refused; /* the thread's own, copied to stats */
};

/* Waits so long, or until it is told to stop: false. */
static bool wait_ms(void *arg, int64_t ms)
{
    struct prometheus_source *s = arg;
    struct pollfd p = {.fd = s->stop_fd, .events = POLLIN};

    if (ms > 0 && !atomic_load(&s->stop))
        (void)poll(&p, 1, ms < INT32_MAX ? (int)ms : INT32_MAX); /* EINTR: a shorter wait */
    return !atomic_load(&s->stop);
}

static void say_once(void *arg, uint64_t cause, enum rc rc, const char *sentence)
{
    struct prometheus_source *s = arg;

    for (size_t i = 0; i < s->n_said; i++)
        if (s->said[i] == cause)
            return;
    if (s->n_said == SAID_MAX)
        s->n_said = 0;
    s->said[s->n_said++] = cause;
    if (s->hooks.said)
        s->hooks.said(s->hooks.arg, rc, sentence);
}

static void say(struct prometheus_source *s, enum rc rc, const char *sentence)
{
    say_once(s, hash_bytes(sentence, strlen(sentence), 0), rc, sentence);
}

static void publish(struct prometheus_source *s, bool up)
{
    pthread_mutex_lock(&s->lock);
    s->stats = (struct prometheus_stats){
        .requests = prom_requests(s->client),
        .failures = s->failures,
        .retries = s->fill.retries,
        .halvings = s->fill.halvings,
        .missing = s->fill.missing,
        .warnings = s->fill.warnings,
        .frames = s->frames,
        .refused = s->refused,
        .entities = prom_grid_entities(s->grid),
        .up = up,
        .caught_up = s->caught_up,
    };
    pthread_mutex_unlock(&s->lock);
}

static void progress(void *arg, uint64_t done, uint64_t of)
{
    struct prometheus_source *s = arg;

    if (s->filling_past && s->hooks.progress)
        s->hooks.progress(s->hooks.arg, done, of);
    publish(s, true);
}

static enum rc stopped(struct err *err)
{
    return err_set(err, E_STATE, "stopped");
}

static enum rc give(struct prometheus_source *s, size_t number, int64_t ts_ms, const double *base,
                    struct err *err)
{
    struct entity *e = &s->entities[number];
    const char *name = prom_grid_name(s->grid, number);
    enum rc rc;

    if (e->refused || ts_ms <= e->last_ms)
        return OK;
    while ((rc = s->intake.frame(s->intake.arg, name, ts_ms, base, s->fill.features->n, err)) ==
           E_LIMIT)
        if (!wait_ms(s, FULL_WAIT_MS))
            return stopped(err);
    e->refused = rc == E_CONFIG;
    if (rc != OK) {
        s->refused++;
        say(s, rc, err->msg);
        return OK;
    }
    s->frames++;
    e->last_ms = e->seen_ms = ts_ms;
    e->stale = false;
    return OK;
}

static enum rc give_row(void *arg, size_t number, int64_t ts_ms, const double *base,
                        struct err *err)
{
    return give(arg, number, ts_ms, base, err);
}

static void tell_stale(struct prometheus_source *s, size_t number, int64_t ts_ms, const char *why)
{
    struct entity *e = &s->entities[number];

    if (e->stale || e->refused)
        return;
    e->stale = true;
    s->intake.stale(s->intake.arg, prom_grid_name(s->grid, number), ts_ms, why);
}

/* The last entity takes the place of the one that goes, as in the grid. */
static void forget(struct prometheus_source *s, size_t number)
{
    s->entities[number] = s->entities[prom_grid_entities(s->grid) - 1];
    prom_grid_drop(s->grid, number);
}

/* Room for the entities that the grid has named since there were n. */
static enum rc know(struct prometheus_source *s, size_t n, int64_t now_ms, struct err *err)
{
    const size_t all = prom_grid_entities(s->grid);

    if (all > s->room) {
        struct entity *more = mem_grow(s->entities, 2 * all, sizeof *more);
        if (!more)
            return err_set(err, E_NOMEM, "no memory for %zu machines", all);
        s->entities = more;
        s->room = 2 * all;
    }
    for (size_t i = n; i < all; i++)
        s->entities[i] = (struct entity){.seen_ms = now_ms, .past = true};
    if (all > n && s->groups_ms > clock_mono_ms() + GROUPS_SOON_MS)
        s->groups_ms = clock_mono_ms() + GROUPS_SOON_MS;
    return OK;
}

static void tell_group(void *arg, const char *instance, const char *group)
{
    struct prometheus_source *s = arg;
    const int64_t number = prom_grid_entity(s->grid, instance, false);
    struct err err;

    s->n_alike++;
    if (number < 0 || s->entities[number].refused || s->entities[number].stale)
        return; /* a target that no feature asks for, or nothing comes of */
    s->entities[number].alike = group[0] != '\0';
    s->entities[number].grouped = group[0] != '\0';
    while (s->intake.group(s->intake.arg, instance, group, &err) == E_LIMIT)
        if (!wait_ms(s, FULL_WAIT_MS))
            return;
}

/* Who is like whom; those that were, and are in no answer any more, are like nobody. A server that
 * cannot say costs models that are not shared, and is asked again soon. */
static void ask_groups(struct prometheus_source *s, int64_t at_ms)
{
    const struct prom_groups g = {s->spec->entity_label, s->hooks.share, s->spec->match};
    const int64_t now_ms = clock_mono_ms();
    struct err err;

    if (!s->hooks.share || now_ms < s->groups_ms || prom_grid_entities(s->grid) == 0)
        return;
    for (size_t i = 0; i < prom_grid_entities(s->grid); i++)
        s->entities[i].alike = s->entities[i].stale;
    s->n_alike = 0;
    s->groups_ms = now_ms + GROUPS_SOON_MS;
    if (prom_groups_ask(s->client, &g, at_ms, tell_group, s, &err) != OK) {
        if (!atomic_load(&s->stop))
            say(s, err.rc, err.msg);
        return;
    }
    if (s->n_alike == 0)
        return; /* no label at all: a server that has lost its targets has not lost what they are */
    s->groups_ms = now_ms + GROUPS_MS;
    for (size_t i = 0; i < prom_grid_entities(s->grid); i++)
        if (s->entities[i].grouped && !s->entities[i].alike)
            tell_group(s, prom_grid_name(s->grid, i), "");
}

/* Who is there now, and since when their past is wanted. *ret_any: somebody is. */
static enum rc begin(struct prometheus_source *s, int64_t newest_ms, bool *ret_any, struct err *err)
{
    const int64_t step = s->spec->interval_ms, back = newest_ms - s->spec->backfill_ms;

    enum rc rc = prom_fill_instant(&s->fill, newest_ms, err);
    if (know(s, 0, newest_ms, rc == OK ? err : &(struct err){0}) != OK)
        rc = E_NOMEM;
    if (rc != OK)
        return rc;
    ask_groups(s, newest_ms);
    s->next_ms = newest_ms;
    for (size_t i = 0; i < prom_grid_entities(s->grid); i++) {
        struct entity *e = &s->entities[i];
        const char *name = prom_grid_name(s->grid, i);
        e->last_ms = s->hooks.last_ms ? s->hooks.last_ms(s->hooks.arg, name) : 0;
        e->past = true;
        const int64_t from = e->last_ms >= back ? e->last_ms + 1 : back;
        if (from < s->next_ms)
            s->next_ms = prom_chunk_ceil(from, step);
    }
    *ret_any = prom_grid_entities(s->grid) > 0;
    return OK;
}

/* Nothing of the past is left. */
static enum rc tell_caught_up(struct prometheus_source *s, struct err *err)
{
    for (size_t i = 0; i < prom_grid_entities(s->grid); i++) {
        struct entity *e = &s->entities[i];
        while (e->past && !e->refused &&
               s->intake.caught_up(s->intake.arg, prom_grid_name(s->grid, i), err) == E_LIMIT)
            if (!wait_ms(s, FULL_WAIT_MS))
                return stopped(err);
        e->past = false;
    }
    s->caught_up = true;
    return OK;
}

/* The present, an instant at a time. */
static enum rc live(struct prometheus_source *s, struct err *err)
{
    const int64_t at = s->next_ms;
    const size_t known = prom_grid_entities(s->grid);

    const enum rc rc = prom_fill_instant(&s->fill, at, err);
    if (know(s, known, at, rc == OK ? err : &(struct err){0}) != OK)
        return E_NOMEM;
    if (rc != OK)
        return rc;
    for (size_t i = 0; i < prom_grid_entities(s->grid); i++) {
        const double *base = prom_features_frame(s->fill.features, s->grid, i, 0);
        if (base && give(s, i, at, base, err) != OK)
            return err->rc;
        if (!base && s->caught_up) /* the past may begin later than it was asked for */
            tell_stale(s, i, at, "the server has no samples of it");
    }
    for (size_t i = prom_grid_entities(s->grid); i-- > 0;)
        if (!s->entities[i].past && at - s->entities[i].seen_ms > FORGET_MS)
            forget(s, i); /* one whose past has just come may have been away for long */
    if (s->caught_up && tell_caught_up(s, err) != OK) /* of those that came since */
        return err->rc;
    s->next_ms = at + s->spec->interval_ms;
    ask_groups(s, at);
    publish(s, true);
    return OK;
}

static enum rc catch_up(struct prometheus_source *s, int64_t to_ms, struct err *err)
{
    s->filling_past = !s->caught_up;
    const enum rc rc = prom_fill_span(&s->fill, s->next_ms, to_ms, err);
    s->next_ms = s->fill.next_ms;
    return rc;
}

/* A gap longer than what may be filled begins later; a clock that was set back is waited for. */
static void keep_within(struct prometheus_source *s, int64_t newest_ms)
{
    const int64_t step = s->spec->interval_ms;
    const int64_t most =
        s->spec->backfill_ms > GAP_LEAST_MS ? s->spec->backfill_ms : (int64_t)GAP_LEAST_MS;

    if (newest_ms - s->next_ms > most)
        s->next_ms = prom_chunk_ceil(newest_ms - most, step);
    if (s->next_ms - newest_ms > step)
        s->next_ms = newest_ms + step;
}

/* One thing that is due, or a sleep until one is. */
static enum rc step(struct prometheus_source *s, struct err *err)
{
    const int64_t interval = s->spec->interval_ms, now = clock_wall_ms();
    const int64_t newest = prom_chunk_floor(now - s->late_ms, interval);
    const int64_t settled = prom_chunk_floor(now - PROM_FRESH_MS, interval);

    if (!s->begun) {
        if (begin(s, newest, &s->begun, err) != OK)
            return err->rc;
        if (!s->begun) {
            say(s, E_STATE, "the server has no series of the profile yet");
            publish(s, true);
            (void)wait_ms(s, interval);
            return OK;
        }
    }
    keep_within(s, newest);
    if (prom_chunk_count(s->next_ms, settled, interval) > 1)
        return catch_up(s, settled, err);
    if (s->next_ms <= newest)
        return live(s, err);
    if (!s->caught_up && tell_caught_up(s, err) != OK)
        return err->rc;
    publish(s, true);
    const int64_t sleep = s->next_ms + s->late_ms - now;
    (void)wait_ms(s, sleep < SLEEP_MOST_MS ? sleep : (int64_t)SLEEP_MOST_MS);
    return OK;
}

/* The reason without the URL in front of it. */
static const char *reason(const struct prometheus_source *s, const struct err *err)
{
    const char *shown = prom_client_shown(s->client);
    const size_t n = strlen(shown);

    return strncmp(err->msg, shown, n) == 0 && strncmp(err->msg + n, ": ", 2) == 0
               ? err->msg + n + 2
               : err->msg;
}

static void *run(void *arg)
{
    struct prometheus_source *s = arg;
    struct http_backoff backoff;
    struct err err;
    bool down = false;

    pthread_setname_np(pthread_self(), "prometheus");
    http_backoff_init(&backoff, clock_mono_ns());
    while (!atomic_load(&s->stop)) {
        if (step(s, &err) == OK) {
            http_backoff_clear(&backoff);
            if (down) {
                s->n_said = 0; /* what goes wrong from here on is news */
                say(s, OK, "the Prometheus server answers again");
            }
            down = false;
            continue;
        }
        if (atomic_load(&s->stop))
            break;
        down = true;
        s->failures++;
        say(s, err.rc, err.msg);
        for (size_t i = 0; i < prom_grid_entities(s->grid); i++)
            tell_stale(s, i, clock_wall_ms(), reason(s, &err));
        publish(s, false);
        (void)wait_ms(s, http_backoff_next_ms(&backoff, prom_retry_after_ms(s->client)));
    }
    return NULL;
}

static void source_free(struct prometheus_source *s)
{
    if (!s)
        return;
    prom_client_free(s->client);
    prom_grid_free(s->grid);
    mem_free(s->entities);
    fd_closep(&s->stop_fd);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

static void source_freep(struct prometheus_source **s)
{
    source_free(*s);
}

enum rc prometheus_start(const struct prometheus_spec *spec, const struct prom_features *features,
                         const struct intake *intake, const struct prometheus_hooks *hooks,
                         struct prometheus_source **ret, struct err *err)
{
    CLEANUP(source_freep) struct prometheus_source *s = mem_alloc(sizeof *s);

    if (!s)
        return err_set(err, E_NOMEM, "prometheus: no memory");
    s->spec = spec;
    s->intake = *intake;
    s->hooks = *hooks;
    s->late_ms = spec->interval_ms < PROMETHEUS_LATE_LEAST_MS  ? PROMETHEUS_LATE_LEAST_MS
                 : spec->interval_ms > PROMETHEUS_LATE_MOST_MS ? PROMETHEUS_LATE_MOST_MS
                                                               : spec->interval_ms;
    pthread_mutex_init(&s->lock, NULL);
    atomic_init(&s->stop, false);
    s->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (s->stop_fd < 0)
        return err_set(err, E_IO, "prometheus: eventfd: %m");
    const struct prom_client_options options = {
        .url = spec->url, .label = spec->entity_label, .access = &spec->access, .stop = &s->stop};
    if (prom_client_new(&options, &s->client, err) != OK ||
        prom_grid_new(prom_features_columns(features), &s->grid, err) != OK)
        return err_wrap(err, "prometheus");
    s->fill = (struct prom_fill){.client = s->client,
                                 .features = features,
                                 .grid = s->grid,
                                 .step_ms = spec->interval_ms,
                                 .tries = 1, /* run() waits, with everybody stale */
                                 .arg = s,
                                 .wait = wait_ms,
                                 .row = give_row,
                                 .progress = progress,
                                 .said = say_once};
    http_backoff_init(&s->fill.backoff, 1);
    errno = pthread_create(&s->thread, NULL, run, s);
    if (errno)
        return err_set(err, E_IO, "prometheus: thread: %m");
    *ret = TAKE(s);
    return OK;
}

void prometheus_stop(struct prometheus_source *s)
{
    const uint64_t one = 1;

    if (!s)
        return;
    atomic_store(&s->stop, true);
    while (write(s->stop_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    pthread_join(s->thread, NULL);
    source_free(s);
}

void prometheus_stats(struct prometheus_source *s, struct prometheus_stats *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = s->stats;
    pthread_mutex_unlock(&s->lock);
}
