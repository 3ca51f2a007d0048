/* SPDX-License-Identifier: Apache-2.0 */
/* score_frames - what a model says of frames, for tests against other runtimes
 *
 *   score_frames MODEL < FRAMES > ANSWERS
 *
 * FRAMES: float32[rows][n + 1], the features in natural units and the second of the UTC day.
 * ANSWERS: float32[rows][2 n + 1], what was expected (natural units), each feature's error, and the
 * reconstruction error. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/model.h"

/* Of the frame x[n + 1] to answer[2 n + 1]; less[n], present[n] and work are scratch. */
static void score(const struct model *m, const float *x, float *less, const uint8_t *present,
                  float *work, float *answer)
{
    const size_t n = m->schema->n;
    const int64_t ts_ms = llround((double)x[n] * 1000);

    season_subtract(&m->season, ts_ms, x, less);
    answer[2 * n] = model_score(m, less, present, answer, answer + n, work);
    for (size_t i = 0; i < n; i++)
        answer[i] += season_at(&m->season, ts_ms, i);
}

static int run(const struct model *m)
{
    const size_t n = m->schema->n;
    CLEANUP(mem_freep) float *x = mem_array(4 * n + 2, sizeof *x);
    CLEANUP(mem_freep) float *work = mem_array_aligned(model_work_size(m), sizeof *work);
    CLEANUP(mem_freep) uint8_t *present = mem_alloc(n);

    if (!x || !work || !present)
        return 1;
    float *const less = x + n + 1, *const answer = less + n;
    memset(present, 1, n);
    while (fread(x, sizeof *x, n + 1, stdin) == n + 1) {
        score(m, x, less, present, work, answer);
        if (fwrite(answer, sizeof *answer, 2 * n + 1, stdout) != 2 * n + 1)
            return 1;
    }
    return fflush(stdout) != 0;
}

int main(int argc, char **argv)
{
    CLEANUP(model_unrefp) struct model *m = NULL;
    struct err err;

    if (argc != 2 || model_load(argv[1], &m, &err) != OK) {
        fprintf(stderr, "score_frames: %s\n", argc == 2 ? err.msg : "expected MODEL");
        return 2;
    }
    return run(m);
}
