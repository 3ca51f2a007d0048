/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "store/migrate.h"
#include "store/reader.h"

/* Rows are copied a chunk at a time, the statement ends, and only then fn sees them: a slow fn
 * holds no snapshot, so the writer's log can always start afresh. */
enum {
    SCORES_A_CHUNK = 512,
    FRAMES_A_CHUNK = 256,
    FLOATS_A_CHUNK = 16384, /* at least SCHEMA_FEATURES_MAX */
    INCIDENTS_A_CHUNK = 32,
    TEXT_A_CHUNK = 65536, /* bytes of instances and causes */
};
_Static_assert((int)FLOATS_A_CHUNK >= (int)SCHEMA_FEATURES_MAX, "one frame always fits");

#define MODEL_ROW                                                                                  \
    "SELECT m.id, instance, created_ms, model_id, schema_hash, state, state_ms, file, provenance," \
    " reason, figures FROM models m JOIN entities e ON e.id = m.entity"
#define ENTITY_1 "entity = (SELECT id FROM entities WHERE instance = ?1)"
#define INCIDENT_ROWS(of)                                                                          \
    "SELECT i.id, start_ms, peak_ms, end_ms, peak_score, threshold, instance, causes,"             \
    " kind = 'slow', accepted, maintenance, words, tier = 'observe'"                               \
    " FROM incidents i CROSS JOIN entities e ON e.id = i.entity"                                   \
    " WHERE " of "start_ms <= ?3 AND (end_ms IS NULL OR end_ms >= ?2)"                             \
    " AND (start_ms, i.id) < (?4, ?5) ORDER BY start_ms DESC, i.id DESC"

static const char *const sql[RD_COUNT] = {
    [RD_FRAMES] = "SELECT ts_ms, \"values\" FROM frames WHERE " ENTITY_1
                  " AND ts_ms BETWEEN ?2 AND ?3 AND schema_hash = ?4 ORDER BY ts_ms",
    [RD_SPANS] = "SELECT start_ms, end_ms FROM incidents WHERE " ENTITY_1
                 " AND kind = 'departure' AND tier = 'page' AND start_ms <= ?3"
                 " AND (end_ms IS NULL OR end_ms >= ?2)",
    [RD_SCORES] = "SELECT ts_ms, score, threshold, confidence, anomalous, evidence FROM scores"
                  " WHERE " ENTITY_1 " AND ts_ms BETWEEN ?2 AND ?3 ORDER BY ts_ms",
    [RD_LAST_SCORES] = "SELECT min(ts_ms), max(ts_ms), count(*) FROM (SELECT ts_ms FROM scores"
                       " WHERE " ENTITY_1 " AND ts_ms BETWEEN ?2 AND ?3"
                       " ORDER BY ts_ms DESC LIMIT ?4)",
    [RD_INCIDENTS] = INCIDENT_ROWS(""),
    [RD_INCIDENTS_OF] = INCIDENT_ROWS(ENTITY_1 " AND "),
    [RD_HISTORIES] = "SELECT instance, (SELECT min(ts_ms) FROM frames WHERE entity = e.id),"
                     " (SELECT max(ts_ms) FROM frames WHERE entity = e.id)"
                     " FROM entities e WHERE instance > ?1 ORDER BY instance LIMIT 1",
    /* the frames are walked only where there is another schema at all */
    [RD_OTHERS] = "SELECT CASE WHEN EXISTS (SELECT 1 FROM schemas WHERE hash != ?4) THEN"
                  " (SELECT count(*) FROM frames WHERE " ENTITY_1
                  " AND ts_ms BETWEEN ?2 AND ?3 AND schema_hash != ?4) ELSE 0 END",
    [RD_MODEL] = MODEL_ROW " WHERE instance = ?1 AND schema_hash = ?2 AND state = 'live'"
                           " ORDER BY m.id DESC LIMIT 1",
    [RD_MODELS] = MODEL_ROW " WHERE m.id < ?2 ORDER BY m.id DESC",
    [RD_MODELS_OF] = MODEL_ROW " WHERE " ENTITY_1 " AND m.id < ?2 ORDER BY m.id DESC",
    [RD_MARKS] = "SELECT m.id, kind, incident, start_ms, end_ms, made_ms, ifnull(instance, '')"
                 " FROM marks m LEFT JOIN entities e ON e.id = m.entity"
                 " WHERE (?1 IS NULL OR instance = ?1 OR m.entity IS NULL) AND m.id > ?2"
                 " ORDER BY m.id",
    [RD_STATE] =
        "SELECT state, ts_ms FROM states WHERE " ENTITY_1 " AND kind = ?2 AND schema_hash = ?3",
    [RD_OUTBOX] = "SELECT i.id, start_ms, peak_ms, end_ms, peak_score, threshold, instance,"
                  " causes, i.kind = 'slow', receiver FROM outbox o"
                  " CROSS JOIN incidents i ON i.id = o.incident"
                  " CROSS JOIN entities e ON e.id = i.entity"
                  " WHERE (o.incident, receiver) > (?1, ?2) ORDER BY o.incident, receiver LIMIT 1",
};

static void store_reader_closep(struct store_reader **r)
{
    store_reader_close(*r);
}

enum rc store_reader_open(const char *path, struct store_reader **ret, struct err *err)
{
    CLEANUP(store_reader_closep) struct store_reader *r = mem_alloc(sizeof *r);
    enum rc rc;

    if (!r)
        return err_set(err, E_NOMEM, "store '%s': out of memory", path);
    if ((rc = conn_open(&r->c, path, SQLITE_OPEN_READONLY, sql, RD_COUNT, err)) != OK ||
        (rc = conn_exec(&r->c, "PRAGMA cache_size = -256; PRAGMA mmap_size = 0", "settings",
                        err)) != OK ||
        (rc = migrate_expect_current(&r->c, err)) != OK)
        return rc;
    *ret = TAKE(r);
    return OK;
}

void store_reader_close(struct store_reader *r)
{
    if (!r)
        return;
    conn_close(&r->c);
    mem_free(r);
}

enum rc reader_bind(const struct conn *c, sqlite3_stmt *st, const char *instance, int64_t from_ms,
                    int64_t to_ms, struct err *err)
{
    if (sqlite3_bind_text(st, 1, instance, -1, SQLITE_STATIC) ||
        sqlite3_bind_int64(st, 2, from_ms) || sqlite3_bind_int64(st, 3, to_ms))
        return conn_fail(c, "bind", err);
    return OK;
}

struct frame_chunk {
    size_t rows, floats; /* used */
    int64_t ts_ms[FRAMES_A_CHUNK];
    size_t n[FRAMES_A_CHUNK]; /* features of the row; they follow one another in values */
    bool skip[FRAMES_A_CHUNK];
    float values[FLOATS_A_CHUNK];
};

/* Add the row that st stands on; false in *ret_fits when it must wait for the next chunk. */
static enum rc add_frame(const struct conn *c, sqlite3_stmt *st, struct frame_chunk *chunk,
                         bool *ret_fits, struct err *err)
{
    const int64_t ts_ms = sqlite3_column_int64(st, 0);
    const void *blob = sqlite3_column_blob(st, 1);
    const size_t bytes = (size_t)sqlite3_column_bytes(st, 1), n = bytes / sizeof(float);

    if (!blob || bytes % sizeof(float) != 0 || n > SCHEMA_FEATURES_MAX)
        return err_set(err, E_PARSE,
                       "store '%s': the frame at %" PRId64 " has %zu bytes, no whole float32 "
                       "values or more than %d",
                       c->path, ts_ms, bytes, SCHEMA_FEATURES_MAX);
    *ret_fits = chunk->rows < FRAMES_A_CHUNK && n <= FLOATS_A_CHUNK - chunk->floats;
    if (!*ret_fits)
        return OK;
    memcpy(&chunk->values[chunk->floats], blob, bytes);
    chunk->ts_ms[chunk->rows] = ts_ms;
    chunk->skip[chunk->rows] = false;
    chunk->n[chunk->rows++] = n;
    chunk->floats += n;
    return OK;
}

static enum rc load_frames(struct conn *c, const char *instance, uint64_t schema_hash,
                           int64_t from_ms, int64_t to_ms, struct frame_chunk *chunk,
                           bool *ret_more, struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    int code;
    enum rc rc;

    chunk->rows = chunk->floats = 0;
    if ((rc = conn_statement(c, RD_FRAMES, &st, err)) != OK ||
        (rc = reader_bind(c, st, instance, from_ms, to_ms, err)) != OK)
        return rc;
    if (sqlite3_bind_int64(st, 4, (int64_t)schema_hash))
        return conn_fail(c, "bind", err);
    while ((code = sqlite3_step(st)) == SQLITE_ROW) {
        bool fits;
        if ((rc = add_frame(c, st, chunk, &fits, err)) != OK)
            return rc;
        if (!fits)
            break;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return conn_fail(c, "read frames", err);
    *ret_more = code == SQLITE_ROW;
    return OK;
}

/* Mark the chunk's frames that lie in an incident. */
static enum rc mark_incidents(struct conn *c, const char *instance, struct frame_chunk *chunk,
                              struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    int code;
    enum rc rc;

    if (chunk->rows == 0)
        return OK;
    if ((rc = conn_statement(c, RD_SPANS, &st, err)) != OK ||
        (rc = reader_bind(c, st, instance, chunk->ts_ms[0], chunk->ts_ms[chunk->rows - 1], err)) !=
            OK)
        return rc;
    while ((code = sqlite3_step(st)) == SQLITE_ROW) {
        const int64_t start_ms = sqlite3_column_int64(st, 0);
        const bool open = sqlite3_column_type(st, 1) == SQLITE_NULL;
        const int64_t end_ms = open ? INT64_MAX : sqlite3_column_int64(st, 1);
        for (size_t i = 0; i < chunk->rows; i++)
            chunk->skip[i] |= chunk->ts_ms[i] >= start_ms && chunk->ts_ms[i] <= end_ms;
    }
    return code == SQLITE_DONE ? OK : conn_fail(c, "read incidents", err);
}

enum rc store_read_frames(struct store_reader *r, const char *instance, uint64_t schema_hash,
                          int64_t from_ms, int64_t to_ms, bool skip_incidents, store_frame_fn *fn,
                          void *arg, struct err *err)
{
    CLEANUP(mem_freep) struct frame_chunk *chunk = mem_alloc(sizeof *chunk);
    bool more = true;

    if (!chunk)
        return err_set(err, E_NOMEM, "store '%s': out of memory", r->c.path);
    while (more) {
        enum rc rc = load_frames(&r->c, instance, schema_hash, from_ms, to_ms, chunk, &more, err);
        if (rc == OK && skip_incidents)
            rc = mark_incidents(&r->c, instance, chunk, err);
        if (rc != OK)
            return rc;
        const float *values = chunk->values;
        for (size_t i = 0; i < chunk->rows; i++) {
            if (!chunk->skip[i] && !fn(arg, chunk->ts_ms[i], values, chunk->n[i]))
                return OK;
            values += chunk->n[i];
        }
        if (more)
            from_ms = chunk->ts_ms[chunk->rows - 1] + 1; /* one more row follows: no overflow */
    }
    return OK;
}

static enum rc load_scores(struct conn *c, const char *instance, int64_t from_ms, int64_t to_ms,
                           struct store_score *rows, size_t *ret_n, struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    size_t n = 0;
    int code = SQLITE_ROW;
    enum rc rc;

    if ((rc = conn_statement(c, RD_SCORES, &st, err)) != OK ||
        (rc = reader_bind(c, st, instance, from_ms, to_ms, err)) != OK)
        return rc;
    for (; n < SCORES_A_CHUNK && (code = sqlite3_step(st)) == SQLITE_ROW; n++)
        rows[n] = (struct store_score){.ts_ms = sqlite3_column_int64(st, 0),
                                       .score = reader_float(st, 1),
                                       .threshold = reader_float(st, 2),
                                       .confidence = reader_float(st, 3),
                                       .anomalous = sqlite3_column_int(st, 4) != 0,
                                       .evidence = reader_float(st, 5)};
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return conn_fail(c, "read scores", err);
    *ret_n = n;
    return OK;
}

enum rc store_read_scores(struct store_reader *r, const char *instance, int64_t from_ms,
                          int64_t to_ms, store_score_fn *fn, void *arg, struct err *err)
{
    CLEANUP(mem_freep) struct store_score *rows = mem_array(SCORES_A_CHUNK, sizeof *rows);
    size_t n = SCORES_A_CHUNK;

    if (!rows)
        return err_set(err, E_NOMEM, "store '%s': out of memory", r->c.path);
    while (n == SCORES_A_CHUNK) {
        const enum rc rc = load_scores(&r->c, instance, from_ms, to_ms, rows, &n, err);
        if (rc != OK)
            return rc;
        for (size_t i = 0; i < n; i++)
            if (!fn(arg, &rows[i]))
                return OK;
        if (n == 0 || rows[n - 1].ts_ms >= to_ms)
            return OK;
        from_ms = rows[n - 1].ts_ms + 1;
    }
    return OK;
}

/* First and last time of the newest n scores in from..to, and how many there are. */
static enum rc last_scores(struct conn *c, const char *instance, int64_t from_ms, int64_t to_ms,
                           int64_t n, int64_t *ret_first_ms, int64_t *ret_last_ms, int64_t *ret_n,
                           struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    enum rc rc;

    if ((rc = conn_statement(c, RD_LAST_SCORES, &st, err)) != OK ||
        (rc = reader_bind(c, st, instance, from_ms, to_ms, err)) != OK)
        return rc;
    if (sqlite3_bind_int64(st, 4, n) || sqlite3_step(st) != SQLITE_ROW)
        return conn_fail(c, "read scores", err);
    *ret_first_ms = sqlite3_column_int64(st, 0);
    *ret_last_ms = sqlite3_column_int64(st, 1);
    *ret_n = sqlite3_column_int64(st, 2);
    return OK;
}

enum rc store_last_scores(struct store_reader *r, const char *instance, int64_t to_ms, size_t n,
                          int64_t *ret_first_ms, int64_t *ret_last_ms, bool *ret_more,
                          struct err *err)
{
    int64_t first_ms, last_ms, unused, rows, older = 0;
    enum rc rc;

    assert(n >= 1 && n <= INT32_MAX);
    rc =
        last_scores(&r->c, instance, INT64_MIN, to_ms, (int64_t)n, &first_ms, &last_ms, &rows, err);
    if (rc == OK && rows > 0 && first_ms > INT64_MIN)
        rc =
            last_scores(&r->c, instance, INT64_MIN, first_ms - 1, 1, &unused, &unused, &older, err);
    if (rc != OK)
        return rc;
    *ret_first_ms = rows ? first_ms : 1;
    *ret_last_ms = rows ? last_ms : 0;
    *ret_more = older > 0;
    return OK;
}

struct incident_chunk {
    size_t n, used;
    struct store_incident row[INCIDENTS_A_CHUNK];
    char text[TEXT_A_CHUNK];
};

/* A NUL-terminated copy of a text column, or NULL when it does not fit any more. */
static const char *keep(struct incident_chunk *chunk, sqlite3_stmt *st, int column)
{
    const unsigned char *text = sqlite3_column_text(st, column);
    const size_t n = (size_t)sqlite3_column_bytes(st, column);

    if (n >= TEXT_A_CHUNK - chunk->used)
        return NULL;
    char *copy = &chunk->text[chunk->used];
    if (text)
        memcpy(copy, text, n);
    copy[n] = '\0';
    chunk->used += n + 1;
    return copy;
}

static bool add_incident(struct incident_chunk *chunk, sqlite3_stmt *st)
{
    if (chunk->n == INCIDENTS_A_CHUNK)
        return false;
    const char *instance = keep(chunk, st, 6);
    const char *causes = instance ? keep(chunk, st, 7) : NULL;
    const char *words = causes ? keep(chunk, st, 11) : NULL;
    if (!words)
        return false;
    chunk->row[chunk->n++] = (struct store_incident){
        .kind = sqlite3_column_int(st, 8) ? INCIDENT_SLOW : INCIDENT_DEPARTURE,
        .id = sqlite3_column_int64(st, 0),
        .start_ms = sqlite3_column_int64(st, 1),
        .peak_ms = sqlite3_column_int64(st, 2),
        .end_ms = sqlite3_column_int64(st, 3),
        .peak_score = reader_float(st, 4),
        .threshold = reader_float(st, 5),
        .accepted = sqlite3_column_int(st, 9) != 0,
        .maintenance = sqlite3_column_int(st, 10) != 0,
        .tier = sqlite3_column_int(st, 12) ? INCIDENT_OBSERVE : INCIDENT_PAGE,
        .instance = instance,
        .causes_json = causes,
        .words = words};
    return true;
}

/* Rows before (start_ms, id) in the order of time, the newest first. */
static enum rc load_incidents(struct conn *c, const char *instance, int64_t from_ms, int64_t to_ms,
                              int64_t start_ms, int64_t id, struct incident_chunk *chunk,
                              bool *ret_more, struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    int code;
    enum rc rc;

    chunk->n = chunk->used = 0;
    if ((rc = conn_statement(c, instance ? RD_INCIDENTS_OF : RD_INCIDENTS, &st, err)) != OK ||
        (rc = reader_bind(c, st, instance, from_ms, to_ms, err)) != OK)
        return rc;
    if (sqlite3_bind_int64(st, 4, start_ms) || sqlite3_bind_int64(st, 5, id))
        return conn_fail(c, "bind", err);
    while ((code = sqlite3_step(st)) == SQLITE_ROW && add_incident(chunk, st))
        ;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return conn_fail(c, "read incidents", err);
    if (code == SQLITE_ROW && chunk->n == 0)
        return err_set(err, E_LIMIT, "store '%s': incident %" PRId64 " has more than %d bytes",
                       c->path, (int64_t)sqlite3_column_int64(st, 0), TEXT_A_CHUNK);
    *ret_more = code == SQLITE_ROW;
    return OK;
}

enum rc store_read_incidents(struct store_reader *r, const char *instance, int64_t from_ms,
                             int64_t to_ms, store_incident_fn *fn, void *arg, struct err *err)
{
    CLEANUP(mem_freep) struct incident_chunk *chunk = mem_alloc(sizeof *chunk);
    int64_t start_ms = INT64_MAX, id = INT64_MAX;
    bool more = true;

    if (!chunk)
        return err_set(err, E_NOMEM, "store '%s': out of memory", r->c.path);
    while (more) {
        const enum rc rc =
            load_incidents(&r->c, instance, from_ms, to_ms, start_ms, id, chunk, &more, err);
        if (rc != OK)
            return rc;
        for (size_t i = 0; i < chunk->n; i++)
            if (!fn(arg, &chunk->row[i]))
                return OK;
        if (more) {
            start_ms = chunk->row[chunk->n - 1].start_ms;
            id = chunk->row[chunk->n - 1].id;
        }
    }
    return OK;
}
