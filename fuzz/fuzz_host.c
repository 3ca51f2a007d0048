/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the parser: a format of host_formats, the table of mounts, or udev. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "source/host_mounts.h"
#include "source/host_udev.h"

#include "fuzz.h"

enum { PICK_MOUNTS = HOST_FORMATS, PICK_UDEV, PICKS };

static void check_samples(const struct series_set *set, const struct host_samples *out)
{
    for (size_t i = 0; i < out->n; i++) {
        promise(out->p[i].id < series_set_count(set), "a sample has a series");
        promise(isfinite(out->p[i].v), "a sample has a number");
        const struct series *s = series_set_at(set, out->p[i].id);
        promise(s->name.n > 5 && memcmp(s->name.p, "node_", 5) == 0, "named as Node Exporter's");
        for (size_t j = 0; j < s->name.n; j++)
            promise(s->name.p[j] > ' ' && s->name.p[j] < 127, "with the bytes of a name");
        for (size_t j = 0; j < s->n_labels; j++)
            promise(str_is_utf8(s->labels[j].value), "labels are UTF-8");
    }
}

static bool same_samples(const struct host_samples *a, const struct host_samples *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->p[i].id != b->p[i].id || a->p[i].v != b->p[i].v)
            return false;
    return true;
}

/* The text twice in the same rows, with its first half in between: what is remembered must not
 * show. But for cpu, whose numbers are held on purpose when they step back. */
static void check_format(struct series_set *set, enum host_format_id format, struct str text)
{
    struct host_rows rows;
    struct host_samples first = {0}, other = {0}, again = {0};
    struct err err = {0};

    host_rows_init(&rows, &host_formats[format], set);
    const enum rc rc = host_rows_parse(&rows, text, &first, &err);
    if (rc != OK) {
        const char *file = host_formats[format].file;
        promise(rc == E_PARSE || rc == E_LIMIT, "a failure is the text's");
        promise(strncmp(err.msg, file, strlen(file)) == 0, "and names the file");
        promise(first.n == 0, "and leaves the samples alone");
    }
    check_samples(set, &first);
    const struct str half = {text.p, text.n / 2};
    if (host_rows_parse(&rows, half, &other, &err) == OK)
        check_samples(set, &other);
    promise(host_rows_parse(&rows, text, &again, &err) == rc, "it ends as before");
    if (format != HOST_CPU)
        promise(same_samples(&first, &again), "with the same samples");
    host_samples_done(&first);
    host_samples_done(&other);
    host_samples_done(&again);
    host_rows_done(&rows);
}

static void check_mounts(struct str text, const char *rootfs)
{
    struct host_mounts m;
    struct err err = {0};

    if (host_mounts_parse(text, rootfs, &m, &err) != OK) {
        promise(err.rc == E_PARSE && strncmp(err.msg, "mounts: ", 8) == 0, "a failure is named");
        return;
    }
    promise(m.n <= HOST_MOUNTS_MAX, "mounts are bounded");
    for (size_t i = 0; i < m.n; i++) {
        const struct host_mount *v = &m.v[i];
        promise(!host_mount_type_is_excluded(v->type), "types are filtered");
        promise(!host_mount_point_is_excluded(v->point), "points are filtered");
        promise(!memchr(v->point.p, '\0', v->point.n) || memchr(text.p, '\0', text.n),
                "no NUL is made");
        promise(strncmp(v->path, rootfs, strlen(rootfs) > 1 ? strlen(rootfs) : 0) == 0,
                "paths are below the root filesystem");
    }
    host_mounts_done(&m);
}

static void check_udev(struct series_set *set, struct str text)
{
    const struct host_disk_id disk = {STR("sda"), STR("8"), STR("0")};
    struct host_samples out = {0};
    struct err err = {0};

    promise(host_udev_parse(set, &disk, text, &out, &err) == OK, "any text says something");
    promise(out.n >= 1, "at least that the disk is there");
    check_samples(set, &out);
    host_samples_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct series_set *set;
    struct err err;

    if (size == 0)
        return 0;
    const struct str text = {(const char *)data + 1, size - 1};
    const unsigned pick = data[0] % 32;
    if (pick >= PICKS)
        return 0;
    promise(series_set_new(&set, &err) == OK, "there is memory");
    if (pick == PICK_MOUNTS) {
        check_mounts(text, "/");
        check_mounts(text, "/host");
    } else if (pick == PICK_UDEV) {
        check_udev(set, text);
    } else {
        check_format(set, pick, text);
    }
    series_set_unref(set);
    return 0;
}
