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

static bool has_series(const struct snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(series_set_at(s->set, (uint32_t)i)->name, str_of(name)))
            return true;
    return false;
}

/* What a machine or a kernel may lack although its source is right. */
static bool may_be_absent(const struct host *h, const struct snapshot *s, const struct feature *f)
{
    if (strcmp(f->group, "pressure") == 0)
        return strstr(host_missing(h), "pressure") != NULL;
    if (strcmp(f->group, "disk") == 0) /* counts of flushes: Linux 5.5 */
        return !has_series(s, "node_disk_reads_completed_total") ||
               (strcmp(f->name, "disk_flushes") == 0 &&
                !has_series(s, "node_disk_flush_requests_total"));
    if (strcmp(f->group, "filesystem") == 0)
        return !has_series(s, "node_filesystem_size_bytes") ||
               strcmp(f->name, "inodes_used") == 0; /* btrfs has no fixed number of inodes */
    return strcmp(f->group, "network") == 0 && !has_series(s, "node_network_receive_bytes_total");
}

static void every_feature_is_finite_on_this_machine(const char *name)
{
    const struct host_paths paths = {"/proc", "/sys", "/"};
    struct host *h = NULL;
    struct profile *p = NULL;
    struct evaluator *e = NULL;
    struct deriver *d = NULL;
    struct err err = {0};
    double base[SCHEMA_FEATURES_MAX] = {0};
    float frame[SCHEMA_FEATURES_MAX] = {0};
    struct snapshot *s = NULL;

    if (host_open(&paths, &h, &err) != OK || profile_load(name, 1000, &p, &err) != OK ||
        evaluator_new(p, 1000, &e, &err) != OK || deriver_new(p, &d, &err) != OK)
        fail_msg("%s", err.msg);
    for (int64_t t = 1; t <= 3; t++) { /* the clock is a parameter, so nobody waits */
        snapshot_free(s);
        if (host_collect(h, 1000 * t, &s, &err) != OK || evaluator_push(e, s, &err) != OK)
            fail_msg("%s", err.msg);
        evaluator_eval(e, 1000 * t, base);
        deriver_apply(d, 1000 * t, base, frame);
    }
    const struct schema *schema = profile_schema(p);
    for (size_t i = 0; i < schema->n; i++)
        if (!isfinite(frame[i]) && !may_be_absent(h, s, &schema->f[i]))
            fail_msg("%s has no value", schema->f[i].name);
    snapshot_free(s);
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
