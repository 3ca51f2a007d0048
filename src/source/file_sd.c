/* SPDX-License-Identifier: Apache-2.0 */
#include "source/file_sd.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

/* What tells one version of a file from another. The time is that of the inode's change: who may
 * read a file (chmod) is a change too, and cp -p sets the other one back. */
struct version {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct sd_file {
    char *path;
    bool there; /* at this poll */
    struct version version;
    struct file_sd_list list; /* of the last good version */
};

struct file_sd {
    struct text_list patterns;
    size_t n;
    struct sd_file *file; /* by path */
    size_t capacity;
    bool full_said;
};

static const char *const endings[] = {".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML"};

static enum rc check_pattern(const char *pattern, struct err *err)
{
    const struct str s = str_of(pattern);
    const char *slash = strrchr(pattern, '/');
    bool known = false;

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const struct str e = str_of(endings[i]);
        known |= s.n > e.n && str_eq((struct str){s.p + s.n - e.n, e.n}, e);
    }
    if (!known)
        return err_set(err, E_CONFIG,
                       "file_sd: expected a path that ends in .json, .yml or .yaml, found '%.200s'",
                       pattern);
    if (slash && memchr(pattern, '*', (size_t)(slash - pattern)))
        return err_set(err, E_CONFIG, "file_sd: '%.200s': '*' stands for files alone, not folders",
                       pattern);
    return OK;
}

static void file_done(struct sd_file *f)
{
    mem_free(f->path);
    file_sd_list_done(&f->list);
}

void file_sd_close(struct file_sd *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        file_done(&s->file[i]);
    for (size_t i = 0; i < s->patterns.n; i++)
        mem_free(s->patterns.v[i]);
    mem_free(s->patterns.v);
    mem_free(s->file);
    mem_free(s);
}

static void closep(struct file_sd **s)
{
    file_sd_close(*s);
}

enum rc file_sd_open(const struct text_list *patterns, struct file_sd **ret, struct err *err)
{
    CLEANUP(closep) struct file_sd *s = mem_alloc(sizeof *s);

    if (s)
        s->patterns.v = mem_array(patterns->n, sizeof *s->patterns.v);
    if (!s || !s->patterns.v)
        return err_set(err, E_NOMEM, "file_sd: no memory");
    while (s->patterns.n < patterns->n) {
        const char *pattern = patterns->v[s->patterns.n];
        if (check_pattern(pattern, err) != OK)
            return err->rc;
        char *copy = mem_strndup(pattern, strlen(pattern));
        if (!copy)
            return err_set(err, E_NOMEM, "file_sd: no memory");
        s->patterns.v[s->patterns.n++] = copy;
    }
    *ret = TAKE(s);
    return OK;
}

/* The entry of path, made where there is none; NULL: no memory, or too many. */
static struct sd_file *entry_of(struct file_sd *s, const char *path)
{
    size_t at = 0;

    while (at < s->n && strcmp(s->file[at].path, path) < 0)
        at++;
    if (at < s->n && strcmp(s->file[at].path, path) == 0)
        return &s->file[at];
    if (s->n == FILE_SD_FILES_MAX)
        return NULL;
    if (s->n == s->capacity) {
        const size_t capacity = s->capacity ? 2 * s->capacity : 8;
        struct sd_file *file = mem_grow(s->file, capacity, sizeof *file);
        if (!file)
            return NULL;
        s->file = file;
        s->capacity = capacity;
    }
    char *copy = mem_strndup(path, strlen(path));
    if (!copy)
        return NULL;
    memmove(&s->file[at + 1], &s->file[at], (s->n - at) * sizeof *s->file);
    s->file[at] = (struct sd_file){.path = copy};
    s->n++;
    return &s->file[at];
}

struct saying {
    void (*say)(void *arg, const char *sentence);
    void *arg;
};

/* True when its targets are others now. */
static bool look_at(struct sd_file *f, const struct saying *out)
{
    CLEANUP(mem_freep) char *text = NULL;
    struct file_sd_list list;
    struct err err;
    struct stat st;
    size_t n;

    if (stat(f->path, &st) != 0)
        return false; /* gone since its name was read: the sweep sees to it */
    const struct version now = {st.st_dev, st.st_ino, st.st_size, st.st_ctim};
    f->there = true;
    if (now.device == f->version.device && now.inode == f->version.inode &&
        now.size == f->version.size && now.changed.tv_sec == f->version.changed.tv_sec &&
        now.changed.tv_nsec == f->version.changed.tv_nsec)
        return false;
    f->version = now;
    if (!S_ISREG(st.st_mode)) { /* a pipe would be waited for */
        err_record(&err, E_IO, "file_sd: '%s': expected a file", f->path);
        out->say(out->arg, err.msg);
        return false;
    }
    if (file_read(f->path, FILE_SD_BYTES_MAX, &text, &n, &err) != OK ||
        file_sd_parse((struct str){text, n}, f->path, &list, &err) != OK) {
        (void)err_wrap(&err, "file_sd: the targets stay as they were");
        out->say(out->arg, err.msg);
        return false;
    }
    file_sd_list_done(&f->list);
    f->list = list;
    return true;
}

static bool look_for(struct file_sd *s, const char *path, const struct saying *out)
{
    struct sd_file *f = entry_of(s, path);

    if (!f && !s->full_said) {
        char sentence[ERR_MSG_MAX];
        (void)snprintf(sentence, sizeof sentence,
                       "file_sd: '%.300s' is left out: no memory, or more than %d files", path,
                       FILE_SD_FILES_MAX);
        s->full_said = true;
        out->say(out->arg, sentence);
    }
    return f && look_at(f, out);
}

static bool look_by_pattern(struct file_sd *s, const char *pattern, const struct saying *out)
{
    const char *slash = strrchr(pattern, '/'), *last = slash ? slash + 1 : pattern;
    char folder[4096], path[4096 + 256];
    bool changed = false;

    if (!strpbrk(last, "*?["))
        return access(pattern, F_OK) == 0 && look_for(s, pattern, out);
    if (snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - pattern) + 1 : 2,
                 slash ? pattern : "./") >= (int)sizeof folder)
        return false;
    DIR *d = opendir(folder);
    if (!d)
        return false; /* a folder may come later, as files may */
    /* this stream is ours alone, so readdir is safe */
    for (const struct dirent *e; (e = readdir(d));) { /* NOLINT(concurrency-mt-unsafe) */
        if (fnmatch(last, e->d_name, FNM_PERIOD) != 0)
            continue;
        if (snprintf(path, sizeof path, "%s%s", slash ? folder : "", e->d_name) < (int)sizeof path)
            changed |= look_for(s, path, out);
    }
    (void)closedir(d);
    return changed;
}

bool file_sd_poll(struct file_sd *s, void (*say)(void *arg, const char *sentence), void *arg)
{
    const struct saying out = {say, arg};
    bool changed = false;
    size_t kept = 0;

    for (size_t i = 0; i < s->n; i++)
        s->file[i].there = false;
    for (size_t i = 0; i < s->patterns.n; i++)
        changed |= look_by_pattern(s, s->patterns.v[i], &out);
    for (size_t i = 0; i < s->n; i++) {
        if (s->file[i].there) {
            s->file[kept++] = s->file[i];
        } else {
            changed |= s->file[i].list.n > 0;
            file_done(&s->file[i]);
        }
    }
    s->n = kept;
    return changed;
}

size_t file_sd_files(const struct file_sd *s)
{
    return s->n;
}

const struct file_sd_list *file_sd_at(const struct file_sd *s, size_t i)
{
    return &s->file[i].list;
}
