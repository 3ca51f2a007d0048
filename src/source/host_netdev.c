/* SPDX-License-Identifier: Apache-2.0 */
/* The collector netdev: /proc/net/dev, and from /sys the one statistic that it lacks. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "source/host_private.h"
#include "source/host_scan.h"

enum {
    NOHANDLER = 16,    /* the column after those of the file */
    OPEN_MAX_FDS = 64, /* files that stay open; a machine of containers has hundreds of devices */
};

void host_netdev_forget(struct host *h)
{
    if (!h->netdev)
        return;
    for (size_t i = 0; i < h->netdev_n; i++)
        if (h->netdev[i] >= 0)
            (void)close(h->netdev[i]); /* only ever read */
    mem_free(h->netdev);
    h->netdev = NULL;
    h->netdev_n = h->netdev_open = 0;
}

static enum rc follow_layout(struct host *h, struct err *err)
{
    const struct host_rows *t = &h->rows[HOST_NETDEV];

    if (h->netdev && h->netdev_generation == t->generation)
        return OK;
    host_netdev_forget(h);
    h->netdev = mem_array(t->n, sizeof *h->netdev);
    if (!h->netdev)
        return err_set(err, E_NOMEM, "no memory for %zu network devices", t->n);
    h->netdev_n = t->n;
    for (size_t i = 0; i < t->n; i++)
        h->netdev[i] = -1;
    h->netdev_generation = t->generation;
    return OK;
}

static int open_nohandler(const struct host *h, struct str device)
{
    char path[4096];

    if (str_eq(device, STR(".")) || str_eq(device, STR("..")) || memchr(device.p, '/', device.n))
        return -1; /* no device's name: the kernel allows none of these */
    const int n = snprintf(path, sizeof path, "%s/class/net/%.*s/statistics/rx_nohandler", h->sysfs,
                           (int)device.n, device.p);
    if (n < 0 || (size_t)n >= sizeof path)
        return -1;
    return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

static bool read_number(int fd, uint64_t *ret)
{
    char buf[32];
    const ssize_t n = pread(fd, buf, sizeof buf, 0);
    return n > 0 && str_to_u64(str_trim((struct str){buf, (size_t)n}), ret);
}

/* False where there is none: no sysfs, or the device went between the two reads. */
static bool read_nohandler(struct host *h, size_t i, uint64_t *ret)
{
    const struct host_rows *t = &h->rows[HOST_NETDEV];
    int *fd = &h->netdev[i];

    if (*fd >= 0 && read_number(*fd, ret))
        return true;
    if (*fd >= 0) { /* the device of this name is another one now */
        (void)close(*fd);
        *fd = -1;
        h->netdev_open--;
    }
    const int opened = open_nohandler(h, host_row_key(t, &t->row[i]));
    if (opened < 0)
        return false;
    const bool ok = read_number(opened, ret);
    if (ok && h->netdev_open < OPEN_MAX_FDS) {
        *fd = opened;
        h->netdev_open++;
    } else {
        (void)close(opened);
    }
    return ok;
}

enum rc host_collect_netdev(struct host *h, struct err *err)
{
    struct host_rows *t = &h->rows[HOST_NETDEV];
    const size_t mark = h->samples.n;

    const enum rc rc = host_collect_files(h, HOST_NETDEV, HOST_NETDEV, err);
    if (rc != OK || h->samples.n == mark)
        return rc;
    if (follow_layout(h, err) != OK)
        return err->rc;
    for (size_t i = 0; i < t->next; i++) {
        uint64_t v;
        if (t->row[i].use != HOST_KEEP || !read_nohandler(h, i, &v))
            continue;
        if (host_rows_emit(t, &t->row[i], NOHANDLER, (double)v, &h->samples, err) != OK)
            return err->rc;
    }
    return OK;
}
