/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <jansson.h>

#include "serve/api.h"
#include "store/store.h"

/* api_private - what the files of the API share */

struct api {
    struct board *board;
    const char *database, *version;
    int64_t started_ms;
    struct target_lister targets;
    struct store_reader *reader; /* NULL until needed, and after an error */
    struct entity_view *views;   /* [capacity], scratch of api_snapshot */
    size_t capacity;
};

/* api_json.c: values. NULL means no memory; json_object_set_new and json_array_append_new take a
 * NULL as an error, so that a builder checks once. */
enum { API_JSON_FLAGS = JSON_COMPACT | JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY };
json_t *api_json_text(const char *z); /* what is not UTF-8 becomes '?' */
json_t *api_json_float(float f);      /* its shortest decimal form; null for NaN and Inf */
json_t *api_json_seconds(int64_t ms); /* Unix seconds, three decimals */
json_t *api_json_time(int64_t ms);    /* the same, but null for 0 = not yet */
json_t *api_json_causes(const struct cause_view *c, size_t n);
json_t *api_json_slow(const struct entity_view *v); /* null while no slow change is open */
json_t *api_json_entity(const struct entity_view *v);
json_t *api_json_target(const struct target_view *t);
double api_progress(const struct entity_view *v); /* 0..1 */

/* api.c. Takes root (NULL: a 503 that says no memory). */
void api_json_answer(struct api_answer *ret, unsigned status, json_t *root);
void api_start_json(struct api_answer *ret, unsigned status);
void api_json_add(struct buf *out, const json_t *value); /* NULL (no memory) fails out */
void api_printf_refuse(struct api_answer *ret, unsigned status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The entity that p selects, or the first. False: ret holds the refusal. */
bool api_select(const struct api *a, const struct params *p, struct entity_view *ret_view,
                struct api_answer *ret);

/* api_history.c */
void api_scores(struct api *a, const struct api_request *q, const struct params *p,
                struct api_answer *ret);
void api_incidents(struct api *a, const struct api_request *q, const struct params *p,
                   struct api_answer *ret);
