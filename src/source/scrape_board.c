/* SPDX-License-Identifier: Apache-2.0 */
/* What other threads may see of the targets: a copy, made under a lock that is held for no longer.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "source/scrape_private.h"

void scrape_board_put(struct scrape_board *b, struct scrape_target *t,
                      const struct scrape_outcome *o)
{
    struct scrape_target_view *s = &t->shown;

    (void)pthread_mutex_lock(&b->lock);
    s->asked = true;
    s->up = o->up;
    s->last_ms = o->wall_ms;
    s->duration_s = o->duration_s;
    s->scrapes++;
    s->failures += !o->up;
    s->dropped += o->dropped;
    if (o->up) {
        s->samples = o->samples;
        s->taken = o->taken;
    }
    (void)snprintf(t->error, sizeof t->error, "%s", o->error);
    (void)pthread_mutex_unlock(&b->lock);
}

static size_t text_bytes(const struct scrape_board *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->table->n; i++) {
        const struct scrape_target *t = b->table->v[i];
        n += strlen(b->jobs[t->job].spec->job) + strlen(t->instance) + strlen(t->url) +
             strlen(t->error) + 4;
    }
    return n;
}

static const char *put_text(char **to, const char *s)
{
    const size_t n = strlen(s) + 1;
    char *p = memcpy(*to, s, n);

    *to += n;
    return p;
}

static struct scrape_view *copy(const struct scrape_board *b)
{
    const size_t n = b->table->n;
    struct scrape_view *view = mem_alloc(sizeof *view + n * sizeof *view->v + text_bytes(b));

    if (!view)
        return NULL;
    view->n = n;
    view->v = (struct scrape_target_view *)(view + 1);
    view->late = b->late;
    char *to = (char *)(view->v + n);
    for (size_t i = 0; i < n; i++) {
        const struct scrape_target *t = b->table->v[i];
        view->v[i] = t->shown;
        view->v[i].job = put_text(&to, b->jobs[t->job].spec->job);
        view->v[i].instance = put_text(&to, t->instance);
        view->v[i].url = put_text(&to, t->url);
        view->v[i].error = put_text(&to, t->error);
    }
    return view;
}

struct scrape_view *scrape_board_view(struct scrape_board *b)
{
    (void)pthread_mutex_lock(&b->lock);
    struct scrape_view *view = copy(b);
    (void)pthread_mutex_unlock(&b->lock);
    return view;
}

void scrape_view_free(struct scrape_view *v)
{
    mem_free(v);
}
