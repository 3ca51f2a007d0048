/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "fuzz.h"
#include "model/departure.h"
#include "model/model_file.h"

enum { INPUT_MAX = 1 << 20, FRAMES = 24 };

/* A frame of feature values and a time, by turns usual, extreme and missing. */
static int64_t next_frame(const struct model *m, struct rng *rng, int64_t ts_ms, float *x)
{
    static const float extreme[] = {0, 1e-45f, 3.4e38f, -3.4e38f, INFINITY, -INFINITY, NAN, 1e10f};
    static const int64_t times[] = {INT64_MIN, INT64_MAX, -1, 0, 86399999};

    for (size_t i = 0; i < m->schema->n; i++) {
        x[i] = m->scaler.median[i] + m->scaler.span[i] * rng_float(rng);
        if (rng_below(rng, 4) == 0)
            x[i] = extreme[rng_below(rng, sizeof extreme / sizeof extreme[0])];
    }
    if (rng_below(rng, 8) == 0)
        return times[rng_below(rng, sizeof times / sizeof times[0])];
    return (int64_t)((uint64_t)ts_ms + (uint64_t)m->interval_ms);
}

/* Whatever the model and the frames: no crash, and a score is a number or none. */
static void check_scores(const struct model *m)
{
    const size_t n = m->schema->n;
    float *x = mem_array(n, sizeof *x);
    struct departure *d = NULL;
    struct departure_score s;
    struct rng rng;
    struct err err;
    int64_t ts_ms = 0;

    rng_init(&rng, n);
    promise(x && departure_new(m, rng_below(&rng, 2), &d, &err) == OK, "memory to score in");
    for (int t = 0; t < FRAMES; t++) {
        size_t here = 0;
        ts_ms = next_frame(m, &rng, ts_ms, x);
        departure_push(d, ts_ms, x, &s);
        promise(isfinite(s.score) || isnan(s.score), "a score is finite or none");
        promise(isnan(s.score) == isnan(s.evidence), "and so is its evidence");
        for (size_t i = 0; i < n; i++) {
            promise((s.cause[i] >= 0 && isfinite(s.cause[i])) || model_is_classic(m) ||
                        isnan(s.part[i]),
                    "a cause is a number");
            promise(s.part[i] >= 0 || model_is_classic(m) || isnan(s.part[i]), "no part is less");
            here += s.here[i];
        }
        promise(s.present == here && here <= n, "features are counted");
    }
    departure_free(d);
    mem_free(x);
}

static void check_model(const struct model *m)
{
    const size_t n = m->schema->n;
    float *x = mem_array_aligned(3 * n, sizeof *x), *work;
    uint8_t *present = mem_alloc(n);

    work = mem_array_aligned(model_work_size(m), sizeof *work);
    promise(x && work && present, "memory to score in");
    for (size_t i = 0; i < n; i++) {
        promise(m->scaler.span[i] > 0 && isfinite(m->scaler.span[i]), "a span is positive");
        promise(m->unit_level[i] > 0 && isfinite(m->unit_level[i]), "a unit is positive");
        promise(m->unit_change[i] > 0 && isfinite(m->unit_change[i]), "and so is the other");
        promise(m->worst[i] >= 1 && isfinite(m->worst[i]), "a worst is 1 at least");
        x[i] = m->scaler.median[i];
        present[i] = 1;
    }
    (void)model_score(m, x, present, x + n, x + 2 * n, work); /* any number, no crash */
    mem_free(x);
    mem_free(work);
    mem_free(present);
}

/* A file that was taken says the same when it is written again. */
static void check_round_trip(const struct model *m, const uint8_t *p, size_t n)
{
    struct buf again;
    uint64_t id;

    buf_init(&again, 2 * INPUT_MAX);
    model_encode(m, &again);
    promise(!again.failed && again.n == n && memcmp(again.p, p, n) == 0, "the same bytes");
    memcpy(&id, p + n - MODEL_CHECKSUM_SIZE, sizeof id);
    promise(model_id(m) == id, "whose checksum is the id");
    buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model *m = NULL;
    struct err err = {0};

    if (size > INPUT_MAX)
        return 0;
    uint8_t *p = malloc(size ? size : 1);
    promise(p != NULL, "memory for a copy");
    if (size)
        memcpy(p, data, size);
    if (size >= MODEL_HEAD_SIZE + MODEL_CHECKSUM_SIZE) { /* get past the outer checks */
        const uint64_t length = size;
        memcpy(p + 16, &length, sizeof length);
        const uint64_t checksum = hash_bytes(p, size - MODEL_CHECKSUM_SIZE, 0);
        memcpy(p + size - MODEL_CHECKSUM_SIZE, &checksum, sizeof checksum);
    }
    if (model_decode(p, size, "m.tsm", &m, &err) == OK) {
        check_model(m);
        check_scores(m);
        check_round_trip(m, p, size);
        model_unref(m);
    } else {
        promise(err.rc != OK && strstr(err.msg, "'m.tsm'") != NULL, "a failure names the file");
        promise(m == NULL, "and leaves the output alone");
    }
    free(p);
    return 0;
}
