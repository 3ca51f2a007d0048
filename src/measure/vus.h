/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

#include "base/err.h"
#include "measure/events.h"
#include "measure/ranking.h"

/* vus - volume under the surface: ranking quality that forgives a score for being a little early
 * or late, over all thresholds and all buffer widths
 *
 * Each labelled event gets on both sides a buffer of l/2 rows in which its label falls off as
 * sqrt(1 - d/l) with the distance d to the event; where buffers overlap they add up, to at most 1.
 * For a threshold, with the soft labels:
 *   TP = soft labels of the flagged rows           FP = flagged rows - TP
 *   P  = event rows + half the soft labels of the flagged buffer rows       N = rows - P
 *   ER = share of the events, merged where their buffers touch, with a flagged row
 *   TPR = min(TP / P, 1) * ER      FPR = FP / N      precision = TP / flagged rows
 * R-AUC-ROC is the trapezoid under (FPR, TPR), R-AUC-PR the step sum of precision over TPR; VUS is
 * the mean of either over l = 0 .. window. 250 thresholds, at evenly spaced ranks, as published.
 *
 * Source: Paparrizos, Boniol, Palpanas, Tsay, Elmore & Franklin, "Volume Under the Surface: A New
 * Accuracy Evaluation Measure for Time-Series Anomaly Detection", PVLDB 15(11), 2022. The width
 * of the buffer: measure/window.h. Thread: its holder's. */

enum {
    VUS_WINDOW = 100,       /* where nobody says anything else; the benchmark's own default */
    VUS_WINDOW_MAX = 10000, /* work grows with it; published runs use up to 303 */
};

struct vus {
    double vus_pr, vus_roc;
    double r_auc_pr, r_auc_roc; /* at l = window */
};

/* label of the same rows, with at least one event and one row outside; window <= VUS_WINDOW_MAX.
 * E_NOMEM. O(rows log rows + window * (buffer rows + events)). */
MUST_CHECK enum rc vus_measure(const struct ranking *r, const struct events *label, size_t window,
                               struct vus *ret, struct err *err);
