/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/ranking.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

size_t ranking_fill(double *score, size_t rows)
{
    double least = HUGE_VAL;
    size_t missing = 0;

    for (size_t i = 0; i < rows; i++) {
        missing += isnan(score[i]) ? 1 : 0;
        least = fmin(least, score[i]); /* the other one while NaN */
    }
    for (size_t i = 0; i < rows && missing < rows; i++)
        if (isnan(score[i]))
            score[i] = least;
    return missing;
}

static int compare(const void *a, const void *b, void *scores)
{
    const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const double *score = scores;

    if (score[i] != score[j])
        return score[i] > score[j] ? -1 : 1;
    return i < j ? -1 : 1; /* i and j differ */
}

enum rc ranking_new(const double *score, size_t rows, struct ranking *ret, struct err *err)
{
    struct ranking r = {.score = score, .rows = rows};

    if (rows > RANKING_ROWS_MAX)
        return err_set(err, E_LIMIT, "expected at most %d scores, found %zu", RANKING_ROWS_MAX,
                       rows);
    r.order = mem_array(rows, sizeof *r.order);
    if (!r.order)
        return err_set(err, E_NOMEM, "no memory to rank %zu scores", rows);
    for (size_t i = 0; i < rows; i++)
        r.order[i] = (uint32_t)i;
    qsort_r(r.order, rows, sizeof *r.order, compare, (void *)(uintptr_t)score);
    *ret = r;
    return OK;
}

void ranking_done(struct ranking *r)
{
    mem_free(r->order);
    *r = (struct ranking){0};
}

/* What a falling threshold has flagged so far. */
struct sweep {
    double tp, fp;   /* rows */
    double adjusted; /* rows of the events that are touched */
    double found;    /* events that are touched */
    double recall, false_rate;
};

static void flag_row(struct sweep *s, const struct events *label, size_t row, bool *touched)
{
    const ptrdiff_t e = events_at(label, row);

    if (e < 0) {
        s->fp++;
        return;
    }
    s->tp++;
    if (touched[e])
        return;
    touched[e] = true;
    s->found++;
    s->adjusted += (double)(label->v[e].last - label->v[e].first + 1);
}

static void take_threshold(struct sweep *s, const struct events *label, double threshold,
                           struct point_measures *m)
{
    const double pos = (double)label->marked, neg = (double)label->rows - pos;
    const double recall = s->tp / pos, false_rate = s->fp / neg;
    const double precision = s->tp / (s->tp + s->fp);
    const double f1 = 2 * s->tp / (s->tp + s->fp + pos);
    const double pa_f1 = 2 * s->adjusted / (s->adjusted + s->fp + pos);
    const double found = s->found / (double)label->n;

    m->auc_pr += (recall - s->recall) * precision;
    m->auc_roc += (false_rate - s->false_rate) * (recall + s->recall) / 2;
    s->recall = recall;
    s->false_rate = false_rate;
    if (f1 > m->f1) {
        m->f1 = f1;
        m->f1_threshold = threshold;
    }
    if (pa_f1 > m->pa_f1) {
        m->pa_f1 = pa_f1;
        m->pa_f1_threshold = threshold;
    }
    if (found > 0 || precision > 0)
        m->event_f1 = fmax(m->event_f1, 2 * found * precision / (found + precision));
}

enum rc ranking_measure(const struct ranking *r, const struct events *label,
                        struct point_measures *ret, struct err *err)
{
    struct sweep s = {0};
    struct point_measures m = {0};
    CLEANUP(mem_freep) bool *touched = mem_array(label->n, sizeof *touched);

    if (!touched)
        return err_set(err, E_NOMEM, "no memory for %zu events", label->n);
    assert(r->rows == label->rows && label->n > 0 && label->marked < label->rows);
    for (size_t i = 0; i < r->rows; i++) {
        const double score = r->score[r->order[i]];
        flag_row(&s, label, r->order[i], touched);
        if (i + 1 == r->rows || r->score[r->order[i + 1]] != score) /* all that are equal */
            take_threshold(&s, label, score, &m);
    }
    *ret = m;
    return OK;
}
