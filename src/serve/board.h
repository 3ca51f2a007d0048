/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/schema.h"
#include "data/telemetry.h"
#include "data/verdict.h"

/* board - the published state of every entity: shards write copies, HTTP handlers read copies
 *
 * Plain values, no pointers into other stages. The lock is held for one copy, never across a
 * stage. Thread: any; each entity's slot is written by one shard. */

enum phase {
    PHASE_LEARNING, /* gathering frames */
    PHASE_TRAINING, /* the trainer works on them; none are gathered meanwhile */
    PHASE_WATCHING,
};
const char *phase_name(enum phase p); /* "learning", "training", "watching" */

enum { BOARD_FEATURES_MAX = 16, BOARD_ENTITIES_MAX = 32768, STALE_WHY_MAX = 96 };

struct cause_view {
    char feature[FEATURE_NAME_MAX], group[FEATURE_GROUP_MAX], unit[FEATURE_UNIT_MAX];
    float value, expected, share;
    float error;  /* its share of the frame's evidence */
    bool restore; /* of an incident: see data/verdict.h */
};

struct incident_view {
    int64_t start_ms, peak_ms;
    float peak_score, threshold;
    size_t n_causes;
    struct cause_view causes[CAUSES_MAX];
};

struct entity_view {
    char instance[INSTANCE_MAX];
    char group[GROUP_NAME_MAX]; /* that shares a model; "": none */
    enum phase phase;
    uint64_t learned_rows, wanted_rows; /* progress of learning */
    bool scored;                        /* the fields below hold a verdict */
    int64_t ts_ms;                      /* of the last frame */
    int64_t interval_ms;                /* between frames; 0: not known */
    float score, threshold, confidence;
    float reconstruction; /* the classic reconstruction error */
    bool anomalous;       /* this frame alone */
    bool ringing;         /* an incident is open that somebody is paged for */
    bool observing;       /* one of the softer tier is */
    struct incident_view incident;
    int64_t slow_since_ms; /* a slow change is open: when it began; 0: none is */
    float slow_ratio;      /* its departure over its limit */
    char slow_words[INCIDENT_WORDS_MAX];
    size_t n_causes;
    struct cause_view causes[CAUSES_MAX];
    size_t n_absent, n_frozen; /* how many in all; names of the first few */
    char absent[BOARD_FEATURES_MAX][FEATURE_NAME_MAX];
    char frozen[BOARD_FEATURES_MAX][FEATURE_NAME_MAX];
    char stale[STALE_WHY_MAX]; /* why nothing is heard of it, since stale_ms; "" = it is */
    int64_t stale_ms;
    char discontinuity[96]; /* the last one in words, or "" */
    int64_t discontinuity_ms;
    uint64_t model_id, model_rows;
    int64_t model_created_ms;
    size_t n_features;
    float widening;        /* of the threshold, >= 1 */
    char threshold_by[16]; /* the method that made it: "percentile", "budget", ...; "": no model */
    /* incidents a week: promised (0: nothing is), achieved and its 95 % interval (NaN: no score) */
    double alarm_budget, alarm_rate, alarm_rate_lower, alarm_rate_upper;
    float drift_evidence;    /* share of what is a finding (detect/drift.h); NaN without a model */
    int64_t day_shift_ms;    /* how much sooner the day comes than learned (detect/daylight.h) */
    uint32_t reference_days; /* days that the frozen reference has learned (detect/reference.h) */
};

/* Of its last frame; a clock that was set back makes none negative. */
int64_t entity_view_age_ms(const struct entity_view *v, int64_t now_ms);
/* Nothing is heard of it: its source says so, or its last frame is older than ten intervals and
 * than ten seconds. */
bool entity_view_is_stale(const struct entity_view *v, int64_t now_ms);

struct board;

/* t is lent and must outlive the board. */
MUST_CHECK enum rc board_new(struct telemetry *t, struct board **ret, struct err *err);
void board_free(struct board *b); /* NULL is fine */
static inline void board_freep(struct board **b)
{
    board_free(*b);
}

/* A new entity, learning, without a score. E_CONFIG for a name that is empty or there already;
 * E_LIMIT for one over INSTANCE_MAX - 1 bytes, or past BOARD_ENTITIES_MAX. */
MUST_CHECK enum rc board_add(struct board *b, const char *instance, size_t *ret_slot,
                             struct err *err);
/* The name stays the one given to board_add, whatever v->instance says. */
void board_publish(struct board *b, size_t slot, const struct entity_view *v);
/* The entity is gone; its slot may be given to another. */
void board_remove(struct board *b, size_t slot);
size_t board_count(const struct board *b); /* slots, also of those that are gone */
/* False when there is no such slot; ret->instance is "" when its entity is gone. */
bool board_read(const struct board *b, size_t slot, struct entity_view *ret);
/* The entity of this name; false when there is none. */
bool board_find(const struct board *b, const char *instance, struct entity_view *ret);
struct telemetry *board_telemetry(const struct board *b);

/* What /readyz adds beside the phases: "" = fine, else a sentence ("store: disk full"). */
void board_set_trouble(struct board *b, const char *sentence);
void board_trouble(const struct board *b, char *out, size_t size);
