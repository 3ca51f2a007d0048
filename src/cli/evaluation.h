/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"
#include "measure/alarms.h"
#include "measure/causes.h"
#include "measure/events.h"
#include "measure/ranking.h"
#include "measure/vus.h"
#include "source/csv_columns.h"

/* evaluation - scores of a file against labels of another, measured
 *
 * Row n of either is the same sample; where both have a column `timestamp`, it is held to be the
 * same. Files that do not fit are E_STATE; every message names the file. Thread: main. */

struct evaluation_files {
    const char *labels, *scores;
    const char *series;                 /* NULL, or files of frames with commas between */
    const char *causes, *contributions; /* both or neither */
    size_t window;                      /* when series is NULL */
    bool threshold_given;               /* else that of the scores' file, if it has one */
    double threshold;
};

struct evaluation {
    struct csv_columns labels, scores;
    uint8_t *label, *flag; /* [rows], 0 or 1; flag NULL: no threshold */
    struct events events;
    struct ranking ranking;

    size_t unscored, window;
    struct point_measures point;
    struct vus vus;
    double threshold_least, threshold_most; /* over rows; NaN without a threshold's value */
    struct alarms alarms;                   /* when flag is set */
    struct hit_rates hits;                  /* events 0: not asked for */
};

/* The caller owns what is in *ret (evaluation_done). */
MUST_CHECK enum rc evaluation_make(const struct evaluation_files *files, struct evaluation *ret,
                                   struct err *err);
void evaluation_done(struct evaluation *e); /* a zeroed one is fine */
