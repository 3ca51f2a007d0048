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
    struct target_view *s = &t->shown;

    (void)pthread_mutex_lock(&b->lock);
    s->asked = true;
    s->up = o->up;
    s->last_ms = o->wall_ms;
    s->duration_s = o->duration_s;
    s->scrapes++;
    telemetry_add(b->telemetry,
                  !o->up       ? TEL_SCRAPES_FAILED
                  : o->dropped ? TEL_SCRAPES_DROPPED
                               : TEL_SCRAPES,
                  1);
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
    char url[HTTP_SHOWN_MAX];
    size_t n = 0;

    for (size_t i = 0; i < b->table->n; i++) {
        const struct scrape_target *t = b->table->v[i];
        http_url_shown(t->url, url); /* a query may have a token in it */
        n += strlen(b->jobs[t->job].spec->job) + strlen(t->instance) + strlen(url) +
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

static struct target_list *copy(const struct scrape_board *b)
{
    const size_t n = b->table->n;
    struct target_list *view = mem_alloc(sizeof *view + n * sizeof *view->v + text_bytes(b));

    if (!view)
        return NULL;
    view->n = n;
    view->v = (struct target_view *)(view + 1);
    char *to = (char *)(view->v + n);
    for (size_t i = 0; i < n; i++) {
        const struct scrape_target *t = b->table->v[i];
        char url[HTTP_SHOWN_MAX];
        http_url_shown(t->url, url);
        view->v[i] = t->shown;
        view->v[i].job = put_text(&to, b->jobs[t->job].spec->job);
        view->v[i].instance = put_text(&to, t->instance);
        view->v[i].url = put_text(&to, url);
        view->v[i].error = put_text(&to, t->error);
    }
    return view;
}

struct target_list *scrape_board_view(struct scrape_board *b)
{
    (void)pthread_mutex_lock(&b->lock);
    struct target_list *view = copy(b);
    (void)pthread_mutex_unlock(&b->lock);
    return view;
}
