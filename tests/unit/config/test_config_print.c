/* SPDX-License-Identifier: Apache-2.0 */
#include "config_fixture.h"

#include "base/rng.h"

static void assert_round_trip(const struct config *c)
{
    CLEANUP(buf_done) struct buf text;
    struct config again;
    struct err err = {0};

    buf_init(&text, 1 << 16);
    config_print(c, NULL, &text);
    assert_false(text.failed);
    if (config_parse((struct str){text.p, text.n}, "printed", &again, &err) != OK)
        fail_msg("%s in:\n%s", err.msg, text.p);
    assert_same(c, &again);
}

static void random_text(struct rng *r, char *out, size_t room)
{
    static const char *const bits[] = {"a",
                                       "Z",
                                       "0",
                                       "/",
                                       ".",
                                       ":",
                                       "-",
                                       " ",
                                       "#",
                                       "\"",
                                       "'",
                                       "\\",
                                       "$",
                                       "{",
                                       "}",
                                       "${",
                                       "$${",
                                       "~",
                                       "é",
                                       "…",
                                       "!",
                                       "null",
                                       "\xf0\x9f\x94\x94",
                                       "[",
                                       ",",
                                       "%"};
    const size_t n = 1 + rng_below(r, 12);

    out[0] = '\0';
    for (size_t i = 0, at = 0; i < n && at + 8 < room; i++)
        at += (size_t)snprintf(out + at, room - at, "%s",
                               bits[rng_below(r, sizeof bits / sizeof *bits)]);
    if (out[0] == '~')
        out[0] = '_';
}

static void random_config(struct rng *r, struct config *c)
{
    static const char *const listens[] = {"127.0.0.1:8001", "[::1]:0", "0.0.0.0:65535"};
    static const double levels[] = {
        [THRESHOLD_PERCENTILE] = 100, [THRESHOLD_SIGMA] = 10, [THRESHOLD_FIXED] = 1e6,
        [THRESHOLD_BUDGET] = 6e5,     [THRESHOLD_AUTO] = 0,   [THRESHOLD_STAGED] = 6e5};

    config_defaults(c);
    (void)snprintf(c->listen, sizeof c->listen, "%s", listens[rng_below(r, 3)]);
    random_text(r, c->data_dir, sizeof c->data_dir);
    random_text(r, c->profile, sizeof c->profile);
    random_text(r, c->host.instance, sizeof c->host.instance);
    random_text(r, c->host.rootfs, sizeof c->host.rootfs);
    (void)snprintf(c->share, sizeof c->share, "%s", rng_below(r, 2) ? "role_2" : "");
    c->host.interval_ms = 100 + (int64_t)rng_below(r, 3599900);
    c->learn.validation = 1e-9 + (double)rng_float(r) * 0.98;
    const int64_t enough = 24 + (int64_t)(17 / (1 - c->learn.validation));
    c->learn.for_ms = enough * c->host.interval_ms + (int64_t)rng_below(r, 1000000000);
    c->learn.seed = rng_u64(r);
    c->learn.scaling = rng_below(r, 2) ? SCALING_QUANTILE : SCALING_MINMAX;
    c->learn.n_layers = rng_below(r, NET_LAYERS_MAX + 1);
    for (size_t i = 0; i < c->learn.n_layers; i++)
        c->learn.layers[i] = 1 + (uint32_t)rng_below(r, NET_WIDTH_MAX);
    c->learn.hidden = (enum activation)rng_below(r, 4);
    c->learn.output = (enum activation)rng_below(r, 4);
    c->learn.epochs = 1 + (uint32_t)rng_below(r, 100000);
    c->learn.learning_rate = 1e-12 + (double)rng_float(r) * 0.99;
    c->learn.feature_dropout = (double)rng_float(r) * 0.9;
    c->threshold.method = (enum threshold_method)rng_below(r, 6);
    c->threshold.value = (c->threshold.method == THRESHOLD_AUTO      ? 0
                          : threshold_is_budget(c->threshold.method) ? BUDGET_LEAST
                                                                     : 1e-9) +
                         (double)rng_float(r) * levels[c->threshold.method] * 0.999;
    if (threshold_is_budget(c->threshold.method))
        c->threshold.scope = (enum threshold_scope)rng_below(r, 2);
    if (threshold_is_budget(c->threshold.method) && rng_below(r, 2))
        c->threshold.observe =
            fmin(c->threshold.value * (1 + (double)rng_float(r)) + 1e-3, BUDGET_MOST);
    c->confirm.of = 1 + (uint32_t)rng_below(r, 64);
    c->confirm.k = 1 + (uint32_t)rng_below(r, c->confirm.of);
    c->retention.max_age_ms = 60000 + (int64_t)(rng_u64(r) % 1000000000000);
    c->retention.max_size_bytes = (1 << 20) + rng_u64(r) % (UINT64_C(1) << 40);
    c->log.level = (enum log_level)rng_below(r, 4);
    c->log.format = (enum log_format)rng_below(r, 2);
}

static void printed_configuration_reads_back_the_same(void **state)
{
    struct config c;
    struct rng r;
    (void)state;

    config_defaults(&c);
    assert_round_trip(&c);
    rng_init(&r, 7);
    for (int i = 0; i < 2000; i++) {
        random_config(&r, &c);
        assert_round_trip(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printed_configuration_reads_back_the_same),
    };
    return cmocka_run_group_tests_name("config: print", tests, with_home, NULL);
}
