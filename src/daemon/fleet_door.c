/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/fleet_private.h"

/* What it sent is in the line. */
static void heard(struct member *m, int64_t ts_ms)
{
    m->heard_mono_ms = clock_mono_ms();
    m->last_ms = ts_ms;
    m->stale = false;
}

/* Takes m, unless full. The lock is held. */
static enum rc push(struct source *s, const struct member *to, struct shard_message *m,
                    struct err *err)
{
    m->slot = (size_t)(to - s->fleet->member);
    if (queue_push(shard_queue(s->fleet->o.shard), m))
        return OK;
    return err_set(err, E_LIMIT, "the line is full");
}

/* Ticks come in order, so by our own clock one that is not after the one before it says that the
 * clock was set back; meanwhile an interval has passed. */
static struct continuity_clocks clocks_of(const struct source *s, struct member *m, int64_t ts_ms)
{
    if (s->s.our_clock && m->last_ms && ts_ms <= m->last_ms)
        m->set_back_ms += m->last_ms + s->s.interval_ms - ts_ms;
    return (struct continuity_clocks){ts_ms, ts_ms + m->set_back_ms, ts_ms + m->set_back_ms};
}

static enum rc push_tick(struct source *s, const char *instance, struct shard_message *m,
                         struct err *err)
{
    struct telemetry *t = s->fleet->o.telemetry;
    const int64_t ts_ms = m->snapshot->ts_ms;
    const size_t samples = m->snapshot->n;
    struct member *to = NULL;

    if (fleet_reach(s, instance, &to, err) != OK)
        return err->rc;
    const int64_t before_ms = to->set_back_ms;
    m->clocks = clocks_of(s, to, ts_ms);
    const enum rc rc = push(s, to, m, err);
    if (rc == OK)
        heard(to, ts_ms);
    else
        to->set_back_ms = before_ms;
    pthread_mutex_unlock(&s->fleet->lock);
    telemetry_add(t, TEL_SAMPLES, rc == OK ? samples : 0);
    telemetry_add(t, TEL_TICKS, rc == OK);
    return rc;
}

static enum rc on_tick(void *arg, const char *instance, struct snapshot *snapshot, struct err *err)
{
    struct shard_message *m = shard_message_new(SHARD_TICK, 0, NULL, 0);

    if (!m) {
        snapshot_free(snapshot);
        return err_set(err, E_NOMEM, "entity '%s': no memory", instance);
    }
    m->snapshot = snapshot;
    if (push_tick(arg, instance, m, err) == OK)
        return OK;
    if (err->rc == E_LIMIT)
        m->snapshot = NULL; /* the caller's still */
    shard_message_free(m);
    return err->rc;
}

/* The first frame of an entity that is of the past says that more of it is coming. */
static enum rc gather(struct source *s, const struct member *to, struct err *err)
{
    struct shard_message *m = shard_message_new(SHARD_GATHER, 0, NULL, 0);

    if (!m)
        return err_set(err, E_NOMEM, "no memory");
    if (push(s, to, m, err) == OK)
        return OK;
    shard_message_free(m);
    return err->rc;
}

static enum rc push_frame(struct source *s, const char *instance, struct shard_message *m,
                          struct err *err)
{
    const int64_t ts_ms = m->ts_ms; /* m is the shard's once it is pushed */
    struct member *to = NULL;

    if (fleet_reach(s, instance, &to, err) != OK)
        return err->rc;
    const bool past = clock_wall_ms() - ts_ms > SILENT_INTERVALS * s->s.interval_ms;
    enum rc rc = to->last_ms == 0 && past ? gather(s, to, err) : OK;
    if (rc == OK)
        rc = push(s, to, m, err);
    if (rc == OK)
        heard(to, ts_ms);
    pthread_mutex_unlock(&s->fleet->lock);
    return rc;
}

static enum rc on_frame(void *arg, const char *instance, int64_t ts_ms, const double *base,
                        size_t n, struct err *err)
{
    struct shard_message *m = shard_message_new(SHARD_FRAME, 0, base, n);

    if (!m)
        return err_set(err, E_NOMEM, "entity '%s': no memory", instance);
    m->ts_ms = ts_ms;
    if (push_frame(arg, instance, m, err) == OK)
        return OK;
    shard_message_free(m);
    return err->rc;
}

static enum rc on_last_ms(void *arg, const char *instance, int64_t *ret_ms, struct err *err)
{
    struct source *s = arg;
    struct member *m = NULL;

    if (fleet_reach(s, instance, &m, err) != OK)
        return err->rc;
    *ret_ms = m->last_ms;
    pthread_mutex_unlock(&s->fleet->lock);
    return OK;
}

/* The lock is held. */
static enum rc push_group(struct source *s, struct member *to, const char *name, struct err *err)
{
    const uint64_t hash = name[0] ? hash_bytes(name, strlen(name), 0) | 1 : 0;

    if (to->group == hash)
        return OK;
    struct shard_message *m = shard_message_new(SHARD_GROUP, 0, NULL, 0);
    if (!m)
        return err_set(err, E_NOMEM, "no memory");
    (void)snprintf(m->why.msg, sizeof m->why.msg, "%s", name);
    if (push(s, to, m, err) != OK) {
        shard_message_free(m);
        return err->rc;
    }
    to->group = hash;
    return OK;
}

static enum rc on_group(void *arg, const char *instance, const char *name, struct err *err)
{
    struct source *s = arg;
    struct member *m = NULL;
    const bool fits = strlen(name) < GROUP_NAME_MAX && str_is_utf8(str_of(name));

    enum rc rc = fleet_reach(s, instance, &m, err);
    if (rc != OK)
        return rc;
    const bool told = m->unfit == !fits;
    rc = push_group(s, m, fits ? name : "", err);
    m->unfit = !fits;
    pthread_mutex_unlock(&s->fleet->lock);
    if (fits || told)
        return rc;
    announce_break(s->fleet->o.announcer);
    log_event(LOG_WARN, "an entity has a model of its own", "instance", instance, "why",
              "its group's name is longer than 63 bytes, or no UTF-8", NULL);
    return rc;
}

static enum rc on_caught_up(void *arg, const char *instance, struct err *err)
{
    struct source *s = arg;
    struct shard_message *m = shard_message_new(SHARD_CAUGHT_UP, 0, NULL, 0);
    struct member *to = NULL;

    if (!m)
        return err_set(err, E_NOMEM, "entity '%s': no memory", instance);
    enum rc rc = fleet_reach(s, instance, &to, err);
    if (rc == OK) {
        rc = push(s, to, m, err);
        pthread_mutex_unlock(&s->fleet->lock);
    }
    if (rc != OK)
        shard_message_free(m);
    return rc;
}

static void on_stale(void *arg, const char *instance, int64_t ts_ms, const char *why)
{
    struct source *s = arg;
    struct member *m = NULL;
    struct err err;

    /* One that never answered is shown too: a target may be misspelt. When it cannot be made now,
     * its source will say the same again. */
    if (fleet_reach(s, instance, &m, &err) != OK)
        return;
    fleet_tell_stale(s->fleet, m, ts_ms, why);
    pthread_mutex_unlock(&s->fleet->lock);
}

void fleet_door(struct source *s, struct intake *ret)
{
    *ret = (struct intake){.arg = s,
                           .tick = on_tick,
                           .frame = on_frame,
                           .last_ms = on_last_ms,
                           .group = on_group,
                           .caught_up = on_caught_up,
                           .stale = on_stale};
}
