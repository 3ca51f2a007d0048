/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/derive.h"
#include "feature/evaluator.h"
#include "source/host.h"

/* What this machine may lack although its source is right. */
static bool may_be_absent(const struct host *h, const struct feature *f)
{
    if (strcmp(f->group, "pressure") == 0)
        return strstr(host_missing(h), "pressure") != NULL;
    /* needs a kernel of 5.5, a disk, a filesystem on one, a network: containers lack them */
    return strcmp(f->group, "disk") == 0 || strcmp(f->group, "filesystem") == 0 ||
           strcmp(f->group, "network") == 0;
}

static void every_feature_is_finite_on_this_machine(const char *name)
{
    const struct host_paths paths = {"/proc", "/sys", "/"};
    struct host *h = NULL;
    struct profile *p = NULL;
    struct evaluator *e = NULL;
    struct deriver *d = NULL;
    struct err err = {0};
    float frame[SCHEMA_FEATURES_MAX] = {0};

    if (host_open(&paths, &h, &err) != OK || profile_load(name, 1000, &p, &err) != OK ||
        evaluator_new(p, 1000, &e, &err) != OK || deriver_new(p, &d, &err) != OK)
        fail_msg("%s", err.msg);
    for (int64_t t = 1; t <= 3; t++) { /* the clock is a parameter, so nobody waits */
        struct snapshot *s = NULL;
        if (host_collect(h, 1000 * t, &s, &err) != OK || evaluator_push(e, s, &err) != OK)
            fail_msg("%s", err.msg);
        snapshot_free(s);
        evaluator_eval(e, 1000 * t, frame);
        deriver_apply(d, 1000 * t, frame);
    }
    const struct schema *schema = profile_schema(p);
    for (size_t i = 0; i < schema->n; i++)
        if (!isfinite(frame[i]) && !may_be_absent(h, &schema->f[i]))
            fail_msg("%s has no value", schema->f[i].name);
    deriver_free(d);
    evaluator_free(e);
    profile_free(p);
    host_close(h);
}

static void node_has_a_value_for_every_feature(void **state)
{
    (void)state;
    every_feature_is_finite_on_this_machine("node");
}

static void classic_has_a_value_for_every_feature(void **state)
{
    (void)state;
    every_feature_is_finite_on_this_machine("classic");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_has_a_value_for_every_feature),
        cmocka_unit_test(classic_has_a_value_for_every_feature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
