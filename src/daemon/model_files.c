/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/model_files.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
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

struct search {
    const char *name;
    bool found;
};

static bool compare(void *arg, const struct store_model_row *row)
{
    struct search *s = arg;

    s->found = strcmp(row->model.file, s->name) == 0;
    return !s->found;
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
    const struct dirent *entry;

    *ret_removed = 0;
    if (!d && errno == ENOENT)
        return OK;
    if (!d)
        return err_set(err, E_IO, "models folder '%s': %m", dir);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's is safe for a stream of one's own */
    while ((entry = readdir(d))) {
        struct search s = {entry->d_name, false};
        char path[PATH_MAX_BYTES];

        if (!is_ours(entry->d_name) ||
            (size_t)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) >= sizeof path ||
            !is_old(path, now_ms, min_age_ms))
            continue;
        const enum rc rc = store_read_models(r, NULL, compare, &s, err);
        if (rc != OK)
            return rc;
        *ret_removed += !s.found && unlink(path) == 0; /* best effort: the next sweep tries again */
    }
    return OK;
}
