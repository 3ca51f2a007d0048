/* SPDX-License-Identifier: Apache-2.0 */
#include "store/migrate.h"

#include <inttypes.h>
#include <stdio.h>

#define ONE_LIVE(name, act)                                                                        \
    "CREATE TRIGGER " name " AFTER " act " ON models WHEN NEW.state = 'live' BEGIN"                \
    " UPDATE models SET state = 'retired', state_ms = NEW.state_ms WHERE state = 'live'"           \
    " AND entity = NEW.entity AND schema_hash = NEW.schema_hash AND id <> NEW.id; END;"

/* Hashes and model numbers are 64 bits without a sign; SQLite has a sign, so they are kept as the
 * same bits. Keys (entity, ts_ms) without a rowid keep one entity's time line together on disk. */
const char *const store_steps[] = {
    "CREATE TABLE entities ("
    " id INTEGER PRIMARY KEY,"
    " instance TEXT NOT NULL UNIQUE);"

    /* used_ms: time of a late frame of this schema, NULL before the first; at most an hour behind
       the last one, so that not every frame has to touch it. */
    "CREATE TABLE schemas ("
    " hash INTEGER PRIMARY KEY,"
    " features TEXT NOT NULL,"
    " used_ms INTEGER);"

    "CREATE TABLE frames ("
    " entity INTEGER NOT NULL,"
    " ts_ms INTEGER NOT NULL,"
    " schema_hash INTEGER NOT NULL,"
    " \"values\" BLOB NOT NULL," /* float32, little-endian, in the schema's order; NaN = missing */
    " PRIMARY KEY (entity, ts_ms)) WITHOUT ROWID;"

    "CREATE TABLE scores ("
    " entity INTEGER NOT NULL,"
    " ts_ms INTEGER NOT NULL,"
    " model INTEGER NOT NULL,"
    " score REAL," /* NULL when nothing could be scored */
    " threshold REAL,"
    " confidence REAL,"
    " anomalous INTEGER NOT NULL,"
    " PRIMARY KEY (entity, ts_ms)) WITHOUT ROWID;"

    "CREATE TABLE incidents ("
    " id INTEGER PRIMARY KEY,"
    " entity INTEGER NOT NULL,"
    " start_ms INTEGER NOT NULL,"
    " peak_ms INTEGER NOT NULL,"
    " end_ms INTEGER," /* NULL while open */
    " peak_score REAL,"
    " threshold REAL,"
    " causes TEXT NOT NULL);"
    "CREATE INDEX incidents_start ON incidents (start_ms);"

    /* The newest of an entity is the one put last: a clock that was wrong once stays harmless. */
    "CREATE TABLE models ("
    " id INTEGER PRIMARY KEY,"
    " entity INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " model_id INTEGER NOT NULL,"
    " schema_hash INTEGER NOT NULL,"
    " file TEXT NOT NULL,"
    " provenance TEXT NOT NULL,"
    " UNIQUE (entity, model_id));",

    /* Score and evidence are both held against the threshold. NULL: kept by an older tocsin. */
    "ALTER TABLE scores ADD COLUMN evidence REAL;",

    /* The model in use is the live one: one an entity and schema, which the triggers
       hold whoever writes. Before, it was the one put last. */
    "ALTER TABLE models ADD COLUMN state TEXT NOT NULL DEFAULT 'live';"
    "ALTER TABLE models ADD COLUMN state_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE models ADD COLUMN reason TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE models ADD COLUMN figures TEXT NOT NULL DEFAULT '{}';"
    "UPDATE models SET state_ms = created_ms;"
    "UPDATE models SET state = 'retired' WHERE id < (SELECT max(id) FROM models AS other"
    " WHERE other.entity = models.entity AND other.schema_hash = models.schema_hash);" ONE_LIVE(
        "models_put", "INSERT") ONE_LIVE("models_set", "UPDATE OF state")

    /* What an operator said of an incident or of a stretch of time. */
    "CREATE TABLE marks ("
    " id INTEGER PRIMARY KEY,"
    " entity INTEGER," /* NULL: all of them */
    " kind TEXT NOT NULL,"
    " incident INTEGER," /* NULL: a stretch */
    " start_ms INTEGER NOT NULL,"
    " end_ms INTEGER NOT NULL,"
    " made_ms INTEGER NOT NULL);",

    /* Beside those of the score there are incidents of slow change. */
    "ALTER TABLE incidents ADD COLUMN kind TEXT NOT NULL DEFAULT 'departure';",

    /* What a part of the daemon knows of an entity and cannot learn from the last frames: opaque
       here, checked by whoever reads it. */
    "CREATE TABLE states ("
    " entity INTEGER NOT NULL,"
    " kind TEXT NOT NULL,"
    " schema_hash INTEGER NOT NULL,"
    " ts_ms INTEGER NOT NULL," /* when it was written */
    " state BLOB NOT NULL,"
    " PRIMARY KEY (entity, kind)) WITHOUT ROWID;",

    /* An operator may accept a slow change, which ends it. */
    "ALTER TABLE incidents ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;",

    /* What opened in a marked maintenance is recorded, and is none to page for. */
    "ALTER TABLE incidents ADD COLUMN maintenance INTEGER NOT NULL DEFAULT 0;",

    /* Of a slow change: since when it was another, and how fast it went, are not in the causes. */
    "ALTER TABLE incidents ADD COLUMN words TEXT NOT NULL DEFAULT '';",

    /* What a receiver of alerts has still to be told: the news of an incident ('due'), or, once it
       knows that it rings ('sent', since told_ms), its end. */
    "CREATE TABLE outbox ("
    " incident INTEGER NOT NULL,"
    " receiver TEXT NOT NULL,"
    " state TEXT NOT NULL,"
    " told_ms INTEGER,"
    " PRIMARY KEY (incident, receiver)) WITHOUT ROWID;"
    "CREATE TRIGGER incidents_gone AFTER DELETE ON incidents BEGIN"
    " DELETE FROM outbox WHERE incident = OLD.id; END;",
    /* Those of a softer budget are recorded, and nobody is paged for them. */
    "ALTER TABLE incidents ADD COLUMN tier TEXT NOT NULL DEFAULT 'page';",
    /* One entity's are asked for at each of its trainings, and a fleet has many. */
    "CREATE INDEX incidents_entity ON incidents (entity, start_ms);",
};
const size_t store_steps_count = sizeof store_steps / sizeof store_steps[0];

enum rc migrate_check(const struct conn *c, size_t n_steps, int64_t *ret_version, struct err *err)
{
    int64_t id, version, tables;
    enum rc rc;

    if ((rc = conn_number(c, "SELECT count(*) FROM sqlite_schema", &tables, err)) != OK ||
        (rc = conn_number(c, "PRAGMA application_id", &id, err)) != OK ||
        (rc = conn_number(c, "PRAGMA user_version", &version, err)) != OK)
        return rc;
    if (id == 0 && version == 0 && tables == 0) {
        *ret_version = 0;
        return OK;
    }
    if (id != STORE_APPLICATION_ID || version < 1)
        return err_set(err, E_STATE, "store '%s': an SQLite database, but not one of tocsin",
                       c->path);
    if (version > (int64_t)n_steps)
        return err_set(err, E_STATE,
                       "store '%s': its version is %" PRId64
                       ", made by a newer tocsin; this one knows versions up to %zu",
                       c->path, version, n_steps);
    *ret_version = version;
    return OK;
}

enum rc migrate_expect_current(const struct conn *c, struct err *err)
{
    int64_t version;
    const enum rc rc = migrate_check(c, store_steps_count, &version, err);

    if (rc != OK)
        return rc;
    if (version == 0)
        return err_set(err, E_STATE, "store '%s': empty, no tocsin has written to it yet", c->path);
    if (version < (int64_t)store_steps_count)
        return err_set(err, E_STATE,
                       "store '%s': its version is %" PRId64 ", and this tocsin reads version %zu; "
                       "`tocsin run` brings it up to date",
                       c->path, version, store_steps_count);
    return OK;
}

static enum rc apply_step(const struct conn *c, const char *step, size_t version, struct err *err)
{
    char stamp[96];
    enum rc rc;

    (void)snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %zu",
                   STORE_APPLICATION_ID, version);
    if ((rc = conn_exec(c, "BEGIN IMMEDIATE", "begin", err)) != OK ||
        (rc = conn_exec(c, step, "tables", err)) != OK ||
        (rc = conn_exec(c, stamp, "version", err)) != OK ||
        (rc = conn_exec(c, "COMMIT", "commit", err)) != OK)
        return rc;
    return rc;
}

enum rc migrate_apply(const struct conn *c, const char *const *steps, size_t n_steps,
                      int64_t version, struct err *err)
{
    for (size_t i = (size_t)version; i < n_steps; i++) {
        if (apply_step(c, steps[i], i + 1, err) != OK) {
            (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL); /* fails when none is open */
            return err_wrap(err, "migration to version %zu", i + 1);
        }
    }
    return OK;
}
