/* SPDX-License-Identifier: Apache-2.0 */
#include "tune/judge.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "detect/scorer.h"
#include "tune/disturb.h"

/* From what hides in a feature's ordinary movement to what any model sees; in between lies what
 * tells models apart, and where that is depends on the machine. */
static const float sizes[] = {1, 2, 4, 8};

/* Each size's copies, half of them with joint disturbances: so many that no single one decides.
 * Some 1,000 rows give each size about 30 of either. Of the joint ones, half the size for each
 * feature is as much to see, since all take part. */
enum { SIZES = sizeof sizes / sizeof *sizes, COPIES_EACH = 8, COPIES = COPIES_EACH * SIZES };

struct judge {
    const struct dataset *rows;
    uint64_t seed;
    float spread[];
};

/* What one model's judging needs. */
struct session {
    struct scorer *scorer;
    float *X;       /* [rows][n] the copy */
    uint8_t *label; /* [rows] */
    struct judge_score *scores;
};

static void session_done(struct session *s)
{
    scorer_free(s->scorer);
    mem_free(s->X);
    mem_free(s->label);
    mem_free(s->scores);
}

static enum rc session_init(struct session *s, const struct dataset *d, struct model *m,
                            struct err *err)
{
    const enum rc rc = m ? scorer_new(m, &s->scorer, err) : OK;

    if (rc != OK)
        return rc;
    s->X = mem_array(d->rows * d->n, sizeof *s->X); /* as many cells as d has: no overflow */
    s->label = mem_array(d->rows, sizeof *s->label);
    s->scores = mem_array(d->rows, sizeof *s->scores);
    if (!s->X || !s->label || !s->scores)
        return err_set(err, E_NOMEM, "no memory to judge by %zu rows", d->rows);
    return OK;
}

static enum rc make_copy(const struct judge *j, size_t copy, struct session *s, struct err *err)
{
    const bool joint = copy / SIZES % 2 > 0;
    const float size = sizes[copy % SIZES] / (joint ? 2 : 1);
    struct rng rng;

    rng_init(&rng, j->seed + copy);
    return disturb_apply(j->rows, j->spread, size, joint, rng_u64(&rng), s->X, s->label, err);
}

enum rc judge_new(const struct dataset *rows, uint64_t seed, struct judge **ret, struct err *err)
{
    CLEANUP(judge_freep) struct judge *j = mem_alloc(sizeof *j + rows->n * sizeof *j->spread);
    CLEANUP(session_done) struct session s = {0};

    if (!j)
        return err_set(err, E_NOMEM, "no memory to judge by %zu rows", rows->rows);
    j->rows = rows;
    j->seed = seed;
    enum rc rc = disturb_spreads(rows, j->spread, err);
    if (rc == OK)
        rc = session_init(&s, rows, NULL, err);
    if (rc == OK) /* now, and not after the first training */
        rc = make_copy(j, 0, &s, err);
    if (rc == OK)
        *ret = TAKE(j);
    return rc;
}

void judge_free(struct judge *j)
{
    mem_free(j);
}

/* Falling scores, NaN last. */
static int by_score(const void *a, const void *b)
{
    const float x = ((const struct judge_score *)a)->score;
    const float y = ((const struct judge_score *)b)->score;

    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return (x < y) - (x > y);
}

double judge_precision(struct judge_score *v, size_t n)
{
    double sum = 0;
    size_t found = 0;

    qsort(v, n, sizeof *v, by_score);
    for (size_t first = 0, end; first < n; first = end) {
        size_t hits = 0;
        for (end = first; end < n && by_score(&v[first], &v[end]) == 0; end++)
            hits += v[end].wanted ? 1 : 0;
        found += hits;
        sum += (double)hits * (double)found / (double)end;
    }
    return found > 0 ? sum / (double)found : (double)NAN;
}

/* Scores of the copy's rows that count; how many. */
static size_t score_copy(struct session *s, const struct dataset *d)
{
    struct verdict v;
    size_t n = 0;

    scorer_clear(s->scorer);
    for (size_t r = 0; r < d->rows; r++) {
        scorer_push(s->scorer, d->ts_ms[r], s->X + r * d->n, &v);
        if (s->label[r] != DISTURB_AFTER)
            s->scores[n++] =
                (struct judge_score){.score = v.score, .wanted = s->label[r] != DISTURB_NONE};
    }
    return n;
}

enum rc judge_model(const struct judge *j, struct model *m, double *ret_objective, struct err *err)
{
    CLEANUP(session_done) struct session s = {0};
    double sum = 0;

    enum rc rc = session_init(&s, j->rows, m, err);
    for (size_t copy = 0; rc == OK && copy < COPIES; copy++) {
        rc = make_copy(j, copy, &s, err);
        if (rc == OK)
            sum += judge_precision(s.scores, score_copy(&s, j->rows));
    }
    if (rc == OK)
        *ret_objective = sum / COPIES;
    return rc;
}
