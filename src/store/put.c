/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "store/encode.h"
#include "store/writer.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "frames are stored as they are in memory");

enum rc store_find_entity(struct store *s, const char *instance, int64_t *ret_id, struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    const enum rc rc = conn_statement(&s->c, ST_FIND_ENTITY, &st, err);

    if (rc != OK)
        return rc;
    if (sqlite3_bind_text(st, 1, instance, -1, SQLITE_STATIC) != SQLITE_OK)
        return conn_fail(&s->c, "bind", err);
    switch (sqlite3_step(st)) {
    case SQLITE_ROW:
        *ret_id = sqlite3_column_int64(st, 0);
        return OK;
    case SQLITE_DONE:
        *ret_id = 0;
        return OK;
    default:
        return conn_fail(&s->c, "entity", err);
    }
}

enum rc store_entity(struct store *s, const char *instance, int64_t *ret_id, struct err *err)
{
    const struct str name = str_of(instance);
    int64_t id = said_entity(s, instance);
    enum rc rc;

    if (name.n == 0 || name.n >= INSTANCE_MAX)
        return err_set(err, E_LIMIT, "store: an instance of %zu bytes; 1 to %d are possible",
                       name.n, INSTANCE_MAX - 1);
    if (!str_is_utf8(name))
        return err_set(err, E_PARSE, "store: the instance '%s' is not UTF-8", instance);
    if (id == 0 && (rc = store_find_entity(s, instance, &id, err)) != OK)
        return rc;
    if (id == 0) {
        struct said said = {.st = ST_PUT_ENTITY,
                            .n_numbers = 1,
                            .number = {s->next_entity},
                            .n_texts = 1,
                            .text = {mem_strndup(name.p, name.n)}};
        if (!said.text[0])
            return err_set(err, E_NOMEM, "store '%s': out of memory", s->c.path);
        id = s->next_entity++;
        if ((rc = said_put(s, &said, err)) != OK)
            return rc;
    }
    *ret_id = id;
    return OK;
}

static struct known_schema *find_known(const struct store *s, uint64_t hash)
{
    for (size_t i = 0; i < s->n_known; i++)
        if (s->known[i].hash == hash)
            return &s->known[i];
    return NULL;
}

/* Add the schema if it is new; *ret is good until the next call. */
static enum rc know(struct store *s, uint64_t hash, int64_t used_ms, struct known_schema **ret,
                    struct err *err)
{
    if ((*ret = find_known(s, hash)))
        return OK;
    if (s->n_known == s->room_known) {
        const size_t room = s->room_known ? 2 * s->room_known : 4;
        struct known_schema *p = mem_grow(s->known, room, sizeof *p);
        if (!p)
            return err_set(err, E_NOMEM, "store '%s': out of memory", s->c.path);
        s->known = p;
        s->room_known = room;
    }
    *ret = &s->known[s->n_known++];
    **ret = (struct known_schema){.hash = hash, .used_ms = used_ms};
    return OK;
}

enum rc store_put_schema(struct store *s, const struct schema *schema, struct err *err)
{
    struct said said = {
        .st = ST_PUT_SCHEMA, .n_numbers = 1, .number = {(int64_t)schema->hash}, .n_texts = 1};
    struct known_schema *known;
    enum rc rc;

    if ((rc = encode_features(schema, &said.text[0], err)) != OK ||
        (rc = said_put(s, &said, err)) != OK)
        return rc;
    return know(s, schema->hash, INT64_MIN, &known, err);
}

/* The schema must be there, for the frame's numbers have no names without it. */
static enum rc find_schema(struct store *s, uint64_t hash, struct known_schema **ret,
                           struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    const enum rc rc = conn_statement(&s->c, ST_FIND_SCHEMA, &st, err);

    if (rc != OK)
        return rc;
    if (sqlite3_bind_int64(st, 1, (int64_t)hash) != SQLITE_OK)
        return conn_fail(&s->c, "bind", err);
    const int code = sqlite3_step(st);
    if (code == SQLITE_DONE)
        return err_set(err, E_STATE,
                       "store '%s': a frame of schema %016" PRIx64 ", which was never put",
                       s->c.path, hash);
    if (code != SQLITE_ROW)
        return conn_fail(&s->c, "schema", err);
    const bool used = sqlite3_column_type(st, 0) != SQLITE_NULL;
    return know(s, hash, used ? sqlite3_column_int64(st, 0) : INT64_MIN, ret, err);
}

/* Keep schemas.used_ms less than a step behind the newest frame. */
static enum rc use_schema(struct store *s, uint64_t hash, int64_t ts_ms, struct err *err)
{
    struct known_schema *k = find_known(s, hash);
    sqlite3_stmt *st;
    enum rc rc;

    if (!k && (rc = find_schema(s, hash, &k, err)) != OK)
        return rc;
    assert(k);
    if (k->used_ms != INT64_MIN &&
        (ts_ms < k->used_ms || (uint64_t)ts_ms - (uint64_t)k->used_ms < SCHEMA_USED_STEP_MS))
        return OK;
    if ((rc = conn_statement(&s->c, ST_USE_SCHEMA, &st, err)) != OK)
        return rc;
    if (sqlite3_bind_int64(st, 1, (int64_t)hash) || sqlite3_bind_int64(st, 2, ts_ms))
        return conn_fail(&s->c, "bind", err);
    if ((rc = conn_run(&s->c, st, "schema", err)) == OK)
        k->used_ms = ts_ms;
    return rc;
}

enum rc store_put_frame(struct store *s, int64_t entity, int64_t ts_ms, uint64_t schema_hash,
                        const float *frame, size_t n, struct err *err)
{
    sqlite3_stmt *st;
    enum rc rc;

    if (n == 0 || n > SCHEMA_FEATURES_MAX)
        return err_set(err, E_LIMIT, "store: a frame of %zu features; 1 to %d are possible", n,
                       SCHEMA_FEATURES_MAX);
    if ((rc = store_ready(s, err)) != OK || (rc = use_schema(s, schema_hash, ts_ms, err)) != OK ||
        (rc = conn_statement(&s->c, ST_PUT_FRAME, &st, err)) != OK)
        return rc;
    if (sqlite3_bind_int64(st, 1, entity) || sqlite3_bind_int64(st, 2, ts_ms) ||
        sqlite3_bind_int64(st, 3, (int64_t)schema_hash) ||
        sqlite3_bind_blob(st, 4, frame, (int)(n * sizeof *frame), SQLITE_STATIC))
        return conn_fail(&s->c, "bind", err);
    return conn_run(&s->c, st, "frame", err);
}

enum rc store_put_score(struct store *s, int64_t entity, uint64_t model_id, const struct verdict *v,
                        struct err *err)
{
    sqlite3_stmt *st;
    enum rc rc;

    if ((rc = store_ready(s, err)) != OK ||
        (rc = conn_statement(&s->c, ST_PUT_SCORE, &st, err)) != OK)
        return rc;
    /* SQLite keeps a NaN as NULL, and reading gives it back as a NaN. */
    if (sqlite3_bind_int64(st, 1, entity) || sqlite3_bind_int64(st, 2, v->ts_ms) ||
        sqlite3_bind_int64(st, 3, (int64_t)model_id) ||
        sqlite3_bind_double(st, 4, (double)v->score) ||
        sqlite3_bind_double(st, 5, (double)v->threshold) ||
        sqlite3_bind_double(st, 6, (double)v->confidence) ||
        sqlite3_bind_int(st, 7, v->anomalous) || sqlite3_bind_double(st, 8, (double)v->evidence))
        return conn_fail(&s->c, "bind", err);
    return conn_run(&s->c, st, "score", err);
}

enum rc store_changed_by_others(struct store *s, bool *ret, struct err *err)
{
    int64_t version;
    /* SQLite: it changes with the commits of other connections and with no commit of this one */
    const enum rc rc = conn_number(&s->c, "PRAGMA data_version", &version, err);

    if (rc != OK)
        return rc;
    *ret = version != s->data_version;
    s->data_version = version;
    return OK;
}

const char *store_incident_kind_name(enum incident_kind kind)
{
    return kind == INCIDENT_SLOW ? "slow" : "departure";
}

const char *store_incident_tier_name(enum incident_tier tier)
{
    return tier == INCIDENT_OBSERVE ? "observe" : "page";
}

/* Nobody is told of what is recorded alone. */
static bool is_owed(const struct incident *in)
{
    return !in->maintenance && in->tier == INCIDENT_PAGE;
}

enum rc store_put_incident(struct store *s, int64_t entity, const struct schema *schema,
                           struct incident *in, struct err *err)
{
    CLEANUP(mem_freep) char *causes = NULL;
    sqlite3_stmt *st;
    enum rc rc;

    assert(in->n_causes <= CAUSES_MAX);
    if ((rc = store_ready(s, err)) != OK ||
        (rc = encode_causes(schema, in->causes, in->n_causes, &causes, err)) != OK ||
        (rc = conn_statement(&s->c, ST_PUT_INCIDENT, &st, err)) != OK)
        return rc;
    const int64_t id = in->id ? in->id : s->next_incident;
    if (sqlite3_bind_int64(st, 1, id) || sqlite3_bind_int64(st, 2, entity) ||
        sqlite3_bind_int64(st, 3, in->start_ms) || sqlite3_bind_int64(st, 4, in->peak_ms) ||
        (in->end_ms ? sqlite3_bind_int64(st, 5, in->end_ms) : sqlite3_bind_null(st, 5)) ||
        sqlite3_bind_double(st, 6, (double)in->peak_score) ||
        sqlite3_bind_double(st, 7, (double)in->threshold) ||
        sqlite3_bind_text(st, 8, causes, -1, SQLITE_STATIC) ||
        sqlite3_bind_text(st, 9, store_incident_kind_name(in->kind), -1, SQLITE_STATIC) ||
        sqlite3_bind_int(st, 10, in->accepted) || sqlite3_bind_int(st, 11, in->maintenance) ||
        sqlite3_bind_text(st, 12, store_incident_tier_name(in->tier), -1, SQLITE_STATIC))
        return conn_fail(&s->c, "bind", err);
    if ((rc = conn_run(&s->c, st, "incident", err)) != OK ||
        (is_owed(in) && (rc = outbox_put(s, id, err)) != OK))
        return rc;
    if (!in->id)
        s->next_incident++;
    in->id = id;
    return OK;
}

enum rc store_put_incident_words(struct store *s, int64_t id, const char *words, struct err *err)
{
    sqlite3_stmt *st;
    enum rc rc;

    if ((rc = store_ready(s, err)) != OK ||
        (rc = conn_statement(&s->c, ST_PUT_WORDS, &st, err)) != OK)
        return rc;
    if (sqlite3_bind_int64(st, 1, id) || sqlite3_bind_text(st, 2, words, -1, SQLITE_STATIC))
        return conn_fail(&s->c, "bind", err);
    return conn_run(&s->c, st, "incident", err);
}

enum rc store_close_orphans(struct store *s, struct err *err)
{
    sqlite3_stmt *st;
    enum rc rc;

    if ((rc = store_ready(s, err)) != OK ||
        (rc = conn_statement(&s->c, ST_CLOSE_ORPHANS, &st, err)) != OK)
        return rc;
    if (sqlite3_bind_int64(st, 1, s->first_incident))
        return conn_fail(&s->c, "bind", err);
    if ((rc = conn_run(&s->c, st, "orphans", err)) != OK ||
        (rc = conn_statement(&s->c, ST_REJECT_CANDIDATES, &st, err)) != OK)
        return rc;
    return conn_run(&s->c, st, "orphans", err);
}

enum rc store_put_model(struct store *s, int64_t entity, const struct store_model *m,
                        struct err *err)
{
    const char *const texts[] = {m->file, m->provenance, store_model_state_name(m->state),
                                 m->reason, m->figures[0] ? m->figures : "{}"};
    struct said said = {.st = ST_PUT_MODEL,
                        .n_numbers = 5,
                        .number = {entity, m->created_ms, (int64_t)m->model_id,
                                   (int64_t)m->schema_hash, m->state_ms}};
    const size_t n = sizeof texts / sizeof texts[0];

    for (size_t i = 0; i < n; i++) {
        said.text[i] = mem_strndup(texts[i], strlen(texts[i]));
        if (!said.text[i])
            break;
        said.n_texts++;
    }
    if (said.n_texts == n)
        return said_put(s, &said, err);
    for (size_t i = 0; i < said.n_texts; i++)
        mem_free(said.text[i]);
    return err_set(err, E_NOMEM, "store '%s': out of memory", s->c.path);
}

enum rc store_set_live(struct store *s, int64_t entity, uint64_t model_id, int64_t state_ms,
                       const char *reason, struct err *err)
{
    sqlite3_stmt *st;
    enum rc rc;

    if ((rc = store_ready(s, err)) != OK ||
        (rc = conn_statement(&s->c, ST_SET_LIVE, &st, err)) != OK)
        return rc;
    if (sqlite3_bind_int64(st, 1, entity) || sqlite3_bind_int64(st, 2, (int64_t)model_id) ||
        sqlite3_bind_int64(st, 3, state_ms) || sqlite3_bind_text(st, 4, reason, -1, SQLITE_STATIC))
        return conn_fail(&s->c, "bind", err);
    return conn_run(&s->c, st, "live model", err);
}

enum rc store_put_state(struct store *s, int64_t entity, const char *kind, uint64_t schema_hash,
                        int64_t ts_ms, const void *p, size_t n, struct err *err)
{
    sqlite3_stmt *st;
    enum rc rc;

    if (n > STORE_STATE_MAX)
        return err_set(err, E_LIMIT, "store: a state '%s' of %zu bytes; at most %d are possible",
                       kind, n, STORE_STATE_MAX);
    if ((rc = store_ready(s, err)) != OK ||
        (rc = conn_statement(&s->c, ST_PUT_STATE, &st, err)) != OK)
        return rc;
    if (sqlite3_bind_int64(st, 1, entity) || sqlite3_bind_text(st, 2, kind, -1, SQLITE_STATIC) ||
        sqlite3_bind_int64(st, 3, (int64_t)schema_hash) || sqlite3_bind_int64(st, 4, ts_ms) ||
        sqlite3_bind_blob(st, 5, p, (int)n, SQLITE_STATIC))
        return conn_fail(&s->c, "bind", err);
    return conn_run(&s->c, st, "state", err);
}

enum rc store_find_incident(struct store *s, int64_t entity, enum incident_kind kind,
                            int64_t start_ms, int64_t *ret_id, struct err *err)
{
    CLEANUP(conn_resetp) sqlite3_stmt *st = NULL;
    const enum rc rc = conn_statement(&s->c, ST_FIND_INCIDENT, &st, err);

    if (rc != OK)
        return rc;
    if (sqlite3_bind_int64(st, 1, entity) ||
        sqlite3_bind_text(st, 2, store_incident_kind_name(kind), -1, SQLITE_STATIC) ||
        sqlite3_bind_int64(st, 3, start_ms))
        return conn_fail(&s->c, "bind", err);
    const int code = sqlite3_step(st);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return conn_fail(&s->c, "incident", err);
    *ret_id = code == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    return OK;
}
