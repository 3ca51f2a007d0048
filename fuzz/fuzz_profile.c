/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/profile.h"

#include <string.h>

#include "feature/derive.h"
#include "feature/evaluator.h"
#include "fuzz.h"

static void use(const struct profile *p)
{
    static double base[SCHEMA_FEATURES_MAX];
    static float frame[SCHEMA_FEATURES_MAX];
    const struct schema *s = profile_schema(p);
    struct evaluator *e = NULL;
    struct deriver *d = NULL;
    struct err err = {0};

    promise(profile_base_count(p) >= 1 && profile_base_count(p) <= s->n,
            "base features come first");
    for (size_t i = 0; i < profile_base_count(p); i++)
        promise(profile_promql(p, i)[0] != '\0', "each has an expression");
    promise(profile_window_ms(p) >= 0, "the window is a time");
    if (evaluator_new(p, 1000, &e, &err) == OK)
        evaluator_eval(e, 1000, base);
    else
        promise(err.rc == E_LIMIT, "only memory is bounded");
    promise(deriver_new(p, &d, &err) == OK, "memory");
    deriver_apply(d, 1000, base, frame);
    deriver_free(d);
    evaluator_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct profile *p = NULL;
    struct err err = {0};

    if (profile_parse((struct str){(const char *)data, size}, "p.yml", 1000, &p, &err) != OK) {
        promise(err.rc != OK && strncmp(err.msg, "p.yml:", 6) == 0, "a failure says where");
        promise(!p, "and leaves the output alone");
        return 0;
    }
    use(p);
    profile_free(p);
    return 0;
}
