/* SPDX-License-Identifier: Apache-2.0 */
/* What one verdict on a frame costs, in its steps, for the classic profile: 21 features (of which
 * 14 are derived) and the 14-8-4-8-14 network. */
#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "bench.h"
#include "detect/scorer.h"
#include "feature/derive.h"
#include "model/departure.h"

enum { BASE_MAX = 64, FRAMES = 2048, ROUNDS = 101 };

/* Base features that move like a machine's: percentages, counts and byte rates. */
static void fill_base(struct rng *rng, size_t n, double *base)
{
    for (size_t i = 0; i < n; i++)
        base[i] = (double)((i < 2 ? 1.0f : 1e4f) * (20 + 60 * rng_float(rng)));
}

static struct dataset *make_frames(const struct profile *p, struct err *err)
{
    const size_t n = profile_schema(p)->n;
    struct deriver *deriver;
    struct dataset *d = NULL;
    double base[BASE_MAX];
    float frame[BASE_MAX];
    struct rng rng;

    rng_init(&rng, 1);
    if (n > BASE_MAX || deriver_new(p, &deriver, err) != OK)
        return NULL;
    if (dataset_new(n, &d, err) == OK)
        for (size_t r = 0; r < FRAMES; r++) {
            fill_base(&rng, profile_base_count(p), base);
            deriver_apply(deriver, 60000 * (int64_t)r, base, frame);
            if (dataset_append(d, 60000 * (int64_t)r, frame, err) != OK)
                break;
        }
    deriver_free(deriver);
    return d;
}

struct bench {
    const struct dataset *d;
    struct deriver *deriver;
    struct departure *departure;
    struct scorer *scorer;
    int64_t ts_ms;
    double sum; /* so that nothing is optimised away */
};

static void derive_and_score(struct bench *b, size_t row)
{
    struct departure_score s;
    double base[BASE_MAX];
    float frame[BASE_MAX];

    for (size_t i = 0; i < b->d->n; i++)
        base[i] = (double)b->d->X[row * b->d->n + i];
    deriver_apply(b->deriver, b->ts_ms, base, frame);
    departure_push(b->departure, b->ts_ms, frame, &s);
    b->ts_ms += 60000;
    b->sum += (double)s.score;
}

static void score(struct bench *b, size_t row)
{
    struct departure_score s;

    departure_push(b->departure, b->ts_ms, b->d->X + row * b->d->n, &s);
    b->ts_ms += 60000;
    b->sum += (double)s.score;
}

static void verdict(struct bench *b, size_t row)
{
    struct verdict v;

    scorer_push(b->scorer, b->ts_ms, b->d->X + row * b->d->n, &v);
    b->ts_ms += 60000;
    b->sum += (double)v.score;
}

static void measure(struct bench *b, const char *name, void (*step)(struct bench *, size_t))
{
    double us[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t start = clock_thread_cpu_ns();
        for (size_t r = 0; r < FRAMES; r++)
            step(b, r);
        us[round] = (double)(clock_thread_cpu_ns() - start) / 1000 / FRAMES;
    }
    bench_print(name, bench_median(us, ROUNDS), "us");
}

static enum rc run(struct err *err)
{
    static const struct model_provenance provenance = {.profile = "classic"};
    CLEANUP(profile_freep) struct profile *p = NULL;
    CLEANUP(dataset_freep) struct dataset *d = NULL;
    CLEANUP(deriver_freep) struct deriver *deriver = NULL;
    CLEANUP(model_unrefp) struct model *m = NULL;
    CLEANUP(departure_freep) struct departure *departure = NULL;
    CLEANUP(scorer_freep) struct scorer *scorer = NULL;
    struct threshold_spec threshold;
    struct learn_spec spec;

    settings_threshold_defaults(&threshold);
    settings_learn_defaults(&spec);
    spec.epochs = 5;
    if (profile_load("classic", 60000, &p, err) != OK || !(d = make_frames(p, err)) ||
        model_train(d, NULL, profile_schema(p), &spec, &threshold, &provenance, NULL, NULL, &m,
                    err) != OK ||
        departure_new(m, false, &departure, err) != OK || scorer_new(m, &scorer, err) != OK ||
        deriver_new(p, &deriver, err) != OK)
        return err->rc;

    struct bench b = {.d = d,
                      .deriver = deriver,
                      .scorer = scorer,
                      .departure = departure,
                      .ts_ms = 60000 * (int64_t)FRAMES};
    measure(&b, "score", derive_and_score);
    measure(&b, "score, without deriving", score);
    measure(&b, "verdict with causes", verdict);
    return isnan(b.sum) ? err_set(err, E_STATE, "a score is not a number") : OK;
}

int main(void)
{
    struct err err;

    if (run(&err) != OK) {
        fprintf(stderr, "bench_score: %s\n", err.msg);
        return 1;
    }
    return 0;
}
