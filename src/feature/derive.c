/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/derive.h"

#include <math.h>
#include <time.h>

#include "base/mem.h"
#include "base/stats.h"
#include "feature/derive_program.h"
#include "feature/profile_plan.h"

struct deriver {
    const struct derive_program *program;
    size_t n_base;   /* features before the derived ones */
    uint64_t frames; /* since the last clear */
    double *derived; /* [program->n_features] of the frame in the making; behind state */
    double state[];  /* [program->n_state], NaN where nothing came yet */
};

enum rc deriver_new(const struct profile *p, struct deriver **ret, struct err *err)
{
    const struct derive_program *program = profile_derived(p);
    const size_t n = program->n_state + program->n_features;
    struct deriver *d = mem_alloc(sizeof *d + n * sizeof d->state[0]);

    if (!d)
        return err_set(err, E_NOMEM, "deriver: no memory");
    d->program = program;
    d->n_base = profile_base_count(p);
    d->derived = d->state + program->n_state;
    deriver_clear(d);
    *ret = d;
    return OK;
}

void deriver_free(struct deriver *d)
{
    mem_free(d);
}

void deriver_clear(struct deriver *d)
{
    d->frames = 0;
    for (size_t i = 0; i < d->program->n_state; i++)
        d->state[i] = (double)NAN;
}

static double calendar(int64_t ts_ms, bool utc, bool weekday)
{
    const time_t t = (time_t)(ts_ms >= 0 ? ts_ms / 1000 : -((999 - ts_ms) / 1000));
    struct tm tm;

    if (!(utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)))
        return (double)NAN;
    return weekday ? (tm.tm_wday + 6) % 7 : tm.tm_hour; /* tm counts from Sunday, we from Monday */
}

static double change(double *before, double v)
{
    const double was = *before;

    *before = v;
    return v - was;
}

static double per_second(double before[2], double v, int64_t ts_ms)
{
    const double was = before[0], seconds = ((double)ts_ms - before[1]) / 1000;

    before[0] = v;
    before[1] = (double)ts_ms;
    return seconds > 0 ? (v - was) / seconds : (double)NAN;
}

static double rolling(const struct deriver *d, const struct derive_step *step, double *window,
                      double v)
{
    struct stats_moments m;

    window[d->frames % step->n] = v;
    stats_init(&m);
    for (uint32_t i = 0; i < step->n; i++)
        stats_add(&m, window[i]); /* skips NaN */
    if (m.n == 0)
        return (double)NAN;
    return step->op == DERIVE_MEAN ? m.mean : stats_std(&m);
}

/* Comparisons and powers of a missing operand are missing too (pow(NaN, 0) would be 1). */
static double binary(enum derive_op op, double a, double b)
{
    if (isnan(a) || isnan(b))
        return (double)NAN;
    switch ((int)op) {
    case DERIVE_ADD:
        return a + b;
    case DERIVE_SUB:
        return a - b;
    case DERIVE_MUL:
        return a * b;
    case DERIVE_DIV:
        return b == 0 ? (double)NAN : a / b;
    case DERIVE_MOD:
        return fmod(a, b);
    case DERIVE_POW:
        return pow(a, b);
    case DERIVE_EQ:
        return a == b;
    case DERIVE_NE:
        return a != b;
    case DERIVE_LT:
        return a < b;
    case DERIVE_LE:
        return a <= b;
    case DERIVE_GT:
        return a > b;
    default:
        return a >= b;
    }
}

/* The value of a step that takes at most one number, v. */
static double unary(struct deriver *d, const struct derive_step *step, int64_t ts_ms,
                    const double *base, double v)
{
    double *state = d->state + step->state;

    switch ((int)step->op) {
    case DERIVE_NUMBER:
        return step->number;
    case DERIVE_FEATURE:
        return step->n < d->n_base ? base[step->n] : d->derived[step->n - d->n_base];
    case DERIVE_HOUR:
    case DERIVE_WEEKDAY:
        return calendar(ts_ms, d->program->utc, step->op == DERIVE_WEEKDAY);
    case DERIVE_CHANGE:
        return change(state, v);
    case DERIVE_PER_SECOND:
        return per_second(state, v, ts_ms);
    case DERIVE_MEAN:
    case DERIVE_STD:
        return rolling(d, step, state, v);
    case DERIVE_ABS:
        return fabs(v);
    default:
        return -v; /* DERIVE_NEGATE */
    }
}

/* What float32 cannot hold is missing for the features built on it too. */
static double finite_or_missing(double v)
{
    return isfinite((float)v) ? v : (double)NAN;
}

void deriver_apply(struct deriver *d, int64_t ts_ms, const double *base, float *frame)
{
    const struct derive_program *p = d->program;
    double stack[DERIVE_STACK_MAX] = {0};

    for (size_t f = 0, s = 0; f < p->n_features; f++) {
        size_t n = 0;
        for (; s < p->ends[f]; s++) {
            const struct derive_step *step = &p->steps[s];
            if (step->op >= DERIVE_ADD) {
                n--;
                stack[n - 1] = binary(step->op, stack[n - 1], stack[n]);
                continue;
            }
            if (step->op < DERIVE_CHANGE)
                stack[n++] = 0; /* takes nothing, gives one */
            stack[n - 1] = unary(d, step, ts_ms, base, stack[n - 1]);
        }
        d->derived[f] = finite_or_missing(stack[0]);
        frame[d->n_base + f] = (float)d->derived[f];
    }
    for (size_t i = 0; i < d->n_base; i++)
        frame[i] = (float)finite_or_missing(base[i]);
    d->frames++;
}
