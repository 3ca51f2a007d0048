/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "data/schema.h"
#include "data/verdict.h"

/* store - what must outlive the process, in one SQLite database (WAL mode)
 *
 * Tables: entities, schemas, frames (one row an entity and tick, values as a float32 blob),
 * scores, incidents and what of them is owed to receivers, models with provenance, and the schema
 * version (migrations). A commit once a second: kill -9 loses at most that second and never the
 * database. Thread: a struct store (the one writer) belongs to the store thread; a struct
 * store_reader (read-only connection) to whoever opened it. Errors are E_IO with SQLite's words and
 * the path, also for a file that is no database, which is left as it is; E_STATE for a database of
 * a newer tocsin or of another program; E_NOMEM. Rollback: rows of a transaction that failed (disk
 * full) are lost, but entities, schemas and models put in it are put again in the next one, and
 * their numbers stay good. */
struct store;

/* Makes the file when it is not there, migrates it when it is older. E_STATE while another tocsin
 * has it open (a lock on PATH.lock says so). */
MUST_CHECK enum rc store_open(const char *path, struct store **ret, struct err *err);
/* Commits what is open, and moves the log into the database unless a reader is in it. NULL is fine.
 */
void store_close(struct store *s);
/* How long each act waits for a lock that another process holds; 2000 at first. */
void store_set_busy_timeout(struct store *s, int ms);

MUST_CHECK enum rc store_begin(struct store *s, struct err *err);
/* On failure the transaction is rolled back. */
MUST_CHECK enum rc store_commit(struct store *s, struct err *err);

/* The number of this entity, made on first sight. */
MUST_CHECK enum rc store_entity(struct store *s, const char *instance, int64_t *ret_id,
                                struct err *err);
MUST_CHECK enum rc store_put_schema(struct store *s, const struct schema *schema, struct err *err);
/* A row that is already there for (entity, ts_ms) is replaced. */
MUST_CHECK enum rc store_put_frame(struct store *s, int64_t entity, int64_t ts_ms,
                                   uint64_t schema_hash, const float *frame, size_t n,
                                   struct err *err);
MUST_CHECK enum rc store_put_score(struct store *s, int64_t entity, uint64_t model_id,
                                   const struct verdict *v, struct err *err);
const char *store_incident_kind_name(enum incident_kind kind); /* "departure", "slow" */
/* Has another connection (an operator's, store/edit.h) committed since the last call? True at the
 * first one. A look of microseconds. */
MUST_CHECK enum rc store_changed_by_others(struct store *s, bool *ret, struct err *err);
const char *store_incident_tier_name(enum incident_tier tier); /* "page", "observe" */
/* Inserts when in->id is 0 (and sets it), else updates. Causes are kept by name. */
MUST_CHECK enum rc store_put_incident(struct store *s, int64_t entity, const struct schema *schema,
                                      struct incident *in, struct err *err);
/* What is said of the incident with this number, after each time that it was put. */
MUST_CHECK enum rc store_put_incident_words(struct store *s, int64_t id, const char *words,
                                            struct err *err);
/* The outbox: what receivers of alerts have still to be told. From now on each incident that is put
 * is owed to every receiver, in the same transaction, until store_put_delivery says that its end
 * has been taken; names are copied. What is owed to others is deleted: nobody will send it. */
MUST_CHECK enum rc store_set_receivers(struct store *s, const char *const *names, size_t n,
                                       struct err *err);
struct store_delivery {
    size_t receiver; /* the number in names */
    char instance[INSTANCE_MAX];
    enum incident_kind kind;
    int64_t start_ms; /* with instance and kind: the incident */
    bool over;        /* its end was taken: nothing more is owed; else its beginning */
    int64_t told_ms;
};
/* What is owed of earlier incidents of the same entity and kind goes too. An incident that is not
 * there: nothing happens. */
MUST_CHECK enum rc store_put_delivery(struct store *s, const struct store_delivery *d,
                                      struct err *err);
/* What a crash left undone: an incident that is open (end 0, its process gone) is closed at its
 * last score, a model that was not judged is rejected. */
MUST_CHECK enum rc store_close_orphans(struct store *s, struct err *err);

/* Of an entity's models of one schema at most one is live: the one in use. */
enum store_model_state {
    STORE_MODEL_LIVE,      /* in use; to put one retires the one before */
    STORE_MODEL_CANDIDATE, /* trained, not judged yet */
    STORE_MODEL_REJECTED,  /* judged worse, or taken back by an operator: kept to be looked at */
    STORE_MODEL_RETIRED,   /* was live */
};
/* The reasons of a live model that an operator chose (`tocsin models promote`, `rollback`). */
#define STORE_MODEL_PROMOTED "promoted by an operator"
#define STORE_MODEL_ROLLED_BACK "an operator went back to it"
const char *store_model_state_name(enum store_model_state state); /* "live", ... */

enum { STORE_FIGURES_MAX = 640 }; /* bytes with the NUL: the longest reason and counts fit */
struct store_model {
    int64_t created_ms;
    uint64_t model_id, schema_hash;
    enum store_model_state state;
    int64_t state_ms;                /* since when */
    char file[256];                  /* name below the models folder of the data directory */
    char provenance[1024];           /* JSON object */
    char reason[512];                /* a sentence: why it came into this state */
    char figures[STORE_FIGURES_MAX]; /* JSON object: what it was judged by; "" = {} */
};
/* Inserts, or updates the one of this entity with the same model_id. */
MUST_CHECK enum rc store_put_model(struct store *s, int64_t entity, const struct store_model *m,
                                   struct err *err);
/* Make a model that was put the live one. No such model: nothing happens. */
MUST_CHECK enum rc store_set_live(struct store *s, int64_t entity, uint64_t model_id,
                                  int64_t state_ms, const char *reason, struct err *err);
/* The newest state of this kind ("reference") of an entity, in place of the one before. E_LIMIT for
 * more than STORE_STATE_MAX bytes. */
enum { STORE_STATE_MAX = 1000000 }; /* a row has a mebibyte (conn.h) */
MUST_CHECK enum rc store_put_state(struct store *s, int64_t entity, const char *kind,
                                   uint64_t schema_hash, int64_t ts_ms, const void *p, size_t n,
                                   struct err *err);
/* The newest incident of this kind that began then, 0: there is none. */
MUST_CHECK enum rc store_find_incident(struct store *s, int64_t entity, enum incident_kind kind,
                                       int64_t start_ms, int64_t *ret_id, struct err *err);
/* Delete this entity's models, states and frames, as for learning anew (instance NULL: of all
 * entities); its scores and incidents stay. Not within a transaction; a failure may leave frames,
 * but no model once one frame is gone. */
MUST_CHECK enum rc store_forget(struct store *s, const char *instance, struct err *err);
/* A call that deletes this many has left some for the next one; none deletes much over three times
 * as many. */
enum { STORE_PRUNE_ROWS = 1000 };
enum { STORE_MODELS_KEPT = 32 }; /* a month of daily trainings */
/* Delete rows older than now_ms - max_age_ms, then the oldest until the database with its log is at
 * most max_bytes; open incidents and each entity's live model stay. Of models that are not live an
 * entity keeps the newest STORE_MODELS_KEPT, of marks those whose incident or time is still there.
 * Bounded work a call: call it often, outside of a transaction. E_IO also for a checkpoint that
 * failed after an earlier commit. *ret_deleted counts what is gone, also on failure. */
MUST_CHECK enum rc store_prune(struct store *s, int64_t now_ms, int64_t max_age_ms,
                               uint64_t max_bytes, uint64_t *ret_deleted, struct err *err);

struct store_reader;

/* Never makes a file. E_STATE also for an older version that its own tocsin must migrate first. */
MUST_CHECK enum rc store_reader_open(const char *path, struct store_reader **ret, struct err *err);
void store_reader_close(struct store_reader *r); /* NULL is fine */

/* Each calls fn for rows in time order until it returns false. Times are inclusive, Unix ms; an
 * instance that is not known has no rows. fn may be slow and may read from r itself: rows are
 * copied a few hundred at a time, and no lock or snapshot is held while fn runs. A row that is
 * written or pruned meanwhile is seen or not. */
typedef bool store_frame_fn(void *arg, int64_t ts_ms, const float *frame, size_t n);
/* skip_incidents: without the frames from a departure's (one that paged) start to its end (to the
 * last frame while it is open), which are no example of what is normal. */
MUST_CHECK enum rc store_read_frames(struct store_reader *r, const char *instance,
                                     uint64_t schema_hash, int64_t from_ms, int64_t to_ms,
                                     bool skip_incidents, store_frame_fn *fn, void *arg,
                                     struct err *err);
/* What frames there are of each entity, by name; of any schema. first > last: none. */
struct store_history {
    const char *instance; /* valid during the call */
    int64_t first_ms, last_ms;
};
typedef bool store_history_fn(void *arg, const struct store_history *row);
MUST_CHECK enum rc store_read_histories(struct store_reader *r, store_history_fn *fn, void *arg,
                                        struct err *err);
/* Frames in from..to that store_read_frames passes over, for they are of another schema. */
MUST_CHECK enum rc store_other_frames(struct store_reader *r, const char *instance,
                                      uint64_t schema_hash, int64_t from_ms, int64_t to_ms,
                                      uint64_t *ret_n, struct err *err);
struct store_score {
    int64_t ts_ms;
    float score, evidence, threshold, confidence; /* evidence: NaN of an older tocsin too */
    bool anomalous;
};
typedef bool store_score_fn(void *arg, const struct store_score *row);
MUST_CHECK enum rc store_read_scores(struct store_reader *r, const char *instance, int64_t from_ms,
                                     int64_t to_ms, store_score_fn *fn, void *arg, struct err *err);
/* Where the newest n scores up to to_ms begin and end (n >= 1): what store_read_scores gives
 * between the two is at most n rows, also while more are written. *ret_more: there are older ones.
 * Without any score the last is before the first. */
MUST_CHECK enum rc store_last_scores(struct store_reader *r, const char *instance, int64_t to_ms,
                                     size_t n, int64_t *ret_first_ms, int64_t *ret_last_ms,
                                     bool *ret_more, struct err *err);
struct store_incident {
    enum incident_kind kind;
    enum incident_tier tier;
    int64_t id, start_ms, peak_ms, end_ms; /* end 0 while open */
    float peak_score, threshold;
    bool accepted;           /* that is why it closed */
    bool maintenance;        /* it opened in one: nobody was paged */
    const char *instance;    /* valid during the call */
    const char *words;       /* of a slow one, else ""; as long */
    const char *causes_json; /* array of {"feature","group","unit","value",...}, as encode.h says */
};
typedef bool store_incident_fn(void *arg, const struct store_incident *row);
/* Newest first; instance NULL = all; those that overlap [from, to]. */
MUST_CHECK enum rc store_read_incidents(struct store_reader *r, const char *instance,
                                        int64_t from_ms, int64_t to_ms, store_incident_fn *fn,
                                        void *arg, struct err *err);
/* What is owed, in the order of incidents' numbers. receiver is valid during the call. */
typedef bool store_outbox_fn(void *arg, const char *receiver, const struct store_incident *row);
MUST_CHECK enum rc store_read_outbox(struct store_reader *r, store_outbox_fn *fn, void *arg,
                                     struct err *err);
/* The live model of this entity that was trained on this schema; E_STATE when there is none. */
MUST_CHECK enum rc store_read_model(struct store_reader *r, const char *instance,
                                    uint64_t schema_hash, struct store_model *ret, struct err *err);

/* The state of this kind that was put with this schema, appended to out (no more than
 * STORE_STATE_MAX bytes), and when. E_STATE when there is none. */
MUST_CHECK enum rc store_read_state(struct store_reader *r, const char *instance, const char *kind,
                                    uint64_t schema_hash, struct buf *out, int64_t *ret_ts_ms,
                                    struct err *err);

struct store_model_row {
    int64_t id;
    const char *instance; /* valid during the call */
    struct store_model model;
};
typedef bool store_model_fn(void *arg, const struct store_model_row *row);
/* Newest first; instance NULL = all. */
MUST_CHECK enum rc store_read_models(struct store_reader *r, const char *instance,
                                     store_model_fn *fn, void *arg, struct err *err);

/* What an operator said of an incident, or of a stretch of time. */
enum store_mark_kind {
    STORE_MARK_ANOMALY,
    STORE_MARK_NORMAL,
    STORE_MARK_MAINTENANCE, /* of a stretch */
    STORE_MARK_ACCEPTED,    /* of a slow incident: what it came to is normal from now on */
};
const char *store_mark_kind_name(enum store_mark_kind kind); /* "anomaly", ... */
struct store_mark {
    int64_t id;
    enum store_mark_kind kind;
    int64_t incident;         /* its number; 0: a stretch */
    int64_t start_ms, end_ms; /* inclusive; of an incident as it was when it was marked */
    int64_t made_ms;
    const char *instance; /* valid during the call; "": all */
};
typedef bool store_mark_fn(void *arg, const struct store_mark *row);
/* In the order in which they were made; instance NULL = all, else those that concern it. */
MUST_CHECK enum rc store_read_marks(struct store_reader *r, const char *instance, store_mark_fn *fn,
                                    void *arg, struct err *err);
