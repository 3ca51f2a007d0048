/* SPDX-License-Identifier: Apache-2.0 */
/* What training costs: 1,900 rows x 21 features, 14-8-4-8-14, 100 epochs, batch 32, Adam, feature
 * dropout 0.1; 475 more rows are scored after each epoch and the best weights kept.
 * bench-train FILE writes the data there (float32, rows then validation rows), for peer_train.py
 * to train the same network on the same numbers. */
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "bench.h"
#include "model/train.h"

enum { N = 21, TRAIN = 1900, VALIDATION = 475, LOADS = 4, RUNS = 5 };

static float rows[(TRAIN + VALIDATION) * N];
static uint8_t weight[(TRAIN + VALIDATION) * N];

/* Features in [0,1] that follow four hidden loads, with noise. */
static void make_rows(void)
{
    float mix[N][LOADS];
    struct rng rng;

    rng_init(&rng, 1);
    for (size_t i = 0; i < N; i++) {
        float sum = 0;
        for (size_t k = 0; k < LOADS; k++)
            sum += mix[i][k] = rng_float(&rng) + (i % LOADS == k);
        for (size_t k = 0; k < LOADS; k++)
            mix[i][k] /= sum;
    }
    for (size_t r = 0; r < TRAIN + VALIDATION; r++) {
        float load[LOADS];
        for (size_t k = 0; k < LOADS; k++)
            load[k] = rng_float(&rng);
        for (size_t i = 0; i < N; i++) {
            float x = 0.05f * rng_float(&rng);
            for (size_t k = 0; k < LOADS; k++)
                x += 0.95f * mix[i][k] * load[k];
            rows[r * N + i] = x;
        }
    }
    memset(weight, 1, sizeof weight);
}

static enum rc train_once(double *ret_seconds, double *ret_mse, struct err *err)
{
    const struct train_set train = {.rows = TRAIN, .n = N, .z = rows, .weight = weight};
    const struct train_set validation = {
        .rows = VALIDATION, .n = N, .z = rows + TRAIN * N, .weight = weight + TRAIN * N};
    struct train_result result;
    float hidden[N];
    struct learn_spec spec;
    struct net net;

    settings_learn_defaults(&spec);
    spec.epochs = 100;
    spec.batch_size = 32;
    spec.patience = 0;
    for (size_t i = 0; i < N; i++)
        hidden[i] = 0.5f;
    const uint64_t start = clock_thread_cpu_ns();
    enum rc rc = net_init(&net, N, &spec, err);
    if (rc != OK)
        return rc;
    rc = train_net(&net, &train, &validation, hidden, &spec, NULL, NULL, &result, err);
    *ret_seconds = (double)(clock_thread_cpu_ns() - start) / 1e9;
    *ret_mse = result.validation_mse;
    net_done(&net);
    return rc;
}

static int write_rows(const char *path)
{
    FILE *f = fopen(path, "wbe");
    const size_t n = sizeof rows / sizeof rows[0];
    const bool written = f && fwrite(rows, sizeof rows[0], n, f) == n;

    if ((f && fclose(f) != 0) || !written) {
        fprintf(stderr, "bench_train: cannot write '%s'\n", path);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    double seconds[RUNS], mse = 0;
    struct err err;

    make_rows();
    if (argc > 1)
        return write_rows(argv[1]);
    for (int i = 0; i < RUNS; i++) {
        if (train_once(&seconds[i], &mse, &err) != OK) {
            fprintf(stderr, "bench_train: %s\n", err.msg);
            return 1;
        }
    }
    bench_print("train", bench_median(seconds, RUNS), "s");
    bench_print("train, validation error", mse, "mse");
    return 0;
}
