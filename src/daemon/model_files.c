/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/model_files.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

enum { NAME_LENGTH = 16 + 4, PATH_MAX_BYTES = 1024 }; /* %016x.tsm */

/* A folder made of file names that a damaged database could hold would lead anywhere. */
static bool is_plain_name(const char *name)
{
    return name[0] && name[0] != '.' && !strchr(name, '/');
}

enum rc model_files_load(const char *dir, const char *name, struct model **ret, struct err *err)
{
    char path[PATH_MAX_BYTES];

    if (!is_plain_name(name))
        return err_set(err, E_PARSE, "model file '%s': expected a plain file name", name);
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
        return err_set(err, E_LIMIT, "model file '%s': path longer than %zu bytes", name,
                       sizeof path - 1);
    return model_load(path, ret, err);
}

enum rc model_files_save(const char *dir, const struct model *m, uint64_t model_id, struct err *err)
{
    char path[PATH_MAX_BYTES];

    if ((size_t)snprintf(path, sizeof path, "%s/%016" PRIx64 ".tsm", dir, model_id) >= sizeof path)
        return err_set(err, E_LIMIT, "models folder '%.200s': path longer than %zu bytes", dir,
                       sizeof path - 1);
    return file_mkdirs(dir, err) != OK ? err->rc : model_save(m, path, err);
}

void model_files_describe(const struct model *m, uint64_t model_id, struct store_model *ret)
{
    const struct model_stats *const s = &m->stats;

    *ret = (struct store_model){.created_ms = m->provenance.created_ms,
                                .model_id = model_id,
                                .schema_hash = m->schema->hash};
    (void)snprintf(ret->file, sizeof ret->file, "%016" PRIx64 ".tsm", model_id);
    (void)snprintf(ret->provenance, sizeof ret->provenance,
                   "{\"version\":\"%s\",\"seed\":%" PRIu64 ",\"train_rows\":%" PRIu64
                   ",\"validation_rows\":%" PRIu64 ",\"epochs\":%" PRIu32
                   ",\"train_mse\":%.9g,\"validation_mse\":%.9g,\"threshold\":%.9g"
                   ",\"first_ms\":%" PRId64 ",\"last_ms\":%" PRId64 "}",
                   m->provenance.version, m->provenance.seed, s->train_rows, s->validation_rows,
                   s->epochs, s->train_mse, s->validation_mse, (double)m->threshold,
                   m->provenance.first_ms, m->provenance.last_ms);
}

static bool is_ours(const char *name)
{
    return strlen(name) == NAME_LENGTH && strspn(name, "0123456789abcdef") == 16 &&
           strcmp(name + 16, ".tsm") == 0;
}

/* The files that the table has. */
struct names {
    char (*v)[NAME_LENGTH + 1];
    size_t n, room;
    bool failed;
};

static void names_done(struct names *names)
{
    mem_free(names->v);
}

static bool take_name(void *arg, const struct store_model_row *row)
{
    struct names *names = arg;

    if (!is_ours(row->model.file)) /* no other is swept */
        return true;
    char(*v)[NAME_LENGTH + 1] = mem_make_room(names->v, names->n, &names->room, sizeof *v);
    names->failed = !v;
    if (!v)
        return false;
    names->v = v;
    memcpy(names->v[names->n++], row->model.file, NAME_LENGTH + 1);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Ascending, to be looked up: a fleet has tens of thousands. */
static enum rc read_names(struct store_reader *r, struct names *ret, struct err *err)
{
    const enum rc rc = store_read_models(r, NULL, take_name, ret, err);

    if (rc != OK)
        return rc;
    if (ret->failed)
        return err_set(err, E_NOMEM, "no memory for the names of %zu models", ret->n);
    if (ret->n)
        qsort(ret->v, ret->n, sizeof *ret->v, by_name);
    return OK;
}

static bool has_name(const struct names *names, const char *name)
{
    return names->n && bsearch(name, names->v, names->n, sizeof *names->v, by_name);
}

static void close_dir(DIR **d)
{
    if (*d)
        (void)closedir(*d);
}

static bool is_old(const char *path, int64_t now_ms, int64_t min_age_ms)
{
    struct stat st;

    return min_age_ms == 0 ||
           (stat(path, &st) == 0 && now_ms - (int64_t)st.st_mtime * 1000 > min_age_ms);
}

enum rc model_files_sweep(const char *dir, struct store_reader *r, int64_t now_ms,
                          int64_t min_age_ms, size_t *ret_removed, struct err *err)
{
    CLEANUP(close_dir) DIR *d = opendir(dir);
    CLEANUP(names_done) struct names names = {0};
    const struct dirent *entry;

    *ret_removed = 0;
    if (!d && errno == ENOENT)
        return OK;
    if (!d)
        return err_set(err, E_IO, "models folder '%s': %m", dir);
    if (read_names(r, &names, err) != OK)
        return err->rc;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's is safe for a stream of one's own */
    while ((entry = readdir(d))) {
        char path[PATH_MAX_BYTES];

        if (!is_ours(entry->d_name) || has_name(&names, entry->d_name) ||
            (size_t)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) >= sizeof path ||
            !is_old(path, now_ms, min_age_ms))
            continue;
        *ret_removed += unlink(path) == 0; /* best effort: the next sweep tries again */
    }
    return OK;
}
