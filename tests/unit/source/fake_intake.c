/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_tick *add(struct fake_intake *f, const char *instance, int64_t ts_ms)
{
    if (f->n == FAKE_TICKS_MAX) {
        fprintf(stderr, "fake_intake: too many ticks\n");
        abort();
    }
    struct fake_tick *t = &f->ticks[f->n++];
    *t = (struct fake_tick){.ts_ms = ts_ms};
    (void)snprintf(t->instance, sizeof t->instance, "%s", instance);
    return t;
}

static enum rc on_tick(void *arg, const char *instance, struct snapshot *s, struct err *err)
{
    struct fake_intake *f = arg;

    f->asked++;
    if (f->full)
        return err_set(err, E_LIMIT, "full");
    if (f->unlike && strcmp(instance, f->unlike) == 0) {
        snapshot_free(s);
        return err_set(err, E_CONFIG, "no such entity");
    }
    add(f, instance, s->ts_ms)->s = s;
    return OK;
}

static enum rc on_group(void *arg, const char *instance, const char *name, struct err *err)
{
    struct fake_intake *f = arg;

    f->groups++;
    if (f->full)
        return err_set(err, E_LIMIT, "full");
    (void)snprintf(f->group, sizeof f->group, "%s", name);
    (void)snprintf(f->grouped, sizeof f->grouped, "%s", instance);
    return OK;
}

static void on_stale(void *arg, const char *instance, int64_t ts_ms, const char *why)
{
    struct fake_tick *t = add(arg, instance, ts_ms);

    (void)snprintf(t->why, sizeof t->why, "%s", why);
}

void fake_intake_init(struct fake_intake *f)
{
    memset(f, 0, sizeof *f);
    f->intake = (struct intake){.arg = f, .tick = on_tick, .group = on_group, .stale = on_stale};
}

void fake_intake_clear(struct fake_intake *f)
{
    for (size_t i = 0; i < f->n; i++)
        snapshot_free(f->ticks[i].s);
    f->n = 0;
}

double fake_tick_value(const struct fake_tick *t, const char *name)
{
    for (uint32_t id = 0; t->s && id < t->s->n; id++)
        if (str_eq(series_set_at(t->s->set, id)->name, str_of(name)))
            return t->s->v[id];
    return series_stale();
}
