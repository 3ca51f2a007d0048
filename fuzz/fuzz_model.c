/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "fuzz.h"
#include "model/model_file.h"

enum { INPUT_MAX = 1 << 20 };

static void check_model(const struct model *m)
{
    const size_t n = m->schema->n;
    float *x = mem_array_aligned(3 * n, sizeof *x), *work;
    uint8_t *present = mem_alloc(n);

    work = mem_array_aligned(model_work_size(m), sizeof *work);
    promise(x && work && present, "memory to score in");
    for (size_t i = 0; i < n; i++) {
        promise(m->scaler.span[i] > 0 && isfinite(m->scaler.span[i]), "a span is positive");
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
        check_round_trip(m, p, size);
        model_unref(m);
    } else {
        promise(err.rc != OK && strstr(err.msg, "'m.tsm'") != NULL, "a failure names the file");
        promise(m == NULL, "and leaves the output alone");
    }
    free(p);
    return 0;
}
