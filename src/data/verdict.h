/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* verdict - what one frame's score means; incident - a stretch of anomalous verdicts
 *
 * Plain values, copied freely. Feature numbers are of the schema that the model carries. */

enum {
    CAUSES_MAX = 8,      /* features named by a verdict or an incident */
    INSTANCE_MAX = 128,  /* bytes of an entity's name (label `instance`), with the NUL */
    GROUP_NAME_MAX = 64, /* the same of the group whose model it has (configuration: model.share) */
};

struct cause {
    uint16_t feature;
    bool restore; /* in an incident: of the fewest found that would have silenced it, had they been
                   * as expected (detect/counterfactual.h); none is set when no few would */
    float value;  /* natural units */
    float expected; /* what the model expected, natural units */
    float share;    /* of the weights of all features, 0..1 */
    float weight;   /* how much it is a cause (model/news.h); in an incident, where that was most */
};

struct verdict {
    int64_t ts_ms;
    float score;          /* anomaly_score; NaN when nothing could be scored */
    float evidence;       /* of this frame alone (model/departure.h) */
    float reconstruction; /* the classic reconstruction error */
    float threshold;      /* for this frame: higher where features are missing (detect/scorer.h) */
    float confidence;     /* share of the model's features that were present, 0..1 */
    bool anomalous; /* score and evidence are both over the threshold: a wild frame, whose tail
                     * stands in the score for a while, does not make those after it anomalous */
    uint8_t n_causes;
    struct cause causes[CAUSES_MAX]; /* largest share first */
};

/* What is held against the threshold. NaN as the score. */
static inline float verdict_watched(const struct verdict *v)
{
    return v->evidence < v->score ? v->evidence : v->score;
}

/* An open incident has recovered when all of the last `of` lie under this share of the threshold:
 * a score that hovers about it must not open and close one each second. */
#define INCIDENT_CLOSE_SHARE 0.8f

enum incident_kind {
    INCIDENT_DEPARTURE, /* of the score (detect/watch.h) */
    INCIDENT_SLOW,      /* of the frozen reference (detect/reference.h): its score is a share of the
                         * limit, the threshold 1 */
};

enum incident_tier {
    INCIDENT_PAGE,
    INCIDENT_OBSERVE, /* over the threshold of the softer budget alone: recorded and drawn */
};

enum { INCIDENT_WORDS_MAX = 640 }; /* bytes of what is said of a slow one, with the NUL */

struct incident {
    int64_t id; /* 0 until the store gave one */
    enum incident_kind kind;
    enum incident_tier tier; /* the highest that it came to */
    int64_t start_ms, peak_ms;
    int64_t end_ms; /* 0 while open */
    float peak_score, threshold;
    bool maintenance; /* it opened in a stretch that is marked so, and is not confirmed after it:
                       * recorded, and nobody is paged */
    bool accepted;    /* it closed because an operator took a slow change for the new normal */
    uint8_t n_causes;
    struct cause causes[CAUSES_MAX]; /* each at its own largest weight, largest first */
};
