/* SPDX-License-Identifier: Apache-2.0 */
#include "tune/search.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/stats.h"

/* The usual factor: theory likes e, and 3 is the whole number next to it. */
enum { ETA = 3 };

enum cell_state { CELL_IDLE, CELL_STARTED, CELL_DONE };

struct cell {
    enum cell_state state;
    struct search_result result;
};

struct search {
    struct search_spec spec;
    uint32_t rungs, rung;
    uint32_t survivors[SEARCH_RUNGS_MAX]; /* challengers in each rung */
    uint32_t *reached;                    /* [trials + 1] last rung that each is in */
    struct cell *cells;                   /* [rungs][trials + 1][executions] */
    size_t done;
};

uint32_t search_trials(const struct search *s)
{
    return s->spec.trials + 1;
}

uint32_t search_each(const struct search *s)
{
    return s->spec.executions;
}

static struct cell *cell_at(const struct search *s, const struct search_job *j)
{
    const size_t row = (size_t)j->rung * search_trials(s) + j->trial;

    return &s->cells[row * s->spec.executions + j->execution];
}

/* As many rungs as leave a challenger for the last one and an epoch for the first one. */
static void set_rungs(struct search *s)
{
    uint32_t left = s->spec.trials, epochs = s->spec.epochs;

    s->rungs = 1;
    while (s->spec.method == SEARCH_HALVING && left >= ETA && epochs >= ETA &&
           s->rungs < SEARCH_RUNGS_MAX) {
        left /= ETA;
        epochs /= ETA;
        s->rungs++;
    }
    s->survivors[0] = s->spec.trials;
    for (uint32_t r = 1; r < s->rungs; r++)
        s->survivors[r] = s->survivors[r - 1] / ETA;
}

enum rc search_new(const struct search_spec *spec, struct search **ret, struct err *err)
{
    CLEANUP(search_freep) struct search *s = mem_alloc(sizeof *s);

    assert(spec->epochs > 0);
    if (spec->trials == 0 || spec->trials > SEARCH_TRIALS_MAX)
        return err_set(err, E_CONFIG, "%u trials: expected 1 to %d", spec->trials,
                       SEARCH_TRIALS_MAX);
    if (spec->executions == 0 || spec->executions > SEARCH_EXECUTIONS_MAX)
        return err_set(err, E_CONFIG, "%u executions: expected 1 to %d", spec->executions,
                       SEARCH_EXECUTIONS_MAX);
    if (!s)
        return err_set(err, E_NOMEM, "no memory for a search");
    s->spec = *spec;
    set_rungs(s);
    s->reached = mem_array(search_trials(s), sizeof *s->reached);
    s->cells = mem_array((size_t)s->rungs * search_trials(s) * spec->executions, sizeof *s->cells);
    if (!s->reached || !s->cells)
        return err_set(err, E_NOMEM, "no memory for a search of %u trials", spec->trials);
    s->reached[0] = s->rungs - 1;
    *ret = TAKE(s);
    return OK;
}

void search_free(struct search *s)
{
    if (!s)
        return;
    mem_free(s->reached);
    mem_free(s->cells);
    mem_free(s);
}

static bool is_in(const struct search *s, uint32_t rung, uint32_t trial)
{
    return trial == 0 ? rung == s->rungs - 1 : rung <= s->reached[trial];
}

/* The first cell of the present rung in that state. */
static bool find(const struct search *s, enum cell_state state, struct search_job *ret)
{
    struct search_job j = {.rung = s->rung};

    for (j.trial = 0; j.trial < search_trials(s); j.trial++)
        for (j.execution = 0; j.execution < s->spec.executions; j.execution++)
            if (is_in(s, j.rung, j.trial) && cell_at(s, &j)->state == state) {
                *ret = j;
                return true;
            }
    return false;
}

bool search_next(struct search *s, struct search_job *ret)
{
    if (!find(s, CELL_IDLE, ret))
        return false;
    cell_at(s, ret)->state = CELL_STARTED;
    return true;
}

static bool rung_complete(const struct search *s)
{
    struct search_job j;

    return !find(s, CELL_IDLE, &j) && !find(s, CELL_STARTED, &j);
}

bool search_complete(const struct search *s)
{
    return s->rung == s->rungs - 1 && rung_complete(s);
}

/* The best third of the rung that is complete goes on. */
static void promote(struct search *s)
{
    uint32_t order[SEARCH_TRIALS_MAX + 1], kept = 0;

    search_ranking(s, order);
    for (uint32_t k = 0; k < search_trials(s) && kept < s->survivors[s->rung + 1]; k++)
        if (order[k] != 0 && s->reached[order[k]] == s->rung) {
            order[kept++] = order[k]; /* kept <= k */
        }
    for (uint32_t k = 0; k < kept; k++)
        s->reached[order[k]]++;
    s->rung++;
}

enum rc search_put(struct search *s, const struct search_job *job,
                   const struct search_result *result, struct err *err)
{
    if (job->rung != s->rung || job->trial >= search_trials(s) ||
        job->execution >= s->spec.executions || !is_in(s, job->rung, job->trial) ||
        cell_at(s, job)->state == CELL_DONE)
        return err_set(err, E_STATE,
                       "execution %u of trial %u in rung %u does not belong to this search here",
                       job->execution, job->trial, job->rung);
    *cell_at(s, job) = (struct cell){CELL_DONE, *result};
    s->done++;
    if (s->rung + 1 < s->rungs && rung_complete(s))
        promote(s);
    return OK;
}

uint32_t search_part(const struct search *s, uint32_t rung)
{
    uint32_t part = 1;

    for (uint32_t r = rung + 1; r < s->rungs; r++)
        part *= ETA;
    return part;
}

uint64_t search_seed(const struct search *s, const struct search_job *job)
{
    return s->spec.seed + job->execution; /* the first is what `tocsin train --seed` gives */
}

uint32_t search_rungs(const struct search *s)
{
    return s->rungs;
}

uint32_t search_rung(const struct search *s)
{
    return s->rung;
}

size_t search_executions(const struct search *s)
{
    size_t sum = 1; /* the defaults */

    for (uint32_t r = 0; r < s->rungs; r++)
        sum += s->survivors[r];
    return sum * s->spec.executions;
}

size_t search_done(const struct search *s)
{
    return s->done;
}

const struct search_result *search_at(const struct search *s, const struct search_job *job)
{
    const struct cell *c = cell_at(s, job);

    return c->state == CELL_DONE ? &c->result : NULL;
}

struct search_summary search_summary(const struct search *s, uint32_t trial)
{
    struct search_summary sum = {.rung = s->reached[trial], .spread = (double)NAN};
    struct search_job j = {.rung = sum.rung, .trial = trial};
    double squares = 0;

    for (j.execution = 0; j.execution < s->spec.executions; j.execution++) {
        const struct search_result *r = search_at(s, &j);
        if (!r)
            continue;
        sum.executions++;
        sum.objective += r->objective;
        sum.held_out += r->held_out;
        sum.epochs += r->epochs;
    }
    sum.objective /= sum.executions; /* NaN for none */
    sum.held_out /= sum.executions;
    sum.epochs /= sum.executions;
    for (j.execution = 0; j.execution < s->spec.executions; j.execution++) {
        const struct search_result *r = search_at(s, &j);
        const double off = r ? r->objective - sum.objective : 0;
        squares += off * off;
    }
    if (sum.executions > 1)
        sum.spread = sqrt(squares / (sum.executions - 1));
    return sum;
}

/* A failed trial is behind all others; so is, in the live table, one without a result. */
static double worth(const struct search *s, uint32_t trial)
{
    const double objective = search_summary(s, trial).objective;

    return isnan(objective) ? -1 : objective;
}

struct ranked {
    uint32_t trial, rung;
    double worth;
};

static int by_worth(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->rung != y->rung)
        return x->rung < y->rung ? 1 : -1;
    if (x->worth != y->worth)
        return x->worth < y->worth ? 1 : -1;
    return (x->trial > y->trial) - (x->trial < y->trial);
}

void search_ranking(const struct search *s, uint32_t *ret)
{
    struct ranked v[SEARCH_TRIALS_MAX + 1];

    for (uint32_t t = 0; t < search_trials(s); t++)
        v[t] = (struct ranked){t, s->reached[t], worth(s, t)};
    qsort(v, search_trials(s), sizeof *v, by_worth);
    for (uint32_t t = 0; t < search_trials(s); t++)
        ret[t] = v[t].trial;
}

/* The median over the trials of the last rung, which a few that never train well do not move; 0
 * when none shows a spread. */
static double middle_spread(const struct search *s)
{
    float spreads[SEARCH_TRIALS_MAX + 1];
    size_t n = 0;

    for (uint32_t t = 0; t < search_trials(s); t++)
        if (s->reached[t] == s->rungs - 1)
            spreads[n++] = (float)search_summary(s, t).spread;
    const double middle = (double)stats_quantile(spreads, n, 0.5); /* skips NaN */
    return isnan(middle) ? 0 : middle;
}

struct search_verdict search_verdict(const struct search *s)
{
    struct search_verdict v = {0};

    for (uint32_t t = 1; t < search_trials(s); t++)
        if (s->reached[t] == s->rungs - 1 && (v.best == 0 || worth(s, t) > worth(s, v.best)))
            v.best = t;
    const struct search_summary best = search_summary(s, v.best), defaults = search_summary(s, 0);
    v.ahead = best.objective - defaults.objective;
    v.spread = fmax(middle_spread(s), fmax(best.spread, defaults.spread)); /* fmax ignores NaN */
    v.chosen = v.ahead > v.spread ? v.best : 0;
    return v;
}
