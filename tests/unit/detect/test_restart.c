/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../rng_normal.h"
#include "base/mem.h"
#include "detect/scorer.h"
#include "model/departure.h"

/* Whatever was forgotten and read again, the same frames have the same verdicts, bit for bit; but
 * for how much each feature is a cause, which remembers for longer (model/news.h). */

enum { FEATURES = 7, TRAINING = 120, FRAMES = 100 };

/* Two features that go together, one that never moves, one that never came in training, noise; a
 * fifth of all values missing. */
static void some_frame(struct rng *rng, int i, bool later, float *frame)
{
    const float load = sinf((float)i / 9) + 0.1f * (float)rng_normal(rng);

    frame[0] = load;
    frame[1] = 1e6f * load + 1e4f * (float)rng_normal(rng);
    frame[2] = later && i % 17 == 0 ? 90 : 7;
    frame[3] = later ? (float)i : NAN;
    for (int f = 4; f < FEATURES; f++)
        frame[f] = (float)rng_normal(rng);
    for (int f = 0; f < FEATURES; f++)
        if (rng_below(rng, 5) == 0)
            frame[f] = NAN;
    if (later && i % 23 == 0)
        for (int f = 0; f < FEATURES; f++)
            frame[f] = NAN;
}

static struct model *train(uint64_t seed)
{
    struct feature f[FEATURES] = {0};
    struct learn_spec spec;
    struct threshold_spec threshold;
    const struct model_provenance provenance = {0};
    struct schema *schema;
    struct dataset *d;
    struct model *m = NULL;
    struct rng rng;
    struct err err;

    rng_init(&rng, seed);
    settings_learn_defaults(&spec);
    settings_threshold_defaults(&threshold);
    spec.seed = seed;
    spec.epochs = 5;
    spec.scaling = (enum scaling)(seed % 3);
    spec.output = seed % 2 ? ACT_SIGMOID : ACT_LINEAR;
    for (size_t i = 0; i < FEATURES; i++) {
        (void)snprintf(f[i].name, sizeof f[i].name, "f%zu", i);
        f[i].resolution = i == 2 ? 1 : 0;
    }
    assert_int_equal(schema_new(f, FEATURES, &schema, &err), OK);
    assert_int_equal(dataset_new(FEATURES, &d, &err), OK);
    for (int i = 0; i < TRAINING; i++) {
        float frame[FEATURES];
        some_frame(&rng, i, false, frame);
        assert_int_equal(dataset_append(d, i, frame, &err), OK);
    }
    if (model_train(d, NULL, schema, &spec, &threshold, &provenance, NULL, NULL, &m, &err) != OK)
        fail_msg("%s", err.msg);
    dataset_free(d);
    schema_free(schema);
    return m;
}

/* The same model by way of its file. */
static struct model *saved_and_loaded(const struct model *m)
{
    char path[] = "/tmp/test_restartXXXXXX";
    struct model *back = NULL;
    struct err err;

    close(mkstemp(path));
    if (model_save(m, path, &err) != OK || model_load(path, &back, &err) != OK)
        fail_msg("%s", err.msg);
    unlink(path);
    return back;
}

static struct scorer *new_scorer(struct model *m)
{
    struct scorer *s;
    struct err err;

    assert_int_equal(scorer_new(m, &s, &err), OK);
    return s;
}

struct run {
    struct model *model;
    float frame[FRAMES][FEATURES];
    struct verdict verdict[FRAMES]; /* scored one after the other, by the model as it was trained */
};

static struct run some_run(uint64_t seed)
{
    struct run run = {.model = train(seed)};
    struct scorer *s = new_scorer(run.model);
    struct rng rng;

    rng_init(&rng, seed + 1000);
    for (int i = 0; i < FRAMES; i++) {
        some_frame(&rng, i, true, run.frame[i]);
        scorer_push(s, i, run.frame[i], &run.verdict[i]);
    }
    scorer_free(s);
    return run;
}

static void assert_same_but_causes(const struct verdict *a, const struct verdict *b)
{
    assert_memory_equal(a, b, offsetof(struct verdict, n_causes));
    for (size_t i = 0; i < a->n_causes; i++)
        for (size_t k = 0; k < b->n_causes; k++)
            if (a->causes[i].feature == b->causes[k].feature)
                assert_true(a->causes[i].value == b->causes[k].value &&
                            a->causes[i].expected == b->causes[k].expected);
}

static void a_loaded_model_gives_the_verdicts_of_the_trained_one(void **state)
{
    (void)state;
    size_t anomalous = 0;

    for (uint64_t seed = 0; seed < 6; seed++) {
        struct run run = some_run(seed);
        struct model *m = saved_and_loaded(run.model);
        struct scorer *s = new_scorer(m);
        size_t scored = 0;
        for (int i = 0; i < FRAMES; i++) {
            struct verdict v;
            scorer_push(s, i, run.frame[i], &v);
            assert_memory_equal(&v, &run.verdict[i], sizeof v);
            scored += isfinite(v.score) ? 1 : 0;
            anomalous += v.anomalous ? 1 : 0;
        }
        assert_in_range(scored, FRAMES / 2, FRAMES - 1); /* the empty frames have none */
        scorer_free(s);
        model_unref(m);
        model_unref(run.model);
    }
    assert_in_range(anomalous, 1, 6 * FRAMES / 2); /* the comparison saw both kinds */
}

static void a_restart_before_every_frame_gives_the_same_verdicts(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 3; seed++) {
        struct run run = some_run(seed);
        for (int i = 0; i < FRAMES; i++) {
            struct model *m = saved_and_loaded(run.model);
            struct scorer *s = new_scorer(m);
            struct verdict v;
            for (int k = i < DEPARTURE_MEMORY ? 0 : i - DEPARTURE_MEMORY + 1; k <= i; k++)
                scorer_push(s, k, run.frame[k], &v);
            assert_same_but_causes(&v, &run.verdict[i]);
            scorer_free(s);
            model_unref(m);
        }
        model_unref(run.model);
    }
}

static void clearing_is_the_same_as_a_new_scorer(void **state)
{
    (void)state;
    struct run run = some_run(2);
    struct scorer *used = new_scorer(run.model);
    struct verdict v;

    for (int i = 30; i < FRAMES; i++)
        scorer_push(used, i, run.frame[i], &v);
    scorer_clear(used);
    for (int i = 0; i < FRAMES; i++) {
        scorer_push(used, i, run.frame[i], &v);
        assert_same_but_causes(&v, &run.verdict[i]);
    }
    scorer_free(used);
    model_unref(run.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loaded_model_gives_the_verdicts_of_the_trained_one),
        cmocka_unit_test(a_restart_before_every_frame_gives_the_same_verdicts),
        cmocka_unit_test(clearing_is_the_same_as_a_new_scorer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
