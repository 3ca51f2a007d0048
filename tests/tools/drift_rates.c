/* SPDX-License-Identifier: Apache-2.0 */
/* Measures what docs/drift.md tells of detect/drift and detect/reference: false alarms a month on
 * stationary machines with daily and weekly rhythms, delays for real shifts; or, given CSV files,
 * what is found in them after a model was learned from their first half.
 *   drift_rates [MACHINES]      tables over made-up machines
 *   drift_rates FILE.csv...     real data */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "detect/drift.h"
#include "detect/reference.h"
#include "detect/scorer.h"
#include "detect/watch.h"
#include "fake_days.h"
#include "source/csv.h"

enum { DAY_MS = 86400 * 1000, FEATURES = 50, LEARN_DAYS = 7, WATCH_DAYS = 30 };

static void must(enum rc rc, const struct err *err)
{
    if (rc == OK)
        return;
    (void)fprintf(stderr, "%s\n", err->msg);
    exit(1);
}

static struct model *learn(const struct dataset *d, const struct schema *schema)
{
    const struct model_provenance provenance = {0};
    struct learn_spec spec;
    struct threshold_spec threshold;
    struct model *m;
    struct err err;

    settings_learn_defaults(&spec);
    settings_threshold_defaults(&threshold);
    must(model_train(d, NULL, schema, &spec, &threshold, &provenance, NULL, NULL, &m, &err), &err);
    return m;
}

/* One machine as the daemon would see it. */
struct line {
    struct model *model;
    struct scorer *scorer;
    struct watch watch;
    struct drift *drift;
    struct reference *reference;
    unsigned error, input, slow, pages; /* found */
    int64_t first_drift_ms, first_slow_ms;
    float most;       /* evidence of drift, of its limit */
    bool ungated;     /* drift is fed with everything: what an operator calls normal */
    const char *file; /* told as they are found; NULL: silent */
};

static void line_learned(struct line *l, struct model *m)
{
    struct confirm_spec confirm;
    struct err err;

    settings_confirm_defaults(&confirm);
    l->model = m;
    must(scorer_new(m, &l->scorer, &err), &err);
    must(drift_new(m, &l->drift, &err), &err);
    watch_init(&l->watch, confirm);
}

static void line_done(struct line *l)
{
    scorer_free(l->scorer);
    model_unref(l->model);
    drift_free(l->drift);
    reference_free(l->reference);
}

static void line_push(struct line *l, const struct schema *schema, int64_t ts_ms, const float *x)
{
    char text[REFERENCE_TEXT_MAX];
    struct drift_finding finding;
    struct slow_change change;
    struct incident incident;
    struct verdict v = {0};

    if (l->scorer) {
        scorer_push(l->scorer, ts_ms, x, &v);
        l->pages += watch_push(&l->watch, &v, &incident) == WATCH_OPENED;
    }
    const bool gated = !l->watch.open && !v.anomalous;
    l->most = l->drift ? fmaxf(l->most, drift_evidence(l->drift)) : 0;
    if (l->drift && (gated || l->ungated) && drift_push(l->drift, ts_ms, x, v.score, &finding)) {
        l->error += finding.kind == DRIFT_ERROR;
        l->input += finding.kind == DRIFT_INPUT;
        if (!l->first_drift_ms)
            l->first_drift_ms = ts_ms;
        drift_describe(&finding, schema, text);
        if (l->file)
            printf("  %s day %.1f: %s\n", l->file, (double)ts_ms / DAY_MS, text);
    }
    if (reference_push(l->reference, ts_ms, x, gated, &change) == WATCH_OPENED) {
        l->slow++;
        if (!l->first_slow_ms)
            l->first_slow_ms = ts_ms;
        reference_describe(&change, schema, text);
        if (l->file)
            printf("  %s day %.1f: %s\n", l->file, (double)ts_ms / DAY_MS, text);
    }
}

struct shift {
    double size; /* in deviations of what each feature does by itself (in all) */
    double rate; /* the same, an hour */
    size_t features;
    int64_t from_ms;
    bool ungated;
};

static double spread_of(size_t i, const struct fake_days *f)
{
    (void)f;
    return fake_days_own((enum fake_kind)(i % FAKE_KINDS));
}

static void machine(struct fake_days *f, const struct shift *shift, unsigned watch_days,
                    struct line *l)
{
    struct schema *schema = fake_days_schema(f);
    struct dataset *d;
    struct err err;
    float x[FAKE_FEATURES_MAX];
    const int64_t start = (int64_t)rng_below(&f->rng, 7) * DAY_MS + 700 * (int64_t)DAY_MS;

    memset(l, 0, sizeof *l);
    l->ungated = shift->ungated;
    must(dataset_new(f->n, &d, &err), &err);
    must(reference_new(schema, &l->reference, &err), &err);
    const int64_t live = start + REFERENCE_DAYS * (int64_t)DAY_MS;
    const int64_t end = live + watch_days * (int64_t)DAY_MS;
    for (int64_t t = start; t < end; t += f->interval_ms) {
        fake_days_frame(f, t, x);
        if (t >= live + shift->from_ms)
            for (size_t i = 0; i < shift->features; i++)
                x[i] += (float)(spread_of(i, f) *
                                (shift->size +
                                 shift->rate * (double)(t - live - shift->from_ms) / 3600e3));
        if (t < live && t >= live - LEARN_DAYS * (int64_t)DAY_MS)
            must(dataset_append(d, t, x, &err), &err);
        if (t >= live && !l->model)
            line_learned(l, learn(d, schema));
        line_push(l, schema, t, x);
    }
    l->first_drift_ms -= l->first_drift_ms ? live + shift->from_ms : 0;
    l->first_slow_ms -= l->first_slow_ms ? live + shift->from_ms : 0;
    dataset_free(d);
    schema_free(schema);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void put_delay(double *hours, unsigned found, unsigned of)
{
    qsort(hours, found, sizeof *hours, by_value);
    if (found)
        printf(" %3u of %u, median %.0f h |", found, of, hours[found / 2]);
    else
        printf(" none of %u |", of);
}

static void one_row(unsigned machines, double memory_h, double resolution, int64_t interval_ms,
                    const struct shift *shift, unsigned days)
{
    unsigned error = 0, input = 0, slow = 0, pages = 0, n_drift = 0, n_slow = 0;
    float most = 0;
    double *delay[2] = {mem_array(machines, sizeof(double)), mem_array(machines, sizeof(double))};

    for (unsigned k = 0; k < machines; k++) {
        struct fake_days f;
        struct line l;
        fake_days_init(&f, FEATURES, interval_ms, 1000 + k);
        f.memory_h = memory_h;
        f.resolution = resolution;
        machine(&f, shift, days, &l);
        error += l.error;
        input += l.input;
        slow += l.slow;
        most = fmaxf(most, l.most);
        pages += l.pages;
        if (l.first_drift_ms > 0)
            delay[0][n_drift++] = (double)l.first_drift_ms / 3600e3;
        if (l.first_slow_ms > 0)
            delay[1][n_slow++] = (double)l.first_slow_ms / 3600e3;
        line_done(&l);
    }
    printf("| %g h | %g |", memory_h, resolution);
    if (shift->features == 0) {
        const double months = (double)machines * days / 30;
        printf(" %.2f | %.2f | %.2f | %.2f | %.1f |\n", error / months, input / months,
               (double)most, slow / months, pages / months);
    } else {
        printf(" %g + %g/h | ", shift->size, shift->rate);
        put_delay(delay[0], n_drift, machines);
        put_delay(delay[1], n_slow, machines);
        printf("\n");
    }
    (void)fflush(stdout);
    mem_free(delay[0]);
    mem_free(delay[1]);
}

static void synthetic(unsigned machines)
{
    static const double memory[] = {0.25, 1, 3, 6, 12, 48, 240};
    static const struct shift none = {0};
    static const struct shift shifts[] = {{.size = 10, .features = 5, .from_ms = DAY_MS},
                                          {.size = 20, .features = 1, .from_ms = DAY_MS},
                                          {.size = 40, .features = 1, .from_ms = DAY_MS},
                                          {.rate = 0.2, .features = 1, .from_ms = DAY_MS},
                                          {.rate = 1, .features = 1, .from_ms = DAY_MS}};

    printf("| memory | resolution | error drift a month | input drift | most evidence of the limit "
           "| slow change | pages |\n");
    for (int res = 0; res < 2; res++)
        for (size_t k = 0; k < sizeof memory / sizeof memory[0]; k++)
            one_row(machines, memory[k], res ? 1 : 0.001, 300 * 1000, &none, WATCH_DAYS);
    printf("| memory | resolution | shift | drift | slow change |\n");
    for (int ungated = 1; ungated >= 0; ungated--)
        for (size_t s = 0; s < sizeof shifts / sizeof shifts[0]; s++) {
            struct shift shift = shifts[s];
            shift.ungated = ungated;
            printf("%s ", ungated ? "whatever the gate says:" : "gated:");
            one_row(machines < 20 ? machines : 20, 3, 0.001, 300 * 1000, &shift, 15);
        }
}

/* What a frame of 50 features costs, samples a second apart. */
static void cost(void)
{
    enum { FRAMES = 200 * 1000 };
    struct shift none = {0};
    struct drift_finding finding;
    struct slow_change change;
    struct timespec a, b;
    struct fake_days f;
    struct line l;
    float x[FEATURES];

    fake_days_init(&f, FEATURES, 300 * 1000, 1);
    machine(&f, &none, 1, &l);
    fake_days_frame(&f, 0, x);
    const int64_t start = 3000 * (int64_t)DAY_MS;
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    for (int64_t k = 0; k < FRAMES; k++) {
        (void)drift_push(l.drift, start + k * 1000, x, 0.1f, &finding);
        (void)reference_push(l.reference, start + k * 1000, x, true, &change);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%.0f ns a frame for both, each second, 50 features\n",
           ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / FRAMES);
    line_done(&l);
}

static void real(const char *path)
{
    struct schema *schema;
    struct dataset *d, *first;
    struct line l = {.file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path};
    struct err err;

    must(csv_read(path, &schema, &d, NULL, &err), &err);
    must(dataset_new(d->n, &first, &err), &err);
    must(reference_new(schema, &l.reference, &err), &err);
    for (size_t r = 0; r < d->rows / 2; r++)
        must(dataset_append(first, d->ts_ms[r], d->X + r * d->n, &err), &err);
    const int64_t t0 = d->ts_ms[0] - d->ts_ms[0] % DAY_MS; /* days from the first on */
    for (size_t r = 0; r < d->rows; r++) {
        if (r == d->rows / 2)
            line_learned(&l, learn(first, schema));
        line_push(&l, schema, d->ts_ms[r] - t0, d->X + r * d->n);
    }
    printf("%s: %.1f days, the last half watched: error %u, input %u, slow %u, pages %u\n", l.file,
           (double)(d->ts_ms[d->rows - 1] - d->ts_ms[0]) / DAY_MS, l.error, l.input, l.slow,
           l.pages);
    line_done(&l);
    dataset_free(first);
    dataset_free(d);
    schema_free(schema);
}

int main(int argc, char **argv)
{
    char *end = NULL;
    const unsigned long machines = argc == 2 ? strtoul(argv[1], &end, 10) : 50;

    if (argc > 2 || (end && *end)) {
        for (int i = 1; i < argc; i++)
            real(argv[i]);
        return 0;
    }
    printf("%zu bytes of drift and %zu of reference for 50 features\n", drift_bytes(50),
           reference_bytes(50));
    cost();
    synthetic((unsigned)machines);
    return 0;
}
