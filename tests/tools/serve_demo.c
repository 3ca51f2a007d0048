/* SPDX-License-Identifier: Apache-2.0 */
/* serve_demo - the HTTP server over invented entities, for tests of the API and of the page
 *
 *   serve_demo [--listen HOST:PORT] [--database NEW_FILE] [--trouble SENTENCE] STATE...
 *
 * One entity a STATE (learning, training, quiet, unusual, ringing), published anew each second;
 * with --database also ten minutes of scores and some incidents of the first entity. Prints the
 * port; ends when standard input does, so that it never outlives a test. */
#include <getopt.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "fake_entity.h"
#include "serve/serve.h"
#include "store/store.h"

enum { STATES_MAX = BOARD_ENTITIES_MAX, HISTORY_S = 600 };

static struct telemetry telemetry;

static _Noreturn void die(const struct err *err)
{
    fprintf(stderr, "serve_demo: %s\n", err->msg);
    exit(1);
}

static void must(enum rc rc, const struct err *err)
{
    if (rc != OK)
        die(err);
}

static void name_of(size_t i, char out[INSTANCE_MAX])
{
    (void)snprintf(out, INSTANCE_MAX, i ? "db%zu.example.org" : "web1.example.org", i);
}

/* A quiet hum with two bells: one six minutes ago that lasted 50 s, and one that began 133 s ago
 * when the entity rings now. */
static float score_at(int age_s, bool rings, struct rng *r)
{
    const double hum = 0.0065 + 0.003 * sin(age_s / 17.0) + 0.004 * (double)rng_float(r);
    double bell = 0;

    if (age_s <= 360 && age_s > 310)
        bell = 0.09 * sin((360 - age_s) / 50.0 * 3.14159);
    if (rings && age_s <= 133)
        bell = 0.26 * (1 - exp(-(133 - age_s) / 12.0)) + 0.05 * (double)rng_float(r);
    return (float)(hum + bell);
}

static void put_incident(struct store *s, int64_t entity, const struct schema *schema,
                         int64_t start_ms, int64_t end_ms, float peak)
{
    struct err err;
    struct incident in = {
        .start_ms = start_ms,
        .peak_ms = start_ms + 20000,
        .end_ms = end_ms,
        .peak_score = peak,
        .threshold = 0.0342f,
        .n_causes = 2,
        .causes = {{0, true, 0.973f, 0.121f, 0.583f, 0}, {1, false, 3.42f, 0.31f, 0.214f, 0}}};

    must(store_put_incident(s, entity, schema, &in, &err), &err);
}

static struct store *fill(const char *path, enum fake_state state, int64_t now_ms)
{
    const bool rings = state == FAKE_RINGING, scored = state >= FAKE_QUIET;
    const struct feature features[] = {{.name = "cpu_busy_ratio", .unit = "ratio", .group = "cpu"},
                                       {.name = "load1_per_core", .group = "cpu"}};
    struct schema *schema;
    struct store *s;
    struct rng rng;
    struct err err;
    char name[INSTANCE_MAX];
    int64_t entity;

    rng_init(&rng, 7);
    name_of(0, name);
    must(schema_new(features, 2, &schema, &err), &err);
    must(store_open(path, &s, &err), &err);
    must(store_begin(s, &err), &err);
    must(store_entity(s, name, &entity, &err), &err);
    must(store_put_schema(s, schema, &err), &err);
    for (int age = scored ? HISTORY_S : 0; age > 0; age--) {
        struct verdict v = {.ts_ms = now_ms - age * 1000,
                            .score = score_at(age, rings, &rng),
                            .threshold = 0.0342f,
                            .confidence = 1};
        v.anomalous = v.score > v.threshold;
        must(store_put_score(s, entity, 1, &v, &err), &err);
    }
    if (scored) {
        const int64_t yesterday_ms = now_ms - 26 * 3600 * 1000;
        put_incident(s, entity, schema, yesterday_ms, yesterday_ms + 744000, 1.35f);
        put_incident(s, entity, schema, now_ms - 355000, now_ms - 312000, 0.0981f);
    }
    if (rings)
        put_incident(s, entity, schema, now_ms - 133000, 0, 0.412f);
    must(store_commit(s, &err), &err);
    schema_free(schema);
    return s;
}

static void publish(struct board *board, const enum fake_state *states, size_t n, int64_t first_ms)
{
    struct entity_view v;
    const int64_t now_ms = clock_wall_ms();

    for (size_t i = 0; i < n; i++) {
        fake_entity(states[i], now_ms, &v);
        if (v.ringing) /* the bell stays where it began */
            v.incident.start_ms = first_ms - 133000;
        board_publish(board, i, &v);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
                                            {"database", required_argument, NULL, 'd'},
                                            {"trouble", required_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    static enum fake_state states[STATES_MAX];
    struct serve_options o = {.listen = "127.0.0.1:0", .version = "0.0-demo"};
    const char *trouble = "";
    const int64_t first_ms = clock_wall_ms();
    struct board *board;
    struct server *server;
    struct store *store = NULL;
    struct err err;
    size_t n = 0, slot;

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'l')
            o.listen = optarg;
        else if (c == 'd')
            o.database = optarg;
        else if (c == 't')
            trouble = optarg;
        else
            return 2;
    }
    must(board_new(&telemetry, &board, &err), &err);
    for (; optind < argc && n < STATES_MAX; optind++, n++) {
        char name[INSTANCE_MAX];
        if (!fake_state_parse(argv[optind], &states[n]))
            return 2;
        name_of(n, name);
        must(board_add(board, name, &slot, &err), &err);
    }
    board_set_trouble(board, trouble);
    if (o.database)
        store = fill(o.database, states[0], first_ms);
    publish(board, states, n, first_ms);
    must(serve_start(&o, board, &server, &err), &err);
    printf("%u\n", serve_port(server));
    fflush(stdout);
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&in, 1, 1000) == 0)
        publish(board, states, n, first_ms);
    serve_stop(server);
    store_close(store);
    board_free(board);
    return 0;
}
