/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
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
#include "config/config.h"

/* config_fixture - what the tests of a configuration's text share */

static inline int with_home(void **state)
{
    (void)state;
    return setenv("HOME", "/home/me", 1) || unsetenv("XDG_STATE_HOME");
}

static inline struct config loaded(const char *text)
{
    struct config c;
    struct err err = {0};

    if (config_parse(str_of(text), "f.yml", &c, &err) != OK)
        fail_msg("%s", err.msg);
    return c;
}

/* The text is refused with exactly this sentence, and nothing is written. */
static inline void refuse(const char *text, const char *sentence)
{
    struct config c = {.listen = "untouched"};
    struct err err = {0};

    if (config_parse(str_of(text), "f.yml", &c, &err) == OK)
        fail_msg("taken: %s", text);
    assert_int_equal(err.rc, E_CONFIG);
    assert_string_equal(err.msg, sentence);
    assert_string_equal(c.listen, "untouched");
}

static inline void assert_same(const struct config *a, const struct config *b)
{
    assert_string_equal(a->listen, b->listen);
    assert_string_equal(a->data_dir, b->data_dir);
    assert_string_equal(a->profile, b->profile);
    assert_int_equal(a->host.interval_ms, b->host.interval_ms);
    assert_string_equal(a->host.instance, b->host.instance);
    assert_string_equal(a->host.procfs, b->host.procfs);
    assert_string_equal(a->host.sysfs, b->host.sysfs);
    assert_string_equal(a->host.rootfs, b->host.rootfs);
    assert_string_equal(a->share, b->share);
    assert_int_equal(a->learn.for_ms, b->learn.for_ms);
    assert_memory_equal(&a->learn.validation, &b->learn.validation, sizeof(double));
    assert_int_equal(a->learn.seed, b->learn.seed);
    assert_int_equal(a->learn.scaling, b->learn.scaling);
    assert_int_equal(a->learn.n_layers, b->learn.n_layers);
    assert_memory_equal(a->learn.layers, b->learn.layers, sizeof a->learn.layers);
    assert_int_equal(a->learn.hidden, b->learn.hidden);
    assert_int_equal(a->learn.output, b->learn.output);
    assert_int_equal(a->learn.epochs, b->learn.epochs);
    assert_int_equal(a->learn.batch_size, b->learn.batch_size);
    assert_int_equal(a->learn.patience, b->learn.patience);
    assert_memory_equal(&a->learn.learning_rate, &b->learn.learning_rate, sizeof(double));
    assert_memory_equal(&a->learn.feature_dropout, &b->learn.feature_dropout, sizeof(double));
    assert_int_equal(a->retrain.every_ms, b->retrain.every_ms);
    assert_int_equal(a->retrain.window_ms, b->retrain.window_ms);
    assert_int_equal(a->retrain.quarantine_ms, b->retrain.quarantine_ms);
    assert_int_equal(a->threshold.method, b->threshold.method);
    assert_memory_equal(&a->threshold.value, &b->threshold.value, sizeof(double));
    assert_int_equal(a->threshold.scope, b->threshold.scope);
    assert_memory_equal(&a->threshold.observe, &b->threshold.observe, sizeof(double));
    assert_int_equal(a->confirm.k, b->confirm.k);
    assert_int_equal(a->confirm.of, b->confirm.of);
    assert_int_equal(a->retention.max_age_ms, b->retention.max_age_ms);
    assert_int_equal(a->retention.max_size_bytes, b->retention.max_size_bytes);
    assert_int_equal(a->log.level, b->log.level);
    assert_int_equal(a->log.format, b->log.format);
}
