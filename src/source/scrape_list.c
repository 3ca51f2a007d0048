/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "source/scrape_private.h"

/* A list under way. */
struct list {
    const struct scrape_listing *of;
    struct scrape_target **v;
    size_t n, capacity;
};

static void list_done(struct list *l)
{
    for (size_t i = 0; i < l->n; i++)
        scrape_target_free(l->v[i]);
    mem_free(l->v);
}

static enum rc add(struct list *l, size_t job, const char *address, const struct label_text *labels,
                   size_t n_labels, struct err *err)
{
    if (l->n == SCRAPE_TARGETS_MAX)
        return err_set(err, E_LIMIT, "more than %d targets", SCRAPE_TARGETS_MAX);
    if (l->n == l->capacity) {
        const size_t capacity = l->capacity ? 2 * l->capacity : 64;
        struct scrape_target **v = mem_grow(l->v, capacity, sizeof(void *));
        if (!v)
            return err_set(err, E_NOMEM, "no memory for %zu targets", capacity);
        l->v = v;
        l->capacity = capacity;
    }
    const enum rc rc =
        scrape_target_new(l->of->jobs, job, address, labels, n_labels, &l->v[l->n], err);
    l->n += rc == OK;
    return rc;
}

static enum rc add_group(struct list *l, size_t job, const struct file_sd_group *g, struct err *err)
{
    for (size_t i = 0; i < g->targets.n; i++) {
        if (add(l, job, g->targets.v[i], g->labels, g->n_labels, err) == OK)
            continue;
        if (err->rc == E_NOMEM || l->n == SCRAPE_TARGETS_MAX)
            return err->rc;
        l->of->wrong(l->of->arg, job, err->msg);
    }
    return OK;
}

static enum rc add_job(struct list *l, size_t job, struct err *err)
{
    const struct text_list *targets = &l->of->jobs[job].spec->targets;
    const struct file_sd *files = l->of->files[job];

    for (size_t i = 0; i < targets->n; i++)
        if (add(l, job, targets->v[i], NULL, 0, err) != OK)
            return err->rc;
    for (size_t i = 0; files && i < file_sd_files(files); i++) {
        const struct file_sd_list *file = file_sd_at(files, i);
        for (size_t j = 0; j < file->n; j++)
            if (add_group(l, job, &file->v[j], err) != OK)
                return err->rc;
    }
    return OK;
}

enum rc scrape_list(const struct scrape_listing *l, struct scrape_target ***ret_v, size_t *ret_n,
                    struct err *err)
{
    struct list list = {.of = l};

    for (size_t job = 0; job < l->n_jobs; job++)
        if (add_job(&list, job, err) != OK) {
            list_done(&list);
            return err_wrap(err, "scrape '%.64s'", l->jobs[job].spec->job);
        }
    *ret_v = list.v;
    *ret_n = list.n;
    return OK;
}

static enum rc check_job(const struct scrape_spec *spec, struct err *err)
{
    if (!spec->job || !spec->job[0])
        return err_set(err, E_CONFIG, "scrape: expected the name of the job");
    if (spec->interval_ms <= 0)
        return err_set(err, E_CONFIG, "scrape '%.64s': expected an interval", spec->job);
    if (spec->targets.n == 0 && spec->file_sd.n == 0)
        return err_set(err, E_CONFIG, "scrape '%.64s': expected targets or file_sd", spec->job);
    return OK;
}

enum rc scrape_check(const struct scrape_spec *spec, struct err *err)
{
    const struct scrape_job job = {.spec = spec};
    struct file_sd *files = NULL, *const none[] = {NULL};
    const struct scrape_listing listing = {.jobs = &job, .files = none, .n_jobs = 1};
    struct scrape_target **v = NULL;
    size_t n = 0;

    if (check_job(spec, err) != OK)
        return err->rc;
    if (spec->file_sd.n && file_sd_open(&spec->file_sd, &files, err) != OK)
        return err_wrap(err, "scrape '%.64s'", spec->job);
    file_sd_close(files);
    if (scrape_list(&listing, &v, &n, err) != OK)
        return err->rc;
    while (n > 0)
        scrape_target_free(v[--n]);
    mem_free(v);
    return OK;
}
