/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer costs the server, CPU time of its thread without the socket: /metrics in both
 * formats and /api/v1/entities, for one entity and for a thousand that all ring. */
#include "base/clock.h"
#include "bench.h"
#include "fake_entity.h"
#include "serve/api.h"

enum { ONE = 2000, MANY = 20, ENTITIES = 1000 };

static struct telemetry telemetry;

static void must(enum rc rc, const struct err *err)
{
    if (rc != OK) {
        fprintf(stderr, "bench_metrics: %s\n", err->msg);
        exit(1);
    }
}

/* The median of n answers in microseconds. */
static double median_us(struct api *api, const char *path, const char *accept, size_t n,
                        size_t *ret_bytes)
{
    static double us[ONE];
    const struct api_request q = {.method = "GET", .path = path, .accept = str_of(accept)};

    for (size_t i = 0; i < n; i++) {
        struct api_answer answer;
        const uint64_t start = clock_thread_cpu_ns();
        api_handle(api, &q, &answer);
        us[i] = (double)(clock_thread_cpu_ns() - start) / 1000;
        if (answer.status != 200) {
            fprintf(stderr, "bench_metrics: %s answers %u\n", path, answer.status);
            exit(1);
        }
        *ret_bytes = answer.body.n;
        buf_done(&answer.body);
    }
    return bench_median(us, n);
}

static void measure(size_t entities, size_t rounds)
{
    static const struct {
        const char *name, *path, *accept;
    } answers[] = {
        {"/metrics", "/metrics", ""},
        {"/metrics, OpenMetrics", "/metrics", "application/openmetrics-text"},
        {"/api/v1/entities", "/api/v1/entities", ""},
    };
    struct entity_view v;
    struct board *board;
    struct api *api;
    struct err err;

    must(board_new(&telemetry, &board, &err), &err);
    fake_entity(FAKE_RINGING, INT64_C(1740088500250), &v);
    for (size_t i = 0; i < entities; i++) {
        char name[INSTANCE_MAX];
        size_t slot;
        (void)snprintf(name, sizeof name, "host%zu.example.org:9100", i);
        must(board_add(board, name, &slot, &err), &err);
        board_publish(board, slot, &v);
    }
    must(api_new(board, NULL, "bench", 0, &api, &err), &err);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        char name[96];
        size_t bytes;
        const double us = median_us(api, answers[i].path, answers[i].accept, rounds, &bytes);
        if (entities == 1)
            (void)snprintf(name, sizeof name, "answer %s", answers[i].name);
        else
            (void)snprintf(name, sizeof name, "answer %s, %zu entities", answers[i].name, entities);
        bench_print(name, us, "us");
        (void)snprintf(name, sizeof name, "answer's size, %s, %zu", answers[i].name, entities);
        bench_print(name, (double)bytes, "bytes");
    }
    api_free(api);
    board_free(board);
}

int main(void)
{
    measure(1, ONE);
    measure(ENTITIES, MANY);
    return 0;
}
