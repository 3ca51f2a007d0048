/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer costs the server, CPU time of its thread without the socket: /metrics in both
 * formats and /api/v1/entities, for one entity and for a thousand that all ring. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "fake_entity.h"
#include "serve/api.h"

enum { ONE = 2000, MANY = 20, ENTITIES = 1000 };
static const double budget_us = 100; /* a scrape each second: 0.01 % of a core */

static struct telemetry telemetry;

static void must(enum rc rc, const struct err *err)
{
    if (rc != OK) {
        fprintf(stderr, "bench_metrics: %s\n", err->msg);
        exit(1);
    }
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
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
    qsort(us, n, sizeof *us, compare);
    return us[n / 2];
}

static double measure(size_t entities, size_t rounds)
{
    static const struct {
        const char *name, *path, *accept;
    } answers[] = {
        {"/metrics, text 0.0.4", "/metrics", ""},
        {"/metrics, OpenMetrics", "/metrics", "application/openmetrics-text"},
        {"/api/v1/entities", "/api/v1/entities", ""},
    };
    struct entity_view v;
    struct board *board;
    struct api *api;
    struct err err;
    double first = 0;

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
        size_t bytes;
        const double us = median_us(api, answers[i].path, answers[i].accept, rounds, &bytes);
        printf("%-24s %5zu entities %10.1f us %10zu bytes\n", answers[i].name, entities, us, bytes);
        if (i == 0)
            first = us;
    }
    api_free(api);
    board_free(board);
    return first;
}

int main(void)
{
    const double us = measure(1, ONE);

    (void)measure(ENTITIES, MANY);
    printf("one scrape of one entity: %.1f us, budget %.0f us: %s\n", us, budget_us,
           us <= budget_us ? "met" : "NOT MET");
    return 0;
}
