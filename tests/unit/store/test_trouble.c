/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are not ours, locks, full disks: one sentence each, and nothing is lost by it. */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/rng.h"
#include "store/writer.h"

enum { FILE_MAX_BYTES = 64 << 20 };

/* Opening gives rc and a sentence with these words; the file keeps every byte. */
static void refused(const char *path, enum rc rc, const char *words)
{
    struct store *s = NULL;
    struct err err;
    char *before, *after;
    size_t n, m;

    WORKS(file_read(path, FILE_MAX_BYTES, &before, &n, E));
    assert_int_equal(store_open(path, &s, &err), rc);
    assert_null(s);
    if (!strstr(err.msg, words) || !strstr(err.msg, path))
        fail_msg("'%s' does not say '%s'", err.msg, words);
    WORKS(file_read(path, FILE_MAX_BYTES, &after, &m, E));
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n);
    mem_free(before);
    mem_free(after);
}

static void reading_refused(const char *path, enum rc rc, const char *words)
{
    struct store_reader *r = NULL;
    struct err err;

    assert_int_equal(store_reader_open(path, &r, &err), rc);
    assert_null(r);
    if (!strstr(err.msg, words) || !strstr(err.msg, path))
        fail_msg("'%s' does not say '%s'", err.msg, words);
}

static void close_store(struct fixture *x)
{
    store_close(x->store);
    x->store = NULL;
}

static void a_newer_database_is_refused_with_both_versions(void **state)
{
    struct fixture *x = *state;

    close_store(x);
    change(x->path, "PRAGMA user_version = 99");
    refused(x->path, E_STATE, "version is 99");
    refused(x->path, E_STATE, "up to 11");
    reading_refused(x->path, E_STATE, "version is 99");
}

static void the_database_of_another_program_is_left_alone(void **state)
{
    struct fixture *x = *state;

    close_store(x);
    assert_int_equal(unlink(x->path), 0);
    change(x->path, "CREATE TABLE songs (title)");
    refused(x->path, E_STATE, "not one of tocsin");
    reading_refused(x->path, E_STATE, "not one of tocsin");
}

static void what_is_no_database_is_left_alone(void **state)
{
    static const char longer[] =
        "a text that is longer than the hundred bytes of a header, and begins otherwise than the "
        "header of an SQLite file does";
    static const char *const texts[] = {"timestamp,cpu\n1,2\n", "SQLite format 3", "xy", longer};
    struct fixture *x = *state;

    close_store(x);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        WORKS(file_write(x->path, texts[i], strlen(texts[i]), E));
        refused(x->path, E_IO, "not a database");
        reading_refused(x->path, E_IO, "not a database");
    }
}

static void an_empty_file_becomes_a_database(void **state)
{
    struct fixture *x = *state;

    close_store(x);
    WORKS(file_write(x->path, "", 0, E));
    reading_refused(x->path, E_STATE, "empty");
    WORKS(store_open(x->path, &x->store, E));
    assert_int_equal(ask(x, "PRAGMA auto_vacuum"), 2);
}

static void reading_makes_no_file(void **state)
{
    struct fixture *x = *state;

    close_store(x);
    assert_int_equal(unlink(x->path), 0);
    reading_refused(x->path, E_IO, "No such file");
    assert_int_not_equal(access(x->path, F_OK), 0);
}

static void names_with_a_meaning_for_sqlite_are_plain_files(void **state)
{
    static const char *const names[] = {":memory:", "file:a?mode=memory", "file:b"};
    struct fixture *x = *state;
    char before[256], lock[64];

    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(x->folder), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct store *s;
        WORKS(store_open(names[i], &s, E));
        store_close(s);
        assert_int_equal(unlink(names[i]), 0);
        snprintf(lock, sizeof lock, "%s.lock", names[i]);
        assert_int_equal(unlink(lock), 0);
    }
    assert_int_equal(chdir(before), 0);
}

static void a_second_tocsin_is_refused_until_the_first_ends(void **state)
{
    struct fixture *x = *state;
    struct store *second = NULL;
    struct err err;
    char pid[32];

    assert_int_equal(store_open(x->path, &second, &err), E_STATE);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(err.msg, "in use by another tocsin"));
    assert_non_null(strstr(err.msg, pid));
    close_store(x);
    WORKS(store_open(x->path, &x->store, E));
}

static void a_killed_tocsin_holds_no_lock(void **state)
{
    struct fixture *x = *state;
    int ready[2], status;
    char byte;

    close_store(x);
    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        struct err err;
        struct store *s;
        const bool open = store_open(x->path, &s, &err) == OK && write(ready[1], "x", 1) == 1;
        if (!open)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    struct err err;
    assert_int_equal(store_open(x->path, &x->store, &err), E_STATE);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    WORKS(store_open(x->path, &x->store, E));
}

static void a_writer_outside_is_a_sentence(void **state)
{
    struct fixture *x = *state;
    struct err err;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(x->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    store_set_busy_timeout(x->store, 0); /* the test need not wait */
    assert_int_equal(store_begin(x->store, &err), E_IO);
    assert_non_null(strstr(err.msg, "locked"));
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    WORKS(store_begin(x->store, E));
    WORKS(store_commit(x->store, E));
}

static void the_busy_timeout_outlives_a_prune(void **state)
{
    struct fixture *x = *state;
    uint64_t deleted;
    int64_t ms;

    put_ticks(x, new_entity(x, "a"), 0, 1, 100);
    store_set_busy_timeout(x->store, 7);
    WORKS(store_prune(x->store, 0, 0, 1, &deleted, E)); /* waits for nobody meanwhile */
    WORKS(conn_number(&x->store->c, "PRAGMA busy_timeout", &ms, E));
    assert_int_equal(ms, 7);
}

static void a_folder_that_cannot_be_written_is_a_sentence(void **state)
{
    struct fixture *x = *state;
    struct store *s = NULL;
    struct err err;
    const uid_t me = geteuid();
    char path[160];

    snprintf(path, sizeof path, "%s/none/t.db", x->folder);
    assert_int_equal(store_open(path, &s, &err), E_IO);
    assert_non_null(strstr(err.msg, "No such file"));

    snprintf(path, sizeof path, "%s/u.db", x->folder);
    assert_int_equal(chmod(x->folder, 0555), 0);
    if (me == 0) /* root may write everywhere */
        assert_int_equal(seteuid(65534), 0);
    const enum rc rc = store_open(path, &s, &err);
    if (me == 0)
        assert_int_equal(seteuid(me), 0);
    assert_int_equal(chmod(x->folder, 0700), 0);
    assert_int_equal(rc, E_IO);
    assert_non_null(strstr(err.msg, "Permission denied"));
    assert_null(s);
}

/* One tick a transaction until one fails; the number that were committed. */
static int64_t fill_up(struct fixture *x, int64_t entity, struct err *err)
{
    for (int64_t t = 0; t < 100000; t++) {
        enum rc rc = store_begin(x->store, err);
        if (rc == OK) {
            rc = put_tick(x, entity, t, err);
            const enum rc rc_commit = store_commit(x->store, rc == OK ? err : &(struct err){0});
            rc = rc == OK ? rc_commit : rc;
        }
        if (rc != OK)
            return t;
    }
    fail_msg("%s", "the disk was never full");
    return 0;
}

static void works_again(struct fixture *x, int64_t entity, int64_t committed)
{
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), committed);
    assert_int_equal(ask(x, "SELECT count(*) FROM scores"), committed);
    put_ticks(x, entity, committed, 1, 100);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), committed + 100);
    assert_int_equal(ask(x, "SELECT count(*) FROM pragma_integrity_check WHERE "
                            "integrity_check = 'ok'"),
                     1);
    reopen(x);
    assert_int_equal(ask(x, "SELECT max(ts_ms) FROM scores"), committed + 99);
}

static void the_store_works_again_after_writes_failed(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    struct err err = {0};

    limit_files(200000);
    const int64_t committed = fill_up(x, id, &err);
    limit_files(RLIM_INFINITY);
    assert_int_equal(err.rc, E_IO);
    assert_non_null(strstr(err.msg, "File too large"));
    assert_true(committed > 0);
    works_again(x, id, committed);
}

static void the_store_works_again_after_the_disk_was_full(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    struct err err = {0};

    assert_int_equal(sqlite3_exec(x->store->c.db, "PRAGMA max_page_count = 60", NULL, NULL, NULL),
                     SQLITE_OK);
    const int64_t committed = fill_up(x, id, &err);
    assert_int_equal(err.rc, E_IO);
    assert_non_null(strstr(err.msg, "full"));
    assert_int_equal(
        sqlite3_exec(x->store->c.db, "PRAGMA max_page_count = 100000", NULL, NULL, NULL),
        SQLITE_OK);
    works_again(x, id, committed);
}

static void a_failed_checkpoint_is_reported_by_the_next_prune(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    uint64_t deleted;
    struct err err;

    put_ticks(x, id, 0, 1, 30000);
    WORKS(store_checkpoint(x->store, E));
    put_ticks(x, id, 30000, 1, 1); /* the log starts afresh: it is shorter than the database */
    limit_files(1 << 20);
    x->store->checkpoint_at = 1;
    put_ticks(x, id, 30001, 1, 1); /* is committed all the same */
    assert_int_equal(store_prune(x->store, 1, 0, UINT64_MAX, &deleted, &err), E_IO);
    assert_non_null(strstr(err.msg, "checkpoint"));
    assert_int_equal(deleted, 2); /* a frame and a score are gone all the same */
    limit_files(RLIM_INFINITY);
    WORKS(store_prune(x->store, 0, 0, UINT64_MAX, &deleted, E));
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 30001);
}

static off_t bytes_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : 0;
}

static void a_clean_stop_leaves_all_in_the_database_file(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    struct seen s = {0};
    struct store_reader *r;

    put_ticks(x, id, 0, 1, 100);
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_scores(r, "a", 0, 999, see_score, &s, E));
    close_store(x);
    assert_int_equal(bytes_of(x->wal), 0); /* the file is there while a reader has it */
    store_reader_close(r);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 100);
}

static void a_reader_in_the_log_does_not_hold_up_the_close(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    sqlite3 *db;

    put_ticks(x, id, 0, 1, 100);
    assert_int_equal(sqlite3_open(x->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM frames", NULL, NULL, NULL),
                     SQLITE_OK);
    put_ticks(x, id, 100, 1, 1);
    close_store(x);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 101);
}

static void the_log_stays_short(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");

    for (int64_t t = 0; t < 2000; t++)
        put_ticks(x, id, t, 1, 1);
    assert_in_range(bytes_of(x->wal), 1, (CHECKPOINT_PAGES + 16) * (PAGE_BYTES + 24));
}

struct slow {
    struct fixture *x;
    int64_t entity;
    size_t rows;
};

/* While the reader is at its first row, the writer fills its log several times. */
static bool write_meanwhile(void *arg, const struct store_score *row)
{
    struct slow *s = arg;

    (void)row;
    if (s->rows++ == 0)
        for (int64_t t = 0; t < 2000; t++)
            put_ticks(s->x, s->entity, 10000 + t, 1, 1);
    return true;
}

static void a_slow_reader_does_not_hold_up_the_log(void **state)
{
    struct fixture *x = *state;
    struct slow s = {.x = x, .entity = new_entity(x, "a")};
    struct store_reader *r;

    put_ticks(x, s.entity, 0, 1, 1000);
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_scores(r, "a", 0, INT64_MAX, write_meanwhile, &s, E));
    assert_int_equal(s.rows, 3000);
    assert_in_range(bytes_of(x->wal), 1, (CHECKPOINT_PAGES + 64) * (PAGE_BYTES + 24));
    store_reader_close(r);
}

static void a_reader_without_an_end_cannot_fill_the_disk(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    struct err err;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(x->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM frames", NULL, NULL, NULL),
                     SQLITE_OK);
    for (int64_t t = 0; t < 1000; t++)
        put_ticks(x, id, t, 1, 1);
    assert_true(x->store->wal_pages > CHECKPOINT_PAGES);
    x->store->wal_pages = WAL_PAGES_MAX;
    assert_int_equal(store_begin(x->store, &err), E_STATE);
    assert_non_null(strstr(err.msg, "64 MB"));
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    put_ticks(x, id, 1000, 1, 1);
    assert_true(x->store->wal_pages < 16);
    sqlite3_close(db);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 1001);
}

static bool see_any_model(void *arg, const struct store_model_row *row)
{
    (void)arg;
    return row->model.state <= STORE_MODEL_RETIRED;
}

static bool see_any_mark(void *arg, const struct store_mark *row)
{
    (void)arg;
    return row->kind <= STORE_MARK_MAINTENANCE;
}

/* Anything may come of a damaged file, but a crash, and an error without a sentence. */
static void use_damaged(const char *path)
{
    struct err err = {0};
    struct store *s = NULL;
    struct store_reader *r = NULL;
    struct seen seen = {0};
    struct store_model model;
    uint64_t deleted;
    int64_t id;

    if (store_open(path, &s, &err) != OK ||
        store_prune(s, 1000, 900, 100000, &deleted, &err) != OK ||
        store_entity(s, "b", &id, &err) != OK || store_close_orphans(s, &err) != OK)
        assert_true(err.rc != OK && err.msg[0]);
    store_close(s);
    err = (struct err){0};
    if (store_reader_open(path, &r, &err) != OK ||
        store_read_scores(r, "a", 0, INT64_MAX, see_score, &seen, &err) != OK ||
        store_read_model(r, "a", 3, &model, &err) != OK ||
        store_read_models(r, NULL, see_any_model, NULL, &err) != OK ||
        store_read_marks(r, NULL, see_any_mark, NULL, &err) != OK)
        assert_true(err.rc != OK && err.msg[0]);
    store_reader_close(r);
}

static void a_damaged_database_never_crashes(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    const struct store_model model = {
        .created_ms = 1, .model_id = 2, .schema_hash = 3, .file = "m.tsm", .provenance = "{}"};
    struct incident in = {.start_ms = 4};
    struct rng rng;
    char *good;
    size_t n;

    put_ticks(x, id, 0, 1, 2000);
    WORKS(store_put_model(x->store, id, &model, E));
    WORKS(store_put_incident(x->store, id, x->schema, &in, E));
    close_store(x);
    WORKS(file_read(x->path, FILE_MAX_BYTES, &good, &n, E));
    char *bad = mem_alloc(n);
    assert_non_null(bad);
    rng_init(&rng, 1);
    for (int round = 0; round < 60; round++) {
        memcpy(bad, good, n);
        const uint32_t hits = 1 + rng_below(&rng, 40);
        for (uint32_t i = 0; i < hits; i++) /* half of them in the first pages: the tables */
            bad[rng_below(&rng, rng_below(&rng, 2) ? (uint32_t)n : 40960)] = (char)rng_u64(&rng);
        const size_t m = rng_below(&rng, 4) ? n : rng_below(&rng, (uint32_t)n);
        (void)unlink(x->wal);
        WORKS(file_write(x->path, bad, m, E));
        use_damaged(x->path);
    }
    mem_free(bad);
    mem_free(good);
}

static void no_memory_is_an_error_at_every_allocation(void **state)
{
    struct fixture *x = *state;
    int failed = 0;

    close_store(x);
    for (uint64_t n = 1; n < 60; n++) {
        const struct store_model model = {
            .created_ms = 1, .model_id = 2, .schema_hash = 3, .file = "m.tsm", .provenance = "{}"};
        struct incident in = {.start_ms = 4};
        struct err err = {0};
        struct store_reader *r = NULL;
        struct seen seen = {0};
        uint64_t deleted;
        int64_t id = 0;

        mem_fail_at(n);
        const bool all =
            store_open(x->path, &x->store, &err) == OK && store_begin(x->store, &err) == OK &&
            store_put_schema(x->store, x->schema, &err) == OK &&
            store_entity(x->store, "a", &id, &err) == OK &&
            put_tick(x, id, (int64_t)n, &err) == OK &&
            store_put_model(x->store, id, &model, &err) == OK &&
            store_put_incident(x->store, id, x->schema, &in, &err) == OK &&
            store_commit(x->store, &err) == OK &&
            store_prune(x->store, 0, 0, UINT64_MAX, &deleted, &err) == OK &&
            store_reader_open(x->path, &r, &err) == OK &&
            store_read_scores(r, "a", 0, 99, see_score, &seen, &err) == OK &&
            store_read_frames(r, "a", x->schema->hash, 0, 99, false, see_frame, &seen, &err) == OK;
        mem_fail_at(0);
        assert_true(all ? err.rc == OK : err.rc == E_NOMEM && err.msg[0]);
        failed += !all;
        store_reader_close(r);
        close_store(x);
    }
    assert_in_range(failed, 10, 58); /* the walk met them, and came to its end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_newer_database_is_refused_with_both_versions),
        TEST(the_database_of_another_program_is_left_alone),
        TEST(what_is_no_database_is_left_alone),
        TEST(an_empty_file_becomes_a_database),
        TEST(reading_makes_no_file),
        TEST(names_with_a_meaning_for_sqlite_are_plain_files),
        TEST(a_second_tocsin_is_refused_until_the_first_ends),
        TEST(a_killed_tocsin_holds_no_lock),
        TEST(a_writer_outside_is_a_sentence),
        TEST(the_busy_timeout_outlives_a_prune),
        TEST(a_folder_that_cannot_be_written_is_a_sentence),
        TEST(the_store_works_again_after_writes_failed),
        TEST(the_store_works_again_after_the_disk_was_full),
        TEST(a_failed_checkpoint_is_reported_by_the_next_prune),
        TEST(a_clean_stop_leaves_all_in_the_database_file),
        TEST(a_reader_in_the_log_does_not_hold_up_the_close),
        TEST(the_log_stays_short),
        TEST(a_slow_reader_does_not_hold_up_the_log),
        TEST(a_reader_without_an_end_cannot_fill_the_disk),
        TEST(a_damaged_database_never_crashes),
        TEST(no_memory_is_an_error_at_every_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
