/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A store of one entity, and models of it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../works.h"

#include "../rng_normal.h"
#include "base/file.h"
#include "base/mem.h"
#include "daemon/adopt.h"
#include "daemon/model_files.h"
#include "daemon/retrain.h"
#include "store/edit.h"

enum { N = 3, STEP = 1000 };

struct fixture {
    char folder[64], path[96];
    struct schema *schema;
    struct store *store;
    int64_t entity;
    atomic_bool stopping;
    struct retrain_question q;
};

static inline int set_up(void **state)
{
    static struct fixture x;
    static const struct feature f[N] = {{.name = "a", .resolution = 0.5f},
                                        {.name = "b", .resolution = 0.5f},
                                        {.name = "c", .resolution = 0.5f}};
    struct err err;

    memset(&x, 0, sizeof x);
    *state = &x;
    (void)snprintf(x.folder, sizeof x.folder, "/tmp/tocsin-retrain-XXXXXX");
    if (!mkdtemp(x.folder))
        return 1;
    (void)snprintf(x.path, sizeof x.path, "%s/t.db", x.folder);
    if (schema_new(f, N, &x.schema, &err) != OK || store_open(x.path, &x.store, &err) != OK ||
        store_put_schema(x.store, x.schema, &err) != OK ||
        store_entity(x.store, "host", &x.entity, &err) != OK)
        return 1;
    x.q = (struct retrain_question){.database = x.path,
                                    .instance = "host",
                                    .schema = x.schema,
                                    .interval_ms = STEP,
                                    .memory_ms = 5 * STEP,
                                    .spec = {0, 100000 * STEP, 20 * STEP},
                                    .confirm = {3, 5},
                                    .rows_max = RETRAIN_ROWS_MAX,
                                    .least_rows = 20,
                                    .stopping = &x.stopping};
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *x = *state;
    char command[96];

    store_close(x->store);
    schema_free(x->schema);
    (void)snprintf(command, sizeof command, "rm -r %s", x->folder);
    return system(command); /* NOLINT(concurrency-mt-unsafe,cert-env33-c) */
}

/* One load moves all; the fault lifts the first feature. */
static inline void frame_at(int64_t t, float fault, float frame[N])
{
    const float load = 10 + 4 * sinf((float)t / 10);

    for (int i = 0; i < N; i++)
        frame[i] = load * (float)(i + 1) + 0.01f * (float)((t * 7 + i * 3) % 10);
    frame[0] += fault;
}

static inline struct model *learn(struct fixture *x, const struct dataset *d)
{
    const struct model_provenance provenance = {0};
    const struct threshold_spec threshold = {.method = THRESHOLD_PERCENTILE, .value = 99.5};
    struct learn_spec spec;
    struct model *m = NULL;

    settings_learn_defaults(&spec);
    WORKS(model_train(d, NULL, x->schema, &spec, &threshold, &provenance, NULL, NULL, &m, E));
    return m;
}

static inline struct model *learn_ticks(struct fixture *x, float fault)
{
    struct dataset *d = NULL;

    WORKS(dataset_new(N, &d, E));
    for (int64_t t = 0; t < 600; t++) {
        float frame[N];
        frame_at(t, t / 30 % 2 ? fault : 0, frame);
        WORKS(dataset_append(d, t, frame, E));
    }
    struct model *m = learn(x, d);
    dataset_free(d);
    return m;
}
