/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "detect/scorer.h"
#include "feature/derive.h"

/* What the resolutions of the built-in profiles promise, of a machine that was learned while still:
 * a step of less than one of them never rings, one of several does, for each base feature alone
 * with all that is derived from it. */

enum { ROWS = 300, BEFORE = 8, AFTER = 12 };

static const double NOISE = 0.02; /* of a resolution */
static const double QUIET = 0.75, LOUD = 4;

struct still {
    struct profile *profile;
    const struct schema *schema;
    size_t n_base;
    struct model *model;
    struct rng rng;
};

/* Feature i while all is still. Percentages lie just under the line where high_cpu and high_memory
 * turn over; totals go on from `total`. */
static double level(struct still *x, size_t i, int t, double total)
{
    const struct feature *f = &x->schema->f[i];

    if (strcmp(f->unit, "bytes") == 0)
        return total + 1e5 * t;
    const double noise = NOISE * (2 * (double)rng_float(&x->rng) - 1);
    if (strcmp(f->unit, "percent") == 0)
        return 79 + noise * (double)f->resolution;
    return (8 + noise) * (double)f->resolution;
}

static void make_frame(struct still *x, struct deriver *d, int t, double total, size_t feature,
                       double step, float *frame)
{
    double base[SCHEMA_FEATURES_MAX];

    for (size_t i = 0; i < x->n_base; i++)
        base[i] = level(x, i, t, total);
    if (step != 0)
        base[feature] += step * (double)x->schema->f[feature].resolution;
    deriver_apply(d, 1740088500000 + 1000 * (int64_t)t, base, frame);
}

static void start(struct still *x, const char *name)
{
    const struct model_provenance provenance = {.profile = "built-in"};
    float frame[SCHEMA_FEATURES_MAX];
    struct threshold_spec threshold;
    struct dataset *rows = NULL;
    struct deriver *d = NULL;
    struct learn_spec spec;
    struct err err;

    *x = (struct still){0};
    rng_init(&x->rng, 11);
    settings_learn_defaults(&spec);
    settings_threshold_defaults(&threshold);
    spec.epochs = 30;
    if (profile_load(name, 1000, &x->profile, &err) != OK ||
        deriver_new(x->profile, &d, &err) != OK)
        fail_msg("%s", err.msg);
    x->schema = profile_schema(x->profile);
    x->n_base = profile_base_count(x->profile);
    assert_int_equal(dataset_new(x->schema->n, &rows, &err), OK);
    for (int t = 0; t < ROWS; t++) {
        make_frame(x, d, t, 1e9, 0, 0, frame);
        assert_int_equal(dataset_append(rows, t, frame, &err), OK);
    }
    if (model_train(rows, NULL, x->schema, &spec, &threshold, &provenance, NULL, NULL, &x->model,
                    &err) != OK)
        fail_msg("%s", err.msg);
    deriver_free(d);
    dataset_free(rows);
}

static void stop(struct still *x)
{
    model_unref(x->model);
    profile_free(x->profile);
}

/* Frames that ring of AFTER, when this feature takes this step and stays there. */
static int rings(struct still *x, double total, size_t feature, double step, struct verdict *ret)
{
    float frame[SCHEMA_FEATURES_MAX];
    struct scorer *scorer = NULL;
    struct deriver *d = NULL;
    struct err err;
    int rung = 0;

    assert_int_equal(scorer_new(x->model, &scorer, &err), OK);
    assert_int_equal(deriver_new(x->profile, &d, &err), OK);
    for (int t = 0; t < BEFORE + AFTER; t++) {
        make_frame(x, d, t, total, feature, t < BEFORE ? 0 : step, frame);
        scorer_push(scorer, t, frame, ret);
        assert_false(t < BEFORE && ret->anomalous);
        rung += ret->anomalous;
    }
    deriver_free(d);
    scorer_free(scorer);
    return rung;
}

static void steps_ring_from_one_resolution_on(const char *name, size_t weighted)
{
    struct verdict v;
    struct still x;
    size_t tried = 0;

    start(&x, name);
    for (size_t i = 0; i < x.n_base; i++) {
        const struct feature *f = &x.schema->f[i];
        if (f->weightless)
            continue;
        for (int sign = -1; sign <= 1; sign += 2) {
            if (rings(&x, 1e9, i, sign * QUIET, &v) != 0)
                fail_msg("%s: rings at %g resolutions", f->name, sign * QUIET);
            if (rings(&x, 1e9, i, sign * LOUD, &v) != AFTER)
                fail_msg("%s: score %g, no more than %g, at %g resolutions", f->name,
                         (double)v.score, (double)v.threshold, sign * LOUD);
        }
        tried++;
    }
    assert_true(tried >= weighted);
    stop(&x);
}

static void node_rings_for_several_resolutions_and_not_under_one(void **state)
{
    (void)state;
    steps_ring_from_one_resolution_on("node", 40);
}

static void classic_rings_for_several_resolutions_and_not_under_one(void **state)
{
    (void)state;
    steps_ring_from_one_resolution_on("classic", 3);
}

static void classic_is_silent_however_far_its_totals_have_grown(void **state)
{
    struct verdict v;
    struct still x;

    (void)state;
    start(&x, "classic");
    assert_int_equal(rings(&x, 1e13, 0, 0, &v), 0);
    assert_int_equal(rings(&x, 0, 0, 0, &v), 0);           /* after a reboot */
    assert_int_equal(rings(&x, 1e13, 0, LOUD, &v), AFTER); /* and not deaf */
    stop(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_rings_for_several_resolutions_and_not_under_one),
        cmocka_unit_test(classic_rings_for_several_resolutions_and_not_under_one),
        cmocka_unit_test(classic_is_silent_however_far_its_totals_have_grown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
