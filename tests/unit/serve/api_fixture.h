/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "data/schema.h"
#include "exposition.h"
#include "fake_entity.h"
#include "serve/api.h"
#include "serve/page.h"
#include "store/store.h"

/* api_fixture - two entities on a board, and a store that has scores and incidents of the first */

static const int64_t NOW_MS = INT64_C(1740088500250);
enum { ROWS = 1500 }; /* scores in the store, one a second, the last at NOW_MS */

struct fixture {
    struct telemetry telemetry;
    struct board *board;
    struct api *api;
    char dir[64], database[96];
};

static inline void publish(struct fixture *f, size_t slot, enum fake_state s)
{
    struct entity_view v;

    fake_entity(s, NOW_MS, &v);
    board_publish(f->board, slot, &v);
}

static inline void must(enum rc rc, const struct err *err)
{
    if (rc != OK)
        fail_msg("%s", err->msg);
}

static inline void fill_store(const char *path)
{
    const struct feature features[] = {{.name = "cpu_busy_ratio", .unit = "ratio", .group = "cpu"}};
    struct store *s;
    struct schema *schema;
    struct err err;
    int64_t entity;

    must(schema_new(features, 1, &schema, &err), &err);
    must(store_open(path, &s, &err), &err);
    must(store_begin(s, &err), &err);
    must(store_entity(s, "a", &entity, &err), &err);
    must(store_put_schema(s, schema, &err), &err);
    for (int64_t i = 0; i < ROWS; i++) {
        const struct verdict v = {.ts_ms = NOW_MS - (ROWS - 1 - i) * 1000,
                                  .score = i == ROWS - 2 ? NAN : 0.1998f,
                                  .threshold = 0.25f,
                                  .confidence = 1,
                                  .anomalous = i == ROWS - 1};
        must(store_put_score(s, entity, 1, &v, &err), &err);
    }
    for (int64_t i = 0; i < 3; i++) {
        struct incident in = {.start_ms = NOW_MS - 3600000 + i * 600000,
                              .peak_ms = NOW_MS - 3590000 + i * 600000,
                              .end_ms = i == 2 ? 0 : NOW_MS - 3500000 + i * 600000,
                              .peak_score = 0.5f,
                              .threshold = 0.25f,
                              .n_causes = 1,
                              .causes = {{0, true, 0.97f, 0.1f, 0.8f, 0}}};
        must(store_put_incident(s, entity, schema, &in, &err), &err);
    }
    must(store_commit(s, &err), &err);
    store_close(s);
    schema_free(schema);
}

/* Two entities, "a" ringing and "b" learning. */
static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err;
    size_t slot;

    assert_non_null(f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/tocsin-api-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->database, sizeof f->database, "%s/t.db", f->dir);
    must(board_new(&f->telemetry, &f->board, &err), &err);
    must(board_add(f->board, "a", &slot, &err), &err);
    must(board_add(f->board, "b", &slot, &err), &err);
    publish(f, 0, FAKE_RINGING);
    publish(f, 1, FAKE_LEARNING);
    must(api_new(f->board, f->database, "1.2.3", NOW_MS - 5000, &f->api, &err), &err);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[128];

    api_free(f->api);
    board_free(f->board);
    (void)snprintf(command, sizeof command, "rm -r %s", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

/* GET target ("/path?key=value&…", nothing escaped). */
static inline struct api_answer ask_as(struct fixture *f, const char *method, const char *target)
{
    struct param_pair pairs[PARAMS_PAIRS_MAX];
    struct api_answer answer;
    static char text[512];
    size_t n = 0;

    (void)snprintf(text, sizeof text, "%s", target);
    char *rest = strchr(text, '?');
    if (rest)
        *rest++ = '\0';
    while (rest && *rest) {
        char *next = strchr(rest, '&'), *value = strchr(rest, '=');
        if (next)
            *next++ = '\0';
        *value++ = '\0';
        pairs[n++] = (struct param_pair){str_of(rest), str_of(value)};
        rest = next;
    }
    const struct api_request q = {
        .method = method, .path = text, .pairs = pairs, .n_pairs = n, .now_ms = NOW_MS};
    api_handle(f->api, &q, &answer);
    assert_false(answer.body.failed);
    return answer;
}

/* The body as JSON, which the caller owns. */
static inline json_t *ask(struct fixture *f, const char *target, unsigned status)
{
    struct api_answer answer = ask_as(f, "GET", target);
    json_error_t why;

    json_t *root = json_loadb(answer.body.p, answer.body.n, JSON_REJECT_DUPLICATES, &why);
    if (!root)
        fail_msg("%s: %s in %s", target, why.text, answer.body.p);
    if (answer.status != status)
        fail_msg("%s: %u: %s", target, answer.status, answer.body.p);
    assert_string_equal(answer.type, "application/json");
    buf_done(&answer.body);
    return root;
}

static inline double number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    if (!json_is_number(v))
        fail_msg("%s is no number", key);
    return json_number_value(v);
}

static inline const char *text_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    if (!json_is_string(v))
        fail_msg("%s is no string", key);
    return json_string_value(v);
}

/* Refused with this status and a sentence that has these words. */
static inline void refused(struct fixture *f, const char *target, unsigned status,
                           const char *words)
{
    json_t *root = ask(f, target, status);

    if (!strstr(text_of(root, "error"), words))
        fail_msg("%s: '%s' is not in '%s'", target, words, text_of(root, "error"));
    json_decref(root);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
