/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/data_dir.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/edit.h"

enum { COMM_MAX = 64 };

enum rc data_dir_find(const char *given, struct data_dir *ret, struct err *err)
{
    CLEANUP(mem_freep) struct config *c = mem_alloc(sizeof *c);

    if (!c)
        return err_set(err, E_NOMEM, "no memory");
    config_defaults(c);
    if (given && config_set(c, "data_dir", given, "--data-dir", err) != OK)
        return err->rc;
    if (!c->data_dir[0])
        return err_set(err, E_CONFIG,
                       "where is the data folder? expected --data-dir, or "
                       "$XDG_STATE_HOME or $HOME to be set");
    (void)snprintf(ret->database, sizeof ret->database, "%s/tocsin.db", c->data_dir);
    (void)snprintf(ret->models, sizeof ret->models, "%s/models", c->data_dir);
    return OK;
}

/* The number in a lock file may be of another machine's or container's processes. */
static bool is_tocsin(int64_t pid)
{
    CLEANUP(mem_freep) char *name = NULL;
    char path[64];
    size_t n = 0;
    struct err err;

    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/comm", pid);
    return file_read(path, COMM_MAX, &name, &n, &err) == OK &&
           str_eq(str_trim((struct str){name, n}), STR("tocsin"));
}

enum rc data_dir_tell(const struct data_dir *d, int64_t *ret_pid, struct err *err)
{
    int64_t pid = 0;
    bool held = false;
    const enum rc rc = store_holder(d->database, &pid, &held, err);

    if (rc != OK)
        return rc;
    *ret_pid = held ? pid : 0;
    if (!held)
        return OK;
    if (pid < 2 || pid > INT32_MAX || !is_tocsin(pid))
        return err_set(err, E_STATE,
                       "it is written, but the running tocsin could not be told: it is no process "
                       "that is seen from here; send it SIGHUP");
    if (kill((pid_t)pid, SIGHUP) != 0)
        return err_set(err, E_STATE,
                       "it is written, but the running tocsin (process %" PRId64
                       ") could not be told: %m; send it SIGHUP",
                       pid);
    return OK;
}
