/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/dataset.h"
#include "data/schema.h"
#include "data/settings.h"
#include "feature/scaler.h"
#include "feature/season.h"
#include "model/net.h"
#include "model/tail.h"

/* model - what was learned of one entity: schema, season, scaler, autoencoder, units, threshold,
 * provenance
 *
 * Immutable once made, counted by references, so any thread may read it.
 * Of a frame x (filled, less its season) with mask present:
 *   z = scale(x), the network sees z clipped to [clip_low, clip_high]; of what is absent it sees
 *   what the filler put there (feature/filler.h), and the training median for NaN;
 *   d_i = z_i - y_i; e_i = d_i^2 for present features that carry weight, 0 for others;
 *   the reconstruction error, the classic score, is their mean over the features that count.
 * model/departure.h makes of it, and of how features move, the score that is watched.
 * A constant feature carries no weight until it moves; then y_i is its constant. A weightless one
 * (schema) never does, and the network sees SCALER_CENTRE of it.
 *
 * The rows that set the threshold: of a feature whose resolution is known, what is off by more than
 * DEPARTURE_HUBER units counts as so many there. So a bad second while learning costs the threshold
 * no more than the number of features that it reached, over n, however wild it was; and what a
 * feature did in more than one row of twenty of the validation part widens its unit instead. */

struct model_stats {
    uint64_t train_rows, validation_rows;
    double train_mse, validation_mse; /* mean over rows of the reconstruction error */
    double std;                       /* of the scores that set the threshold */
    uint32_t epochs;                  /* that the kept weights took */
};

struct model_provenance {
    int64_t created_ms;        /* when training ended; 0 in `tocsin train`: same bytes */
    int64_t first_ms, last_ms; /* the data's own time */
    uint64_t seed;
    uint64_t settings;  /* settings_learn_hash of what it was trained with */
    char instance[128]; /* the entity, or "" */
    char profile[96];   /* its name, or "none" */
    char version[32];   /* of the tocsin that made it */
};

enum {
    MODEL_SCORES_MAX = 4096,
    MODEL_TRAINED_MAX = 256, /* peaks of the training rows: a budget asks of the highest alone */
};

/* |z - y| is cut to this, so that the squares of the worst frame sum to a finite float. */
#define MODEL_DISTANCE_MAX 1e4f

struct model {
    struct schema *schema;
    int64_t interval_ms; /* between two frames, as a rule; 0 when not known */
    struct season season;
    struct scaler scaler; /* of what is left when the season is taken off */
    struct net net;
    float clip_low, clip_high;
    float *unit_level, *unit_change; /* [n] each, one block; natural units, > 0 */
    float *worst; /* [n] of the same: of training (model/news.h), 1 to NEWS_WORST_MAX */
    struct model_stats stats;
    /* Scores of the validation rows (see above), ascending, so that another threshold can be
     * asked of the same model (threshold_fit); more than MODEL_SCORES_MAX are thinned evenly by
     * rank, the largest always kept. In the model file too. */
    float *scores;
    size_t n_scores;
    struct tail tail; /* of the same in time order: for a budget of alarms */
    /* Of the training rows, to which all is fitted: they come out lower than what comes later, so a
     * budget that they break already is none. */
    struct tail trained;
    struct threshold_spec threshold_spec;
    /* The method that made it: of `staged`, percentile or budget; else that of the spec. Not in the
     * file, for the tail tells. */
    enum threshold_method threshold_by;
    float threshold;
    float threshold_widening; /* >= 1: by how much short history widened it; included */
    float
        threshold_observe; /* of the softer budget, under the threshold; 0: none. Not in the file */
    struct model_provenance provenance;
    _Atomic uint32_t refs;
};

/* progress(arg, done, of, validation_mse) after each epoch, in the caller's thread; false from
 * it cancels: E_STATE. May be NULL. */
typedef bool model_progress_fn(void *arg, uint32_t done, uint32_t of, double validation_mse);

/* Learn from d (time order, or a pool of several entities), its last spec->validation part held
 * back; or, with validation not NULL, all of d and that. threshold->confirm is what a budget counts
 * alarms by, now or later. Missing values are filled as in scoring. Deterministic: same data, spec
 * and seed give the same bytes. E_STATE when there are too few rows, E_NOMEM, E_CONFIG. */
MUST_CHECK enum rc model_train(const struct dataset *d, const struct dataset *validation,
                               const struct schema *schema, const struct learn_spec *spec,
                               const struct threshold_spec *threshold,
                               const struct model_provenance *provenance,
                               model_progress_fn *progress, void *arg, struct model **ret,
                               struct err *err);
struct model *model_ref(struct model *m);
void model_unref(struct model *m); /* the last one frees; NULL is fine */
static inline void model_unrefp(struct model **m)
{
    model_unref(*m);
}

/* Feature i carries weight in the score of every frame that has it: it was learned. */
static inline bool model_learned(const struct model *m, size_t i)
{
    return m->scaler.constant[i] == SCALER_MOVES;
}

/* It is judged by the plain reconstruction error, as in the classic pipeline: its threshold is a
 * number that somebody chose for that. */
static inline bool model_is_classic(const struct model *m)
{
    return m->threshold_spec.method == THRESHOLD_FIXED;
}

/* Floats of scratch that model_score needs. */
size_t model_work_size(const struct model *m);

/* Reconstruction error of one frame as above, NaN for none. x[n] filled, less the season,
 * present[n]; expected[n] (as x) and error[n] (the e_i) are written. work: model_work_size floats,
 * 64-byte aligned, the caller's. */
float model_score(const struct model *m, const float *x, const uint8_t *present, float *expected,
                  float *error, float *work);

/* The threshold that spec asks for on these scores (NaN skipped), and how much short history
 * widens it. E_STATE when there are none. */
MUST_CHECK enum rc threshold_fit(const struct threshold_spec *spec, const float *scores, size_t n,
                                 float *ret, float *ret_widening, struct err *err);

/* One checksummed file (model_file.c has the layout). model_load checks every length before use:
 * E_PARSE for a flipped bit, a cut or foreign file, E_STATE for another version, E_IO, E_NOMEM,
 * E_LIMIT; each message names the file and what was expected. */
MUST_CHECK enum rc model_save(const struct model *m, const char *path, struct err *err);
MUST_CHECK enum rc model_load(const char *path, struct model **ret, struct err *err);
MUST_CHECK enum rc model_decode(const void *p, size_t n, const char *name, struct model **ret,
                                struct err *err);
uint64_t model_id(const struct model *m); /* hash of the encoded bytes: same model, same id */

/* m with the threshold that spec asks for, all else shared in meaning: a new model (one
 * reference), since models are immutable. E_NOMEM, E_STATE. */
MUST_CHECK enum rc model_with_threshold(const struct model *m, const struct threshold_spec *spec,
                                        struct model **ret, struct err *err);
