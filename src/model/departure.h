/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/awake.h"
#include "model/model.h"
#include "model/recent.h"
#include "model/smooth.h"

/* departure - how far an entity has departed from what its model expects: frames to scores
 *
 * For feature i of a frame, x_i less its season (feature/season.h), y_i what the autoencoder gives
 * back of it, m_i the median of its last three values (model/recent.h):
 *   level_i  = (x_i - y_i) / unit_level_i     where it stands, beside the other features
 *   change_i = (x_i - m_i) / unit_change_i    how it moves
 *   part_i   = huber(level_i) + huber(change_i)
 * with Huber's loss (Annals of Mathematical Statistics 35, 1964): z^2 up to DEPARTURE_HUBER, linear
 * beyond, so that no single feature can fill the whole score. The frame's own evidence is the mean
 * of part_i over the features that are present and carry weight; the score is its average over the
 * last SMOOTH_FRAMES frames (model/smooth.h, also for what comes now and then). A score knows of
 * its last DEPARTURE_MEMORY frames and no others, so that a restart that replays so many scores as
 * if it had never stopped, to the bit (where it looks the season up at the same hour, see
 * departure_set_hour). Units are deviations in training (model/yardstick.h): the parts add up
 * without calibration; what never moved in training gets one while it moves (model/awake.h).
 * docs/detection.md has what each step is worth.
 *
 * With a fixed threshold the score is the plain reconstruction error, as in the classic pipeline,
 * of the frame alone; so is its evidence, and part_i is the squared error.
 *
 * Causal: nothing later than the frame itself is used. A frame that comes later than
 * DEPARTURE_GAP intervals after the last one, or before it, stands at the beginning of a new past.
 * Thread: its holder's. */
/* Deviations; beyond them the tails of real metrics are not normal. */
#define DEPARTURE_HUBER 3.0f

enum {
    DEPARTURE_MEMORY = SMOOTH_FRAMES + RECENT_FRAMES + AWAKE_FRAMES,
    /* Intervals: as long as a score remembers where no frame is lost. After a shorter gap it is
     * worth more as the average that it was than as the evidence of a single frame. */
    DEPARTURE_GAP = SMOOTH_FRAMES,
};

/* A frame of ts_ms, after one of before_ms, stands at the beginning of a new past; interval_ms 0:
 * not known. */
static inline bool departure_is_gap(int64_t interval_ms, int64_t before_ms, int64_t ts_ms)
{
    const double passed = (double)ts_ms - (double)before_ms; /* int64 could overflow */

    return passed < 0 || (interval_ms > 0 && passed > DEPARTURE_GAP * (double)interval_ms);
}

struct departure;

struct departure_score {
    float score;           /* anomaly_score; NaN when nothing could be scored */
    float evidence;        /* of this frame alone */
    float reconstruction;  /* mean squared error of the scaled features, the classic score */
    size_t present;        /* features that came */
    const float *value;    /* [n] natural units, gaps filled */
    const float *expected; /* [n] natural units */
    const float *part;     /* [n] part_i, 0 for what carries no weight */
    const float *cause;    /* [n] how much each is a cause (model/news.h); NULL of a restored one */
    const uint8_t *here;   /* [n] 1 where the feature came */
};

/* bounded: of features whose resolution is known, level and change count DEPARTURE_HUBER squared
 * each at most: for the rows that set a threshold (model/model.h). m is lent; it may lack its
 * threshold still. */
MUST_CHECK enum rc departure_new(const struct model *m, bool bounded, struct departure **ret,
                                 struct err *err);
void departure_free(struct departure *d); /* NULL is fine */
static inline void departure_freep(struct departure **d)
{
    departure_free(*d);
}

/* The next frame[n], natural units, NaN = missing. The arrays of *ret are d's, until the next
 * call. */
void departure_push(struct departure *d, int64_t ts_ms, const float *frame,
                    struct departure_score *ret);
/* What the last frame would have been if the features with restored[i] set, of those present, had
 * stood and moved as expected: they are hidden from the network, its answer takes their place.
 * score is as it was: it is about the frames before as well. What comes next is not touched. */
void departure_restored(struct departure *d, const uint8_t *restored, struct departure_score *ret);
/* The season of each frame is looked up so much later from now on: its day comes sooner than it was
 * learned (detect/daylight.h). That is no change of the features: of those, the next three frames
 * have none. */
void departure_set_hour(struct departure *d, int64_t sooner_ms);
/* Forget the past: after a gap. What stood (model/news.h) is kept: a gap does not make it new. */
void departure_clear(struct departure *d);
/* What stood for `from`, whose model is the same but for its threshold, stands for d. */
void departure_remember(struct departure *d, const struct departure *from);
