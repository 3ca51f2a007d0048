/* SPDX-License-Identifier: Apache-2.0 */
/* What the reconstruction error of frames costs: one at a time, and in batches of 1,000. Given a
 * folder, it leaves there the model of the classic shape, and the frames, for other runtimes
 * (bench/peer_runtimes.py exports and runs them). */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "bench.h"
#include "model/model.h"

enum { N = 21, TRAIN = 500, BATCH = 1000, ROUNDS = 101, PATH_BYTES = 1024 };

static enum rc learn(struct model **ret, struct err *err)
{
    static const struct model_provenance provenance = {.profile = "none"};
    const struct threshold_spec threshold = {.method = THRESHOLD_FIXED, .value = 0.1998};
    CLEANUP(schema_freep) struct schema *schema = NULL;
    CLEANUP(dataset_freep) struct dataset *d = NULL;
    struct feature f[N] = {0};
    struct learn_spec spec;
    struct rng rng;

    for (size_t i = 0; i < N; i++)
        (void)snprintf(f[i].name, sizeof f[i].name, "f%zu", i);
    if (schema_new(f, N, &schema, err) != OK || dataset_new(N, &d, err) != OK)
        return err->rc;
    rng_init(&rng, 1);
    for (int64_t r = 0; r < TRAIN; r++) {
        float frame[N];

        for (size_t i = 0; i < N; i++)
            frame[i] = rng_float(&rng) * (float)(i + 1);
        if (dataset_append(d, 1000 * r, frame, err) != OK)
            return err->rc;
    }
    settings_learn_defaults(&spec);
    spec.epochs = 5;
    return model_train(d, NULL, schema, &spec, &threshold, &provenance, NULL, NULL, ret, err);
}

struct bench {
    const struct model *m;
    float *X; /* [BATCH][N] */
    float *expected, *error, *work;
    uint8_t present[N];
    double sum; /* so that nothing is optimised away */
};

static void measure(struct bench *b, const char *name, size_t rows)
{
    double us[ROUNDS];

    for (size_t round = 0; round < ROUNDS; round++) {
        const uint64_t start = clock_thread_cpu_ns();
        for (size_t r = 0; r < BATCH; r++)
            b->sum +=
                (double)model_score(b->m, b->X + r * N, b->present, b->expected, b->error, b->work);
        us[round] = (double)(clock_thread_cpu_ns() - start) / 1000 / BATCH * (double)rows;
    }
    bench_print(name, bench_median(us, ROUNDS), "us");
}

static enum rc leave(const struct bench *b, const char *folder, struct err *err)
{
    char path[PATH_BYTES];

    (void)snprintf(path, sizeof path, "%s/model.tsm", folder);
    if (model_save(b->m, path, err) != OK)
        return err->rc;
    (void)snprintf(path, sizeof path, "%s/frames", folder);
    return file_write(path, b->X, BATCH * N * sizeof *b->X, err);
}

static enum rc run(const char *folder, struct err *err)
{
    CLEANUP(model_unrefp) struct model *m = NULL;
    CLEANUP(mem_freep) float *block = mem_array(BATCH + 2, N * sizeof *block);
    CLEANUP(mem_freep) float *work = NULL;
    struct rng rng;

    if (learn(&m, err) != OK)
        return err->rc;
    work = mem_array_aligned(model_work_size(m), sizeof *work);
    if (!block || !work)
        return err_set(err, E_NOMEM, "no memory");
    struct bench b = {.m = m,
                      .X = block,
                      .expected = block + BATCH * N,
                      .error = block + (BATCH + 1) * N,
                      .work = work};
    memset(b.present, 1, sizeof b.present);
    rng_init(&rng, 2);
    for (size_t i = 0; i < BATCH * N; i++)
        b.X[i] = rng_float(&rng) * (float)(i % N + 1);
    measure(&b, "error of one frame", 1);
    measure(&b, "error of 1,000 frames", BATCH);
    return folder ? leave(&b, folder, err) : OK;
}

int main(int argc, char **argv)
{
    struct err err;

    if (run(argc > 1 ? argv[1] : NULL, &err) != OK) {
        fprintf(stderr, "bench_runtimes: %s\n", err.msg);
        return 1;
    }
    return 0;
}
