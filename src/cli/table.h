/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/dataset.h"
#include "data/schema.h"
#include "model/model.h"
#include "source/csv.h"

/* table - a CSV file as the frames that a model takes: its columns as they stand, or with the
 * derived features of a profile behind them
 *
 * Columns are found by name, so their order is free; one missing or one too many is E_STATE and
 * names the first. Every message names the file. Thread: its holder's. */

#define TABLE_AS_IT_STANDS "none" /* the word for no profile */

struct table {
    const char *path; /* lent, for messages */
    struct schema *schema;
    struct dataset *d;
    enum csv_time form;
};

MUST_CHECK enum rc table_read(const char *path, struct table *ret, struct err *err);
void table_done(struct table *t); /* a zeroed one is fine */

bool table_has_all(const struct table *t, const struct schema *wanted);

/* The columns in the order of wanted, with what it knows of them (units, resolution). `whose` is
 * for messages: "the model". */
MUST_CHECK enum rc table_arrange(struct table *t, const struct schema *wanted, const char *whose,
                                 struct err *err);

/* The columns are the base features of this profile (feature/profile.h: a built-in name or a
 * path): put them in its order and its derived features behind. Nothing when it is "none". */
MUST_CHECK enum rc table_derive(struct table *t, const char *profile, struct err *err);

/* Both: what `tocsin train` and `tocsin tune` learn from. *ret is table_done's on failure too. */
MUST_CHECK enum rc table_load(const char *path, const char *profile, struct table *ret,
                              struct err *err);

/* The file as the frames of m, in its order. profile NULL: the columns are m's features or, where
 * one is not there, the base features of the profile that m was trained with. `whose` is m's name
 * in messages. Says so on standard error when its rows are so much further apart than those that m
 * learned from that scores suffer. */
MUST_CHECK enum rc table_read_for(const char *path, const char *profile, const struct model *m,
                                  const char *whose, struct table *ret, struct err *err);

/* Before this row live frames would stand at the beginning of a new past (detect/line.h);
 * interval_ms is dataset_interval_ms of the rows. */
bool table_is_gap(const struct table *t, size_t row, int64_t interval_ms);

/* Somebody already scaled these columns to 0..1: no value lies outside, and at least a quarter of
 * the columns that move reach from end to end, which shares and ratios as they come seldom do.
 * Stretching them again by what the training part happens to reach would only distort them. */
bool table_is_scaled(const struct dataset *d);
