/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../rng_normal.h"
#include "base/hash.h"
#include "base/mem.h"
#include "model/model_file.h"
#include "model/model_private.h"
#include "model/news.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static float some_float(struct rng *rng)
{
    return (float)rng_normal(rng) * powf(10, 8 * rng_float(rng) - 4);
}

static void fill_scaler(struct scaler *s, size_t n, struct rng *rng)
{
    struct err err;

    assert_int_equal(scaler_alloc(n, s, &err), OK);
    s->rows = 1000;
    for (size_t i = 0; i < n; i++) {
        s->low[i] = some_float(rng);
        s->span[i] = fabsf(some_float(rng)) + 1e-6f;
        s->median[i] = some_float(rng);
        s->constant[i] = (uint8_t)rng_below(rng, SCALER_WEIGHTLESS + 1);
        s->seen[i] = rng_below(rng, 1001);
        s->longest_still[i] = s->seen[i] / 2;
    }
}

/* Every third has no season. */
static void fill_season_and_units(struct model *m, size_t n, struct rng *rng)
{
    const size_t slots = n % 3 ? 4 + rng_below(rng, SEASON_SLOTS - 3) : 0;
    struct err err;

    m->interval_ms = 1 + rng_below(rng, 100000);
    m->season = (struct season){.slots = slots, .n = n, .place = slots ? 0.25f : 0};
    if (slots)
        m->season.offset = mem_array(slots * n, sizeof *m->season.offset);
    for (size_t i = 0; i < slots * n; i++)
        m->season.offset[i] = some_float(rng);
    assert_int_equal(model_alloc_units(m, n, &err), OK);
    for (size_t i = 0; i < n; i++) {
        m->unit_level[i] = fabsf(some_float(rng)) + 1e-6f;
        m->unit_change[i] = fabsf(some_float(rng)) + 1e-6f;
        m->worst[i] = 1 + (NEWS_WORST_MAX - 1) * rng_float(rng);
    }
}

static struct tail some_tail(struct rng *rng)
{
    struct tail t = {.n = 1 + rng_below(rng, 5),
                     .exposure_ms = 1000 + (int64_t)rng_below(rng, 99),
                     .floor = rng_float(rng),
                     .confirm = {3, 5}};

    t.peak = mem_array(t.n, sizeof *t.peak);
    for (size_t i = 0; i < t.n; i++)
        t.peak[i] = (struct tail_peak){1 + rng_float(rng), rng_float(rng)};
    return t;
}

static void assert_same_tail(const struct tail *a, const struct tail *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->peak, b->peak, b->n * sizeof *b->peak);
    assert_true(a->exposure_ms == b->exposure_ms && a->floor == b->floor);
    assert_true(a->confirm.k == b->confirm.k && a->confirm.of == b->confirm.of);
}

/* A model of n features with a hidden layer of `width`; any will do for a file. */
static struct model *some_model(size_t n, uint32_t width, uint64_t seed)
{
    const uint32_t widths[] = {width, (uint32_t)n};
    const enum activation acts[] = {ACT_RELU, ACT_SIGMOID};
    struct feature f[16] = {0};
    struct model *m = mem_alloc(sizeof *m);
    struct rng rng;
    struct err err;

    rng_init(&rng, seed);
    atomic_init(&m->refs, 1);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(f[i].name, sizeof f[i].name, "feature_%zu", i);
        (void)snprintf(f[i].unit, sizeof f[i].unit, "bytes/s");
        f[i].resolution = i % 2 ? fabsf(some_float(&rng)) : 0;
    }
    assert_int_equal(schema_new(f, n, &m->schema, &err), OK);
    schema_define(m->schema, seed);
    fill_scaler(&m->scaler, n, &rng);
    m->scaler.constant[0] = SCALER_WEIGHTLESS;
    for (size_t i = 0; i < n; i++)
        m->schema->f[i].weightless = m->scaler.constant[i] == SCALER_WEIGHTLESS;
    assert_int_equal(net_init_layers(&m->net, n, widths, acts, 2, &err), OK);
    for (size_t i = 0; i < m->net.n_params; i++)
        m->net.params[i] = some_float(&rng);
    m->clip_low = -1;
    m->clip_high = 2;
    m->stats = (struct model_stats){100, 50, 0.01, 0.02, 0.003, 77};
    fill_season_and_units(m, n, &rng);
    m->n_scores = rng_below(&rng, 9);
    m->scores = mem_array(m->n_scores, sizeof *m->scores);
    for (size_t i = 0; i < m->n_scores; i++)
        m->scores[i] = (i ? m->scores[i - 1] : 0) + rng_float(&rng);
    m->tail = some_tail(&rng);
    m->trained = some_tail(&rng);
    m->threshold_spec = (struct threshold_spec){.method = THRESHOLD_SIGMA, .value = 3};
    m->threshold = 0.1998f;
    m->threshold_widening = 1.25f;
    m->provenance = (struct model_provenance){.created_ms = 5, .first_ms = -1, .seed = seed};
    (void)snprintf(m->provenance.instance, sizeof m->provenance.instance, "db1:9100");
    (void)snprintf(m->provenance.profile, sizeof m->provenance.profile, "node");
    return m;
}

static struct buf encode(const struct model *m)
{
    struct buf b;

    buf_init(&b, MODEL_BYTES_MAX);
    model_encode(m, &b);
    assert_false(b.failed);
    return b;
}

/* Decoding fails with rc and a message that names the file; nothing is written. */
static void assert_refused(const char *p, size_t n, enum rc rc, const char *words)
{
    struct model *m = NULL;
    struct err err = {0};

    assert_int_equal(model_decode(p, n, "some.tsm", &m, &err), rc);
    assert_int_equal(err.rc, rc);
    assert_null(m);
    if (!strstr(err.msg, "'some.tsm'") || !strstr(err.msg, words))
        fail_msg("expected the name and '%s', found '%s'", words, err.msg);
}

static void put_checksum(struct buf *b)
{
    const uint64_t h = hash_bytes(b->p, b->n - MODEL_CHECKSUM_SIZE, 0);

    memcpy(b->p + b->n - MODEL_CHECKSUM_SIZE, &h, sizeof h); /* tests run on little-endian */
}

static void every_part_of_a_model_survives_its_file(void **state)
{
    (void)state;
    struct model *m = some_model(5, 3, 1), *back = NULL;
    struct buf b = encode(m);
    struct err err = {0};

    if (model_decode(b.p, b.n, "some.tsm", &back, &err) != OK)
        fail_msg("%s", err.msg);
    assert_int_equal(schema_match(m->schema, back->schema, &err), OK);
    assert_string_equal(back->schema->f[1].unit, "bytes/s");
    assert_memory_equal(&back->stats, &m->stats, sizeof m->stats);
    assert_memory_equal(&back->provenance, &m->provenance, sizeof m->provenance);
    assert_int_equal(back->scaler.rows, 1000);
    for (size_t i = 0; i < 5; i++) {
        assert_true(back->scaler.low[i] == m->scaler.low[i]);
        assert_true(back->scaler.span[i] == m->scaler.span[i]);
        assert_true(back->scaler.median[i] == m->scaler.median[i]);
        assert_true(back->scaler.constant[i] == m->scaler.constant[i]);
        assert_true(back->scaler.seen[i] == m->scaler.seen[i]);
        assert_true(back->scaler.longest_still[i] == m->scaler.longest_still[i]);
        assert_true(back->unit_level[i] == m->unit_level[i]);
        assert_true(back->unit_change[i] == m->unit_change[i]);
        assert_true(back->worst[i] == m->worst[i]);
        assert_true(back->schema->f[i].resolution == m->schema->f[i].resolution);
        assert_true(back->schema->f[i].weightless == m->schema->f[i].weightless);
    }
    assert_int_equal(back->interval_ms, m->interval_ms);
    assert_int_equal(back->season.n, 5);
    assert_in_range(back->season.slots, 4, SEASON_SLOTS);
    assert_int_equal(back->season.slots, m->season.slots);
    assert_true(back->season.place == m->season.place);
    assert_memory_equal(back->season.offset, m->season.offset, m->season.slots * 5 * sizeof(float));
    assert_int_equal(back->net.n_layers, 2);
    assert_int_equal(back->net.layer[0].out, 3);
    assert_int_equal(back->net.layer[1].act, ACT_SIGMOID);
    assert_memory_equal(back->net.params, m->net.params, m->net.n_params * sizeof(float));
    assert_int_equal(back->n_scores, m->n_scores);
    assert_memory_equal(back->scores, m->scores, m->n_scores * sizeof(float));
    assert_same_tail(&back->tail, &m->tail);
    assert_same_tail(&back->trained, &m->trained);
    assert_true(back->threshold == m->threshold && back->threshold_widening == 1.25f);
    assert_int_equal(back->threshold_spec.method, THRESHOLD_SIGMA);
    assert_true(back->clip_low == -1 && back->clip_high == 2);
    model_unref(m);
    model_unref(back);
    buf_done(&b);
}

static void decoding_and_encoding_again_gives_the_same_bytes_and_id(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct model *m = some_model(1 + seed % 16, 1 + (uint32_t)seed % 7, seed), *back = NULL;
        struct buf a = encode(m), b;
        struct err err = {0};
        if (model_decode(a.p, a.n, "some.tsm", &back, &err) != OK)
            fail_msg("%s", err.msg);
        b = encode(back);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.p, b.p, a.n);
        assert_true(model_id(m) == model_id(back));
        assert_memory_equal(a.p + a.n - 8, &(uint64_t){model_id(m)}, 8);
        m->threshold = nextafterf(m->threshold, 1);
        assert_true(model_id(m) != model_id(back));
        model_unref(m);
        model_unref(back);
        buf_done(&a);
        buf_done(&b);
    }
}

static void every_single_flipped_bit_is_refused(void **state)
{
    (void)state;
    struct model *m = some_model(3, 2, 2);
    struct buf b = encode(m);

    for (size_t bit = 0; bit < b.n * 8; bit++) {
        b.p[bit / 8] = (char)(b.p[bit / 8] ^ (1 << bit % 8));
        assert_refused(b.p, b.n, E_PARSE,
                       bit < 64        ? "another kind of file"
                       : bit / 64 == 2 ? "cut or damaged"
                                       : "damaged");
        b.p[bit / 8] = (char)(b.p[bit / 8] ^ (1 << bit % 8));
    }
    model_unref(m);
    buf_done(&b);
}

static void every_cut_file_and_every_longer_one_is_refused(void **state)
{
    (void)state;
    struct model *m = some_model(3, 2, 3);
    struct buf b = encode(m);

    for (size_t n = 0; n < b.n; n++) {
        char *copy = malloc(n + 1); /* exact size: a sanitizer sees a read past it */
        memcpy(copy, b.p, n);
        assert_refused(copy, n, E_PARSE, n < 8 ? "expected a tocsin model file" : "it is cut");
        free(copy);
    }
    buf_add(&b, "x", 1);
    assert_refused(b.p, b.n, E_PARSE, "it is cut or damaged");
    model_unref(m);
    buf_done(&b);
}

static void a_foreign_file_and_another_version_are_named(void **state)
{
    (void)state;
    static const char text[] = "timestamp,a\n1,2\nlong enough to be a model file, but it is not\n";
    struct model *m = some_model(3, 2, 4);
    struct buf b = encode(m);

    assert_refused(text, sizeof text - 1, E_PARSE, "found another kind of file");
    assert_refused("", 0, E_PARSE, "found an empty file");
    b.p[8] = MODEL_VERSION + 1;
    put_checksum(&b);
    assert_refused(b.p, b.n, E_STATE, "newer tocsin");
    b.p[8] = MODEL_VERSION - 1;
    put_checksum(&b);
    assert_refused(b.p, b.n, E_STATE, "older tocsin; learn anew");
    b.p[8] = 0;
    put_checksum(&b);
    assert_refused(b.p, b.n, E_PARSE, "expected a model file of version 6, found 0");
    model_unref(m);
    buf_done(&b);
}

/* Where the content of a section begins. */
static size_t section_at(const struct buf *b, const char *tag)
{
    const char *p = memmem(b->p, b->n, tag, 4);

    assert_non_null(p);
    return (size_t)(p - b->p) + MODEL_SECTION_HEAD;
}

static void wrong_content_under_a_right_checksum_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *tag;
        ptrdiff_t offset; /* in the section */
        const char *bytes;
        size_t n;
    } patch[] = {
        {"PROV", 0, "XXXX", 0}, /* n 0: patch the tag instead */
        {"PROV", 40, "\xff\xff", 2},
        {"PROV", 42, "\xff", 1},
        {"SCHM", 0, "\x00", 1}, /* the hash */
        {"SCHM", 16, "\x00\x00\x00\x00", 4},
        {"SCHM", 16, "\x01\x04\x00\x00", 4},
        {"SCHM", 22, "1", 1},
        {"SCAL", 8, "\x00\x00\xc0\x7f", 4},      /* a NaN */
        {"SCAL", 8 + 12, "\x00\x00\x00\x00", 4}, /* a span of 0 */
        {"SCAL", 8 + 36, "\x04", 1},
        {"SCAL", 8 + 39, "\xff\xff\xff\xff\xff\xff\xff\xff", 8},
        {"SEAS", 7, "\xff", 1},             /* an interval under 0 */
        {"SEAS", 8, "\xff\xff\xff\xff", 4}, /* slots: far too many, one too many, */
        {"SEAS", 8, "\x61\x00\x00\x00", 4},
        {"SEAS", 8, "\x03\x00\x00\x00", 4},  /* and other than what follows */
        {"SEAS", 12, "\x00\x00\xc0\x7f", 4}, /* a place that is none, and one past the slot */
        {"SEAS", 12, "\x01\x00\x80\x3f", 4},
        {"SEAS", 16, "\x00\x00\x80\x7f", 4}, /* an infinite offset */
        {"UNIT", 0, "\x00\x00\x00\x00", 4},  /* a unit of 0 */
        {"UNIT", 20, "\x00\x00\x80\xbf", 4}, /* one under it, the last of the changes */
        {"UNIT", 4, "\x00\x00\x80\x7f", 4},
        {"UNIT", 32, "\xff\xff\x7f\x3f", 4}, /* a worst a little under 1 */
        {"UNIT", 32, "\x00\x00\x80\x7f", 4},
        {"UNIT", 32, "\x00\xe0\x93\x44", 4}, /* a little over the most: 1183 */
        {"UNIT", -8, "\x17\x00\x00\x00\x00\x00\x00\x00", 8},
        {"NETW", 0, "\x00\x00\x00\x41", 4}, /* clip_low over clip_high */
        {"NETW", 8, "\x00\x00\x00\x00", 4},
        {"NETW", 8, "\xff\xff\xff\xff", 4},
        {"NETW", 12, "\x00\x00\x00\x00", 4},
        {"NETW", 12, "\x00\x10\x00\x00", 4},
        {"NETW", 16, "\x04\x00\x00\x00", 4},
        {"NETW", 20, "\x02\x00\x00\x00", 4},
        {"NETW", 28, "\x00\x00\x80\x7f", 4},                 /* an infinite weight */
        {"STAT", -8, "\x2b\x00\x00\x00\x00\x00\x00\x00", 8}, /* one byte short */
        {"SCOR", 0, "\xff\xff\xff\xff", 4},
        {"TAIL", 7, "\x80", 1},              /* a time under 0 */
        {"TAIL", 8, "\x00\x00\x00\x00", 4},  /* confirmed by none */
        {"TAIL", 8, "\x06\x00\x00\x00", 4},  /* by 6 of 5 */
        {"TAIL", 12, "\x41\x00\x00\x00", 4}, /* of 65 */
        {"TAIL", 16, "\x00\x00\xc0\x7f", 4},
        {"TAIL", 20, "\xff\xff\xff\xff", 4},
        {"TAIL", 24, "\x00\x00\x80\x7f", 4},
        {"TRND", 7, "\x80", 1},
        {"TRND", 20, "\xff\xff\xff\xff", 4},
        {"THRS", 0, "\x06\x00\x00\x00", 4},
        {"THRS", 0, "\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 12}, /* 0 a week */
        {"THRS", 12, "\x00\x00\xc0\x7f", 4},
        {"THRS", -8, "\x00\x00\x00\x00\x00\x00\x00\x00", 8}, /* a length of 0 */
        {"THRS", -8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8}, /* and a huge one */
        {"PROV", -8, "\x01\x00\x00\x00\x00\x00\x00\x00", 8},
    };
    struct model *m = some_model(3, 2, 6); /* which has no season: give it one */

    mem_free(m->season.offset);
    m->season = (struct season){4, 3, 0.5f, mem_array(12, sizeof(float))};

    for (size_t i = 0; i < COUNT(patch); i++) {
        struct buf b = encode(m);
        const size_t at = section_at(&b, patch[i].tag);
        if (patch[i].n == 0)
            memcpy(b.p + at - MODEL_SECTION_HEAD, patch[i].bytes, 4);
        else
            memcpy(b.p + at + patch[i].offset, patch[i].bytes, patch[i].n);
        put_checksum(&b);
        assert_refused(b.p, b.n, E_PARSE, "section");
        buf_done(&b);
    }
    model_unref(m);
}

static void every_failed_allocation_is_said_and_leaks_nothing(void **state)
{
    (void)state;
    struct model *m = some_model(4, 2, 7);
    struct buf b = encode(m);
    uint64_t n = 0;

    for (enum rc rc = E_NOMEM; rc != OK;) {
        struct model *back = NULL;
        struct err err = {0};
        mem_fail_at(++n);
        rc = model_decode(b.p, b.n, "some.tsm", &back, &err);
        assert_true(rc == OK || (rc == E_NOMEM && err.msg[0] != '\0' && !back));
        model_unref(back);
        assert_true(n < 100);
    }
    mem_fail_at(0);
    assert_true(n > 5);
    model_unref(m);
    buf_done(&b);
}

static void a_saved_model_is_loaded_from_its_path(void **state)
{
    (void)state;
    char path[] = "/tmp/test_model_fileXXXXXX";
    struct model *m = some_model(4, 2, 8), *back = NULL;
    struct err err = {0};

    close(mkstemp(path));
    assert_int_equal(model_save(m, path, &err), OK);
    assert_int_equal(model_load(path, &back, &err), OK);
    assert_true(model_id(back) == model_id(m));
    unlink(path);
    model_unref(back);
    back = NULL;
    assert_int_equal(model_load(path, &back, &err), E_IO);
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(model_save(m, "/nowhere/at/all", &err), E_IO);
    model_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_of_a_model_survives_its_file),
        cmocka_unit_test(decoding_and_encoding_again_gives_the_same_bytes_and_id),
        cmocka_unit_test(every_single_flipped_bit_is_refused),
        cmocka_unit_test(every_cut_file_and_every_longer_one_is_refused),
        cmocka_unit_test(a_foreign_file_and_another_version_are_named),
        cmocka_unit_test(wrong_content_under_a_right_checksum_is_refused),
        cmocka_unit_test(every_failed_allocation_is_said_and_leaks_nothing),
        cmocka_unit_test(a_saved_model_is_loaded_from_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
