/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/replay_source.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

void replay_source_done(struct replay_source *s)
{
    table_done(&s->table);
    store_reader_close(s->reader);
    profile_free(s->profile);
    *s = (struct replay_source){0};
}

/* What instances there are, and the one that is asked for. */
struct look {
    const char *wanted; /* NULL: the only one */
    struct store_history found;
    char name[INSTANCE_MAX], known[256];
    size_t n;
};

static bool look(void *arg, const struct store_history *row)
{
    struct look *l = arg;
    const size_t used = strlen(l->known);

    if (row->first_ms > row->last_ms)
        return true;
    (void)snprintf(l->known + used, sizeof l->known - used, "%s'%s'", l->n ? ", " : "",
                   row->instance);
    l->n++;
    if (l->wanted && strcmp(l->wanted, row->instance) != 0)
        return true;
    l->found = *row;
    (void)snprintf(l->name, sizeof l->name, "%s", row->instance);
    return true;
}

static enum rc find_instance(struct replay_source *s, const char *path, const char *instance,
                             struct err *err)
{
    struct look l = {.wanted = instance, .found = {NULL, 1, 0}};

    if (store_read_histories(s->reader, look, &l, err) != OK)
        return err->rc;
    if (l.n == 0)
        return err_set(err, E_STATE, "store '%s': no frames yet", path);
    if (!instance && l.n > 1)
        return err_set(err, E_CONFIG, "--instance: expected one of %s", l.known);
    if (!l.name[0])
        return err_set(err, E_STATE, "store '%s': expected frames of '%s', found those of %s", path,
                       instance, l.known);
    (void)snprintf(s->instance, sizeof s->instance, "%s", l.name);
    (void)snprintf(s->name, sizeof s->name, "%s", l.name);
    str_make_printable(s->name);
    s->first_ms = l.found.first_ms;
    s->last_ms = l.found.last_ms;
    return OK;
}

enum rc replay_source_store(struct replay_source *s, const struct config *c, const char *instance,
                            struct marks **ret_marks, struct err *err)
{
    char path[CONFIG_TEXT_MAX + 32];

    (void)snprintf(path, sizeof path, "%s/tocsin.db", c->data_dir);
    if (!instance && c->host.instance[0])
        instance = c->host.instance;
    if (store_reader_open(path, &s->reader, err) != OK ||
        find_instance(s, path, instance, err) != OK ||
        marks_read(path, INT64_MIN, ret_marks, err) != OK)
        return err->rc;
    if (profile_load(c->profile, c->host.interval_ms, &s->profile, err) != OK)
        return err->rc;
    s->schema = profile_schema(s->profile);
    s->interval_ms = c->host.interval_ms;
    s->window_ms = profile_window_ms(s->profile);
    return OK;
}

enum rc replay_source_file(struct replay_source *s, const char *path, const char *profile,
                           const struct model *m, struct err *err)
{
    enum rc rc;

    if (m) {
        rc = table_read_for(path, profile, m, "the model", &s->table, err);
    } else {
        rc = table_read(path, &s->table, err);
        if (rc == OK)
            rc = table_derive(&s->table, profile ? profile : TABLE_AS_IT_STANDS, err);
    }
    if (rc != OK)
        return rc;
    const struct dataset *const d = s->table.d;
    if (d->rows == 0)
        return err_set(err, E_STATE, "%s: expected frames, found a header alone", path);
    (void)snprintf(s->name, sizeof s->name, "%s", path);
    str_make_printable(s->name);
    s->schema = s->table.schema;
    s->first_ms = d->ts_ms[0];
    s->last_ms = d->ts_ms[d->rows - 1];
    s->interval_ms = dataset_interval_ms(d);
    return OK;
}

struct feed {
    replay_frame_fn *fn;
    void *arg;
    size_t n;
    enum rc rc;
    struct err *err;
};

static bool feed_frame(void *arg, int64_t ts_ms, const float *frame, size_t n)
{
    struct feed *f = arg;

    if (n != f->n) /* a database that somebody changed by hand */
        f->rc = err_set(f->err, E_PARSE, "the frame at %lld ms: expected %zu values, found %zu",
                        (long long)ts_ms, f->n, n);
    else
        f->rc = f->fn(f->arg, ts_ms, frame, f->err);
    return f->rc == OK;
}

enum rc replay_source_feed(struct replay_source *s, int64_t from_ms, int64_t to_ms,
                           replay_frame_fn *fn, void *arg, struct err *err)
{
    struct feed f = {fn, arg, s->schema->n, OK, err};

    if (s->reader) {
        const enum rc rc = store_read_frames(s->reader, s->instance, s->schema->hash, from_ms,
                                             to_ms, false, feed_frame, &f, err);
        return rc != OK ? rc : f.rc;
    }
    const struct dataset *const d = s->table.d;
    for (size_t r = 0; r < d->rows; r++)
        if (d->ts_ms[r] >= from_ms && d->ts_ms[r] <= to_ms &&
            !feed_frame(&f, d->ts_ms[r], d->X + r * d->n, d->n))
            break;
    return f.rc;
}
