/* SPDX-License-Identifier: Apache-2.0 */
/* One thread writes and prunes, others read on connections of their own. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { COMMITS = 1500, TICKS = 5, KEPT_MS = 1000, READERS = 2 };

struct shared {
    struct fixture *x;
    _Atomic int64_t committed_ms; /* the last tick that is safe */
    _Atomic int64_t cut_ms;       /* ticks before it may be pruned by now */
    _Atomic bool done;
};

struct span {
    int64_t last_ms, hole_ms; /* hole_ms: the last tick that came after a hole */
};

static bool see_tick(void *arg, const struct store_score *row)
{
    struct span *s = arg;

    if (row->ts_ms != s->last_ms + 1)
        s->hole_ms = row->ts_ms;
    s->last_ms = row->ts_ms;
    return true;
}

struct reading {
    struct shared *shared;
    const char *wrong; /* NULL: nothing */
};

static const char *read_once(struct shared *sh, struct store_reader *r)
{
    struct span s = {.last_ms = -1, .hole_ms = INT64_MIN};
    const int64_t safe_ms = atomic_load(&sh->committed_ms);
    struct err err;

    if (store_read_scores(r, "a", 0, INT64_MAX, see_tick, &s, &err) != OK)
        return "a read failed";
    if (s.hole_ms > atomic_load(&sh->cut_ms))
        return "a row is missing that nobody pruned";
    return s.last_ms < safe_ms ? "a committed row is not there" : NULL;
}

static void *read_all(void *arg)
{
    struct reading *g = arg;
    struct store_reader *r;
    struct err err;
    bool done = false;

    if (store_reader_open(g->shared->x->path, &r, &err) != OK) {
        g->wrong = "open";
        return NULL;
    }
    while (!done && !g->wrong) {
        done = atomic_load(&g->shared->done); /* and once more after the last commit */
        g->wrong = read_once(g->shared, r);
    }
    store_reader_close(r);
    return NULL;
}

static void readers_see_every_commit_while_the_writer_goes_on(void **state)
{
    struct fixture *x = *state;
    struct shared sh = {.x = x, .committed_ms = -1};
    const int64_t id = new_entity(x, "a");
    struct reading reading[READERS] = {{.shared = &sh}, {.shared = &sh}};
    pthread_t readers[READERS];
    uint64_t deleted;

    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, &reading[i]), 0);
    for (int64_t c = 0; c < COMMITS; c++) {
        put_ticks(x, id, c * TICKS, 1, TICKS);
        atomic_store(&sh.committed_ms, (c + 1) * TICKS - 1);
        if (c % 50 == 49) { /* rows go at the old end while they are read */
            atomic_store(&sh.cut_ms, c * TICKS - KEPT_MS);
            WORKS(store_prune(x->store, c * TICKS, KEPT_MS, UINT64_MAX, &deleted, E));
        }
    }
    atomic_store(&sh.done, true);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
        if (reading[i].wrong)
            fail_msg("reader %d: %s", i, reading[i].wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(readers_see_every_commit_while_the_writer_goes_on)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
