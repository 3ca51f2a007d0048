/* SPDX-License-Identifier: Apache-2.0 */
/* What a model costs on frames of a file: bench-verdict MODEL CSV. Reading is not timed. */
#include <malloc.h>
#include <math.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bench.h"
#include "cli/table.h"
#include "detect/scorer.h"
#include "model/model.h"

enum { ROUNDS = 5 };

static size_t heap_bytes(void)
{
    const struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

static enum rc run(const char *model, const char *frames, struct err *err)
{
    CLEANUP(table_done) struct table t = {0};
    CLEANUP(model_unrefp) struct model *m = NULL;
    CLEANUP(scorer_freep) struct scorer *s = NULL;
    double us[ROUNDS], sum = 0;
    struct verdict v;

    if (table_read(frames, &t, err) != OK)
        return err->rc;
    const size_t before = heap_bytes();
    if (model_load(model, &m, err) != OK || scorer_new(m, &s, err) != OK)
        return err->rc;
    const size_t after = heap_bytes();
    if (table_arrange(&t, m->schema, model, err) != OK)
        return err->rc;
    for (int round = 0; round < ROUNDS; round++) {
        scorer_clear(s);
        const uint64_t start = clock_thread_cpu_ns();
        for (size_t r = 0; r < t.d->rows; r++) {
            scorer_push(s, t.d->ts_ms[r], t.d->X + r * t.d->n, &v);
            sum += isnan(v.score) ? 0 : (double)v.score; /* so that nothing is optimised away */
        }
        us[round] = (double)(clock_thread_cpu_ns() - start) / 1000 / (double)t.d->rows;
    }
    bench_print("verdict", bench_median(us, ROUNDS), "us");
    bench_print("model and state", (double)(after - before), "bytes");
    return sum < 0 ? err_set(err, E_STATE, "scores are negative") : OK;
}

int main(int argc, char **argv)
{
    struct err err;

    if (argc != 3) {
        fputs("usage: bench-verdict MODEL CSV\n", stderr);
        return 2;
    }
    if (run(argv[1], argv[2], &err) != OK) {
        fprintf(stderr, "bench_verdict: %s\n", err.msg);
        return 1;
    }
    return 0;
}
