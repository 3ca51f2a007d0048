/* SPDX-License-Identifier: Apache-2.0 */
/* store_hammer - writes ticks into a store without a pause, to be killed, or to be measured
 *
 *   store_hammer DATABASE ROWS_A_COMMIT FEATURES COMMITS MAX_BYTES
 *
 * One tick is a frame and a score of the entity "hammer"; ticks are numbered on from the last one
 * in the database. After each commit it prints the last tick that is safe now. COMMITS 0 is for
 * ever. MAX_BYTES 0 prunes nothing. Ends with a line of what a commit cost.
 * tests/integration/storecheck.py knows what each tick must hold. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/store.h"

enum { PRUNE_EVERY = 20 };
static const char INSTANCE[] = "hammer";

struct hammer {
    const char *path;
    size_t rows, features, commits;
    uint64_t max_bytes;
    struct schema *schema;
    struct store *store;
    int64_t entity, next_ms;
    struct incident incident;
};

static bool last_tick(void *arg, const struct store_score *row)
{
    *(int64_t *)arg = row->ts_ms;
    return true;
}

static enum rc make_schema(struct hammer *h, struct err *err)
{
    CLEANUP(mem_freep) struct feature *f = mem_array(h->features, sizeof *f);

    if (!f)
        return err_set(err, E_NOMEM, "out of memory");
    for (size_t i = 0; i < h->features; i++) {
        (void)snprintf(f[i].name, sizeof f[i].name, "feature_%zu", i);
        (void)snprintf(f[i].unit, sizeof f[i].unit, "%s", "bytes/s");
    }
    return schema_new(f, h->features, &h->schema, err);
}

static enum rc start(struct hammer *h, struct err *err)
{
    struct store_reader *r = NULL;
    int64_t last_ms = 0;
    enum rc rc;

    if ((rc = make_schema(h, err)) != OK || (rc = store_open(h->path, &h->store, err)) != OK ||
        (rc = store_close_orphans(h->store, err)) != OK ||
        (rc = store_put_schema(h->store, h->schema, err)) != OK ||
        (rc = store_entity(h->store, INSTANCE, &h->entity, err)) != OK ||
        (rc = store_reader_open(h->path, &r, err)) != OK)
        return rc;
    rc = store_read_scores(r, INSTANCE, 0, INT64_MAX, last_tick, &last_ms, err);
    store_reader_close(r);
    h->next_ms = last_ms + 1;
    h->incident = (struct incident){.start_ms = h->next_ms, .n_causes = 1};
    return rc;
}

static enum rc put_tick(struct hammer *h, int64_t ts_ms, struct err *err)
{
    float frame[SCHEMA_FEATURES_MAX];
    const struct verdict v = {.ts_ms = ts_ms,
                              .score = (float)(ts_ms % 1024) / 1024,
                              .threshold = 0.5f,
                              .confidence = 1,
                              .anomalous = ts_ms % 1024 > 512};

    for (size_t i = 0; i < h->features; i++)
        frame[i] = ((uint64_t)ts_ms + i) % 11 ? (float)(ts_ms % 65536) + (float)i / 16 : NAN;
    const enum rc rc =
        store_put_frame(h->store, h->entity, ts_ms, h->schema->hash, frame, h->features, err);
    return rc == OK ? store_put_score(h->store, h->entity, 1, &v, err) : rc;
}

static enum rc commit(struct hammer *h, struct err *err)
{
    enum rc rc = store_begin(h->store, err);

    for (size_t i = 0; i < h->rows && rc == OK; i++)
        rc = put_tick(h, h->next_ms++, err);
    if (rc == OK && h->incident.id == 0) /* stays open until the process is gone */
        rc = store_put_incident(h->store, h->entity, h->schema, &h->incident, err);
    if (rc == OK)
        rc = store_commit(h->store, err);
    if (rc == OK) {
        printf("%" PRId64 "\n", h->next_ms - 1);
        fflush(stdout);
    }
    return rc;
}

static uint64_t cpu_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The number after `key` in a file of /proc, or 0. */
static uint64_t proc_number(const char *path, const char *key)
{
    struct err err;
    char *text;
    size_t n;

    if (file_read(path, 1 << 16, &text, &n, &err) != OK)
        return 0;
    const char *at = strstr(text, key);
    const uint64_t v = at ? strtoull(at + strlen(key), NULL, 10) : 0;
    mem_free(text);
    return v;
}

static enum rc hammer(struct hammer *h, struct err *err)
{
    const uint64_t rss = proc_number("/proc/self/status", "RssAnon:");
    uint64_t deleted;
    enum rc rc = start(h, err);
    const uint64_t ns = cpu_ns(), bytes = proc_number("/proc/self/io", "wchar:");
    size_t i = 0;

    for (; rc == OK && (h->commits == 0 || i < h->commits); i++) {
        rc = commit(h, err);
        if (rc == OK && h->max_bytes && i % PRUNE_EVERY == 0)
            rc = store_prune(h->store, h->next_ms, INT64_MAX, h->max_bytes, &deleted, err);
    }
    if (rc == OK)
        fprintf(stderr,
                "commits=%zu cpu_us_each=%.1f bytes_each=%.0f anonymous_kib_more=%" PRIu64 "\n", i,
                (double)(cpu_ns() - ns) / 1e3 / (double)i,
                (double)(proc_number("/proc/self/io", "wchar:") - bytes) / (double)i,
                proc_number("/proc/self/status", "RssAnon:") - rss);
    return rc;
}

int main(int argc, char **argv)
{
    struct hammer h = {0};
    struct err err = {0};
    uint64_t n[4];

    if (argc != 6)
        return 2;
    for (int i = 0; i < 4; i++)
        if (!str_to_u64(str_of(argv[i + 2]), &n[i]))
            return 2;
    h.path = argv[1];
    h.rows = n[0];
    h.features = n[1];
    h.commits = n[2];
    h.max_bytes = n[3];
    const enum rc rc = hammer(&h, &err);
    if (rc != OK)
        fprintf(stderr, "store_hammer: %s\n", err.msg);
    store_close(h.store);
    schema_free(h.schema);
    return rc != OK;
}
