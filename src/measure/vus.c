/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/vus.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { THRESHOLDS = 250 };

/* A row outside of events that some buffer can reach. Two distances are enough: within half a
 * buffer a soft label is at least sqrt(1/2), so that two events in reach make 1 already. */
struct near_row {
    uint16_t nearest, second; /* distances to the two events that are nearest; FAR for none */
    uint8_t first;            /* index of the threshold that flags it first */
};
enum { FAR = UINT16_MAX };

struct surface {
    const struct events *label;
    size_t window, near_n;
    uint8_t *first;                              /* [rows]: as in near_row */
    uint8_t *when;                               /* [events]: that of its first row, its
                                                    buffer included */
    struct near_row *near;                       /* [near_n] */
    double *weight;                              /* [window / 2 + 1], by distance */
    double flagged[THRESHOLDS], hit[THRESHOLDS]; /* rows; event rows, by threshold */
    double soft[THRESHOLDS], exist[THRESHOLDS];  /* soft labels of buffer rows; ER */
};

static void surface_done(struct surface *s)
{
    mem_free(s->first);
    mem_free(s->when);
    mem_free(s->near);
    mem_free(s->weight);
}

static void cumulate(double v[THRESHOLDS])
{
    for (size_t k = 1; k < THRESHOLDS; k++)
        v[k] += v[k - 1];
}

/* The rank of threshold k: evenly spaced from the highest score to the lowest. */
static size_t rank_of(size_t k, size_t rows)
{
    const double step = (double)(rows - 1) / (THRESHOLDS - 1);

    return k == THRESHOLDS - 1 ? rows - 1 : (size_t)((double)k * step);
}

/* A row is flagged first by the highest threshold that its score reaches. */
static void find_first(struct surface *s, const struct ranking *r)
{
    size_t k = 0;

    for (size_t i = 0; i < r->rows; i++) {
        const uint32_t row = r->order[i];
        while (r->score[r->order[rank_of(k, r->rows)]] > r->score[row])
            k++; /* ends at the last threshold, which is the lowest score */
        s->first[row] = (uint8_t)k;
        s->flagged[k]++;
    }
    for (size_t e = 0; e < s->label->n; e++) {
        s->when[e] = UINT8_MAX;
        for (size_t row = s->label->v[e].first; row <= s->label->v[e].last; row++) {
            s->hit[s->first[row]]++;
            if (s->first[row] < s->when[e])
                s->when[e] = s->first[row];
        }
    }
    cumulate(s->flagged);
    cumulate(s->hit);
}

static uint16_t clamp(size_t distance)
{
    return distance < FAR ? (uint16_t)distance : FAR;
}

static void take_distance(struct near_row *x, size_t distance)
{
    const uint16_t d = clamp(distance);

    if (d < x->nearest) {
        x->second = x->nearest;
        x->nearest = d;
    } else if (d < x->second) {
        x->second = d;
    }
}

/* The rows before event `next` and after the one before it (next == n: after the last). */
static void add_gap(struct surface *s, size_t next)
{
    const struct event *v = s->label->v;
    const size_t n = s->label->n, half = s->window / 2;
    const size_t from = next == 0 ? 0 : v[next - 1].last + 1;
    const size_t to = next == n ? s->label->rows : v[next].first;

    for (size_t row = from; row < to; row++) {
        struct near_row x = {FAR, FAR, s->first[row]};
        if (next > 0)
            take_distance(&x, row - v[next - 1].last);
        if (next > 1)
            take_distance(&x, row - v[next - 2].last);
        if (next < n)
            take_distance(&x, v[next].first - row);
        if (next + 1 < n)
            take_distance(&x, v[next + 1].first - row);
        if (x.nearest <= half)
            s->near[s->near_n++] = x;
    }
}

/* The buffers of half rows on both sides are one row wider than before. */
static void widen(struct surface *s, size_t half)
{
    for (size_t e = 0; e < s->label->n; e++) {
        const struct event *v = &s->label->v[e];
        if (v->first >= half && s->first[v->first - half] < s->when[e])
            s->when[e] = s->first[v->first - half];
        if (v->last + half < s->label->rows && s->first[v->last + half] < s->when[e])
            s->when[e] = s->first[v->last + half];
    }
}

static void find_existence(struct surface *s, size_t half)
{
    const struct event *v = s->label->v;
    size_t merged = 0;

    memset(s->exist, 0, sizeof s->exist);
    for (size_t e = 0; e < s->label->n; merged++) {
        uint8_t when = s->when[e++];
        for (; e < s->label->n && v[e].first - v[e - 1].last <= 2 * half; e++)
            when = s->when[e] < when ? s->when[e] : when;
        s->exist[when]++;
    }
    cumulate(s->exist);
    for (size_t k = 0; k < THRESHOLDS; k++)
        s->exist[k] /= (double)merged;
}

static void find_soft(struct surface *s, size_t l)
{
    const size_t half = l / 2;

    memset(s->soft, 0, sizeof s->soft);
    for (size_t d = 1; d <= half; d++)
        s->weight[d] = sqrt(1 - (double)d / (double)l);
    for (size_t i = 0; i < s->near_n; i++) {
        const struct near_row *x = &s->near[i];
        if (x->nearest <= half)
            s->soft[x->first] += x->second <= half ? 1 : s->weight[x->nearest];
    }
    cumulate(s->soft);
}

/* Both areas at one buffer width. */
static void areas(const struct surface *s, double *ret_pr, double *ret_roc)
{
    const double core = (double)s->label->marked, rows = (double)s->label->rows;
    double pr = 0, roc = 0, tpr = 0, fpr = 0;

    for (size_t k = 0; k < THRESHOLDS; k++) {
        const double tp = s->hit[k] + s->soft[k], pos = core + 0.5 * s->soft[k];
        const double tpr_k = fmin(tp / pos, 1) * s->exist[k];
        const double fpr_k = (s->flagged[k] - tp) / (rows - pos);
        pr += (tpr_k - tpr) * (tp / s->flagged[k]);
        roc += (fpr_k - fpr) * (tpr_k + tpr) / 2;
        tpr = tpr_k;
        fpr = fpr_k;
    }
    *ret_pr = pr;
    *ret_roc = roc + (1 - fpr) * (1 + tpr) / 2;
}

static enum rc surface_init(struct surface *s, const struct ranking *r, struct err *err)
{
    const size_t half = s->window / 2, reach = s->label->n * 2 * half,
                 out = r->rows - s->label->marked;

    s->first = mem_array(r->rows, sizeof *s->first);
    s->when = mem_array(s->label->n, sizeof *s->when);
    s->near = mem_array(reach < out ? reach : out, sizeof *s->near);
    s->weight = mem_array(half + 1, sizeof *s->weight);
    if (!s->first || !s->when || !s->near || !s->weight)
        return err_set(err, E_NOMEM, "no memory for the measures of %zu rows", r->rows);
    find_first(s, r);
    for (size_t next = 0; half > 0 && next <= s->label->n; next++)
        add_gap(s, next);
    return OK;
}

enum rc vus_measure(const struct ranking *r, const struct events *label, size_t window,
                    struct vus *ret, struct err *err)
{
    CLEANUP(surface_done) struct surface s = {.label = label, .window = window};
    struct vus v = {0};

    assert(r->rows == label->rows && label->n > 0 && label->marked < label->rows);
    assert(window <= VUS_WINDOW_MAX);
    if (surface_init(&s, r, err) != OK)
        return err->rc;
    for (size_t l = 0; l <= window; l++) {
        if (l % 2 == 0) { /* l and l + 1 reach as far */
            if (l > 0)
                widen(&s, l / 2);
            find_existence(&s, l / 2);
        }
        find_soft(&s, l);
        areas(&s, &v.r_auc_pr, &v.r_auc_roc);
        v.vus_pr += v.r_auc_pr / (double)(window + 1);
        v.vus_roc += v.r_auc_roc / (double)(window + 1);
    }
    *ret = v;
    return OK;
}
