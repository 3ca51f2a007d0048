/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "measure/events.h"

/* ranking - rows in order of falling score, and the measures that need no threshold: each of them
 * looks at every distinct score as the threshold `score >= t`
 *
 * Scores are finite (the caller has given those that are missing a place, see ranking_fill).
 * Sources: AUC-ROC by trapezoids (Fawcett, Pattern Recognition Letters 27, 2006); AUC-PR as
 * average precision, the step sum without interpolation (Davis & Goadrich, ICML 2006); PA-F1, F1
 * after point adjustment (Xu et al., WWW 2018), which is known to flatter random scores (Kim et
 * al., AAAI 2022) and is here for comparison with papers alone. Thread: its holder's. */

struct ranking {
    const double *score; /* [rows], lent */
    uint32_t *order;     /* [rows], highest score first; equal ones in order of time */
    size_t rows;
};

enum { RANKING_ROWS_MAX = 1 << 26 };

/* Missing scores (NaN) become the least of the others, so that they rank last. Returns how many
 * there were; when that is all of them, score is untouched. */
size_t ranking_fill(double *score, size_t rows);

/* score[rows] lives as long as the ranking. E_NOMEM; E_LIMIT. */
MUST_CHECK enum rc ranking_new(const double *score, size_t rows, struct ranking *ret,
                               struct err *err);
void ranking_done(struct ranking *r); /* a zeroed one is fine */

struct point_measures {
    double auc_pr, auc_roc;
    double f1, f1_threshold;       /* the best over all thresholds, the highest that reaches it */
    double pa_f1, pa_f1_threshold; /* the same where an event touched once counts as found whole */
    double event_f1;               /* best of recall over events with precision over rows */
};

/* label of the same rows, with at least one event and one row outside. E_NOMEM. O(rows log rows).
 */
MUST_CHECK enum rc ranking_measure(const struct ranking *r, const struct events *label,
                                   struct point_measures *ret, struct err *err);
