/* SPDX-License-Identifier: Apache-2.0 */
/* What is put is read: rows, their replacement, their order. */
#include "fixture.h"

#include <jansson.h>

struct one_frame {
    size_t rows, n;
    float values[SCHEMA_FEATURES_MAX];
};

static bool copy_frame(void *arg, int64_t ts_ms, const float *frame, size_t n)
{
    struct one_frame *f = arg;

    (void)ts_ms;
    memcpy(f->values, frame, n * sizeof *frame);
    f->n = n;
    f->rows++;
    return true;
}

static void frames_come_back_bit_for_bit(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "db1:9100");
    struct store_reader *r;
    struct one_frame got = {0};
    /* a quiet NaN, one with a payload, a negative one, minus zero, a denormal */
    static const uint32_t bits[N] = {0x7fc00000, 0x7fc01234, 0xffc00001, 0x80000000, 0x00000001};
    float frame[N];

    memcpy(frame, bits, sizeof frame);
    WORKS(store_put_frame(x->store, id, 1000, x->schema->hash, frame, N, E));
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(
        store_read_frames(r, "db1:9100", x->schema->hash, 1000, 1000, false, copy_frame, &got, E));
    store_reader_close(r);
    assert_int_equal(got.rows, 1);
    assert_int_equal(got.n, N);
    assert_memory_equal(got.values, bits, sizeof bits);
}

static void the_widest_schema_fits_and_a_wider_frame_is_refused(void **state)
{
    struct fixture *x = *state;
    static float wide[SCHEMA_FEATURES_MAX + 1];
    static struct one_frame got;
    struct store_reader *r;
    struct err err;
    const int64_t id = new_entity(x, "wide");

    got = (struct one_frame){0};
    for (size_t i = 0; i <= SCHEMA_FEATURES_MAX; i++)
        wide[i] = (float)i;
    for (int64_t t = 0; t < 40; t++) /* more than one chunk of the reader */
        WORKS(store_put_frame(x->store, id, t, x->schema->hash, wide, SCHEMA_FEATURES_MAX, E));
    assert_int_equal(
        store_put_frame(x->store, id, 99, x->schema->hash, wide, SCHEMA_FEATURES_MAX + 1, &err),
        E_LIMIT);
    assert_int_equal(store_put_frame(x->store, id, 99, x->schema->hash, wide, 0, &err), E_LIMIT);
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_frames(r, "wide", x->schema->hash, 0, 100, false, copy_frame, &got, E));
    store_reader_close(r);
    assert_int_equal(got.rows, 40);
    assert_memory_equal(got.values, wide, SCHEMA_FEATURES_MAX * sizeof(float));
}

static bool copy_score(void *arg, const struct store_score *row)
{
    *(struct store_score *)arg = *row;
    return true;
}

static void scores_come_back_with_nan_as_nan(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    struct verdict v = {.ts_ms = 5,
                        .score = 0.1f,
                        .evidence = 0.3f,
                        .threshold = 0.1998f,
                        .confidence = 0.75f,
                        .anomalous = true};
    struct store_reader *r;
    struct store_score got;

    WORKS(store_put_score(x->store, id, UINT64_MAX, &v, E));
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_scores(r, "a", 0, 10, copy_score, &got, E));
    assert_int_equal(got.ts_ms, 5);
    assert_true(got.score == 0.1f && got.threshold == 0.1998f && got.confidence == 0.75f);
    assert_true(got.anomalous && got.evidence == 0.3f);

    v.score = v.evidence = NAN;
    v.anomalous = false;
    WORKS(store_put_score(x->store, id, 1, &v, E));
    WORKS(store_read_scores(r, "a", 0, 10, copy_score, &got, E));
    store_reader_close(r);
    assert_true(isnan(got.score) && isnan(got.evidence));
    assert_false(got.anomalous);
    assert_int_equal(ask(x, "SELECT count(*) FROM scores WHERE score IS NULL"), 1);
}

static void a_row_of_the_same_tick_is_replaced(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    const float first[N] = {1, 2, 3, 4, 5}, second[N] = {9, 8, 7, 6, 5};
    struct store_reader *r;
    struct one_frame got = {0};

    WORKS(store_put_frame(x->store, id, 1, x->schema->hash, first, N, E));
    WORKS(store_put_frame(x->store, id, 1, x->schema->hash, second, N, E));
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_frames(r, "a", x->schema->hash, 0, 9, false, copy_frame, &got, E));
    store_reader_close(r);
    assert_int_equal(got.rows, 1);
    assert_memory_equal(got.values, second, sizeof second);
}

static void reads_are_bounded_by_time_entity_and_schema(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a"), b = new_entity(x, "b");
    struct store_reader *r;
    struct seen s = {0};

    assert_int_not_equal(a, b);
    put_ticks(x, a, 0, 1000, 1300); /* several chunks of the reader */
    put_ticks(x, b, 500, 1000, 10);
    WORKS(store_reader_open(x->path, &r, E));

    WORKS(store_read_scores(r, "a", 1000, 1200000, see_score, &s, E));
    assert_int_equal(s.rows, 1200);
    assert_int_equal(s.first_ms, 1000);
    assert_int_equal(s.last_ms, 1200000);
    assert_true(s.ascending);

    s = (struct seen){0};
    WORKS(
        store_read_frames(r, "a", x->schema->hash, INT64_MIN, INT64_MAX, false, see_frame, &s, E));
    assert_int_equal(s.rows, 1300);
    assert_true(s.ascending);

    s = (struct seen){.stop_at = 7};
    WORKS(store_read_scores(r, "a", INT64_MIN, INT64_MAX, see_score, &s, E));
    assert_int_equal(s.rows, 7);
    s = (struct seen){.stop_at = 1000};
    WORKS(
        store_read_frames(r, "a", x->schema->hash, INT64_MIN, INT64_MAX, false, see_frame, &s, E));
    assert_int_equal(s.rows, 1000);

    s = (struct seen){0};
    WORKS(store_read_frames(r, "a", x->schema->hash + 1, 0, INT64_MAX, false, see_frame, &s, E));
    WORKS(store_read_scores(r, "nobody", 0, INT64_MAX, see_score, &s, E));
    WORKS(store_read_scores(r, "a", 10, 9, see_score, &s, E));
    assert_int_equal(s.rows, 0);
    store_reader_close(r);
}

static void rows_at_the_ends_of_time_are_read_once(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    struct store_reader *r;
    struct seen s = {0};

    WORKS(store_begin(x->store, E));
    for (int64_t i = 0; i < 512; i++) /* a whole chunk, up to the last moment there is */
        WORKS(put_tick(x, id, INT64_MAX - i, E));
    WORKS(put_tick(x, id, INT64_MIN, E));
    WORKS(store_commit(x->store, E));
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_scores(r, "a", INT64_MIN + 1, INT64_MAX, see_score, &s, E));
    assert_int_equal(s.rows, 512);
    s = (struct seen){0};
    WORKS(store_read_scores(r, "a", INT64_MIN, INT64_MAX, see_score, &s, E));
    assert_int_equal(s.rows, 513);
    store_reader_close(r);
}

static void an_entity_keeps_its_number_over_a_restart(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a"), b = new_entity(x, "b");
    struct err err;
    char longest[INSTANCE_MAX + 1];
    int64_t id;

    assert_int_equal(new_entity(x, "a"), a);
    reopen(x);
    assert_int_equal(new_entity(x, "b"), b);
    assert_int_equal(new_entity(x, "a"), a);

    memset(longest, 'x', sizeof longest);
    longest[INSTANCE_MAX] = '\0';
    assert_int_equal(store_entity(x->store, longest, &id, &err), E_LIMIT);
    longest[INSTANCE_MAX - 1] = '\0';
    WORKS(store_entity(x->store, longest, &id, E));
    assert_int_equal(store_entity(x->store, "", &id, &err), E_LIMIT);
    assert_int_equal(store_entity(x->store, "\xff", &id, &err), E_PARSE);
}

static void schemas_keep_names_units_groups(void **state)
{
    struct fixture *x = *state;

    WORKS(store_put_schema(x->store, x->schema, E));
    assert_int_equal(ask(x, "SELECT hash FROM schemas"), (int64_t)x->schema->hash);
    assert_int_equal(ask(x, "SELECT json_array_length(features) FROM schemas"), N);
    assert_int_equal(ask(x, "SELECT count(*) FROM schemas, json_each(features) WHERE "
                            "json_extract(value, '$.name') = 'memory' AND json_extract(value, "
                            "'$.unit') = 'bytes' AND "
                            "json_extract(value, '$.group') = 'memory' AND json_extract(value, "
                            "'$.resolution') = 4096"),
                     1);
    assert_int_equal(ask(x, "SELECT features LIKE '%\"resolution\":0.1}%' FROM schemas"), 1);

    x->schema->f[1].unit[0] = 'B'; /* the hash covers names only */
    WORKS(store_put_schema(x->store, x->schema, E));
    assert_int_equal(ask(x, "SELECT count(*) FROM schemas"), 1);
    assert_int_equal(ask(x, "SELECT features LIKE '%Bytes%' FROM schemas"), 1);
}

static void a_frame_without_its_schema_is_refused(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    const float frame[N] = {0};
    struct err err;

    assert_int_equal(store_put_frame(x->store, id, 1, x->schema->hash ^ 1, frame, N, &err),
                     E_STATE);
    assert_non_null(strstr(err.msg, "never put"));
}

struct incidents {
    size_t n, stop_at;
    struct store_incident row[100];
    char instance[100][INSTANCE_MAX], causes[4096];
};

static bool copy_incident(void *arg, const struct store_incident *row)
{
    struct incidents *in = arg;

    assert_in_range(in->n, 0, 99);
    in->row[in->n] = *row;
    snprintf(in->instance[in->n], INSTANCE_MAX, "%s", row->instance);
    snprintf(in->causes, sizeof in->causes, "%s", row->causes_json);
    return ++in->n != in->stop_at;
}

static void an_incident_is_inserted_then_updated(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    struct incident in = {
        .kind = INCIDENT_SLOW,
        .start_ms = 100,
        .peak_ms = 120,
        .peak_score = 0.5f,
        .threshold = 0.1f,
        .n_causes = 2,
        .causes = {{1, true, 1e9f, 0.1f, 0.9f, 0}, {4, false, NAN, INFINITY, 0.1f, 0}}};
    static struct incidents got;
    struct store_reader *r;

    got = (struct incidents){0};
    WORKS(store_put_incident(x->store, id, x->schema, &in, E));
    assert_int_not_equal(in.id, 0);
    const int64_t number = in.id;
    in.peak_ms = 150;
    in.peak_score = 0.75f;
    WORKS(store_put_incident(x->store, id, x->schema, &in, E));
    assert_int_equal(in.id, number);

    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_incidents(r, NULL, 0, 1000, copy_incident, &got, E));
    store_reader_close(r);
    assert_int_equal(got.n, 1);
    assert_int_equal(got.row[0].id, number);
    assert_int_equal(got.row[0].kind, INCIDENT_SLOW);
    assert_int_equal(got.row[0].peak_ms, 150);
    assert_int_equal(got.row[0].end_ms, 0);
    assert_true(got.row[0].peak_score == 0.75f && got.row[0].threshold == 0.1f);
    assert_string_equal(got.instance[0], "a");

    json_t *causes = json_loads(got.causes, 0, NULL);
    assert_int_equal(json_array_size(causes), 2);
    const json_t *c = json_array_get(causes, 0);
    assert_string_equal(json_string_value(json_object_get(c, "feature")), "memory");
    assert_string_equal(json_string_value(json_object_get(c, "group")), "memory");
    assert_string_equal(json_string_value(json_object_get(c, "unit")), "bytes");
    assert_true(json_real_value(json_object_get(c, "value")) == 1e9);
    assert_true(json_real_value(json_object_get(c, "expected")) == 0.1);
    assert_true(json_real_value(json_object_get(c, "share")) == 0.9);
    assert_true(json_is_true(json_object_get(c, "restore")));
    c = json_array_get(causes, 1);
    assert_true(json_is_null(json_object_get(c, "value")));
    assert_true(json_is_null(json_object_get(c, "expected")));
    assert_true(json_is_false(json_object_get(c, "restore")));
    json_decref(causes);
}

static void a_cause_that_the_schema_has_not_is_refused(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    struct incident in = {.start_ms = 1, .n_causes = 1, .causes = {{.feature = N}}};
    struct err err;

    assert_int_equal(store_put_incident(x->store, id, x->schema, &in, &err), E_LIMIT);
    assert_int_equal(in.id, 0);
}

static void incidents_that_overlap_come_newest_first(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a"), b = new_entity(x, "b");
    static struct incidents got;
    struct store_reader *r;

    for (int64_t i = 0; i < 80; i++) { /* pairs that start together; more than one chunk */
        struct incident in = {.start_ms = i / 2 * 100, .end_ms = i / 2 * 100 + 50};
        WORKS(store_put_incident(x->store, i % 2 ? a : b, x->schema, &in, E));
    }
    struct incident open = {.start_ms = 20};
    WORKS(store_put_incident(x->store, a, x->schema, &open, E));
    WORKS(store_reader_open(x->path, &r, E));

    got = (struct incidents){0};
    WORKS(store_read_incidents(r, NULL, INT64_MIN, INT64_MAX, copy_incident, &got, E));
    assert_int_equal(got.n, 81);
    for (size_t i = 1; i < got.n; i++)
        assert_true(
            got.row[i].start_ms < got.row[i - 1].start_ms ||
            (got.row[i].start_ms == got.row[i - 1].start_ms && got.row[i].id < got.row[i - 1].id));

    got = (struct incidents){0};
    WORKS(store_read_incidents(r, "a", 1050, 1200, copy_incident, &got, E));
    assert_int_equal(got.n, 4); /* 1200, 1100, the one that ends at 1050, the open one */
    assert_int_equal(got.row[0].start_ms, 1200);
    assert_int_equal(got.row[2].end_ms, 1050);
    assert_int_equal(got.row[3].id, open.id);
    for (size_t i = 0; i < got.n; i++)
        assert_string_equal(got.instance[i], "a");

    got = (struct incidents){.stop_at = 40};
    WORKS(store_read_incidents(r, NULL, INT64_MIN, INT64_MAX, copy_incident, &got, E));
    assert_int_equal(got.n, 40);
    store_reader_close(r);
}

static void orphans_are_closed_at_their_last_score(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a"), b = new_entity(x, "b");
    struct incident open = {.start_ms = 5000, .peak_ms = 6000},
                    closed = {.start_ms = 1, .end_ms = 2}, bare = {.start_ms = 70, .peak_ms = 75},
                    fresh = {.start_ms = 90000};

    put_ticks(x, a, 0, 1000, 9);
    WORKS(store_put_incident(x->store, a, x->schema, &open, E));
    WORKS(store_put_incident(x->store, a, x->schema, &closed, E));
    WORKS(store_put_incident(x->store, b, x->schema, &bare, E)); /* never had a score */
    WORKS(store_close_orphans(x->store, E));
    assert_int_equal(ask(x, "SELECT count(*) FROM incidents WHERE end_ms IS NULL"), 2);

    reopen(x);
    WORKS(store_put_incident(x->store, a, x->schema, &fresh, E));
    WORKS(store_close_orphans(x->store, E));
    assert_int_equal(ask(x, "SELECT end_ms FROM incidents WHERE start_ms = 5000"), 8000);
    assert_int_equal(ask(x, "SELECT end_ms FROM incidents WHERE start_ms = 1"), 2);
    assert_int_equal(ask(x, "SELECT end_ms FROM incidents WHERE start_ms = 70"), 75);
    assert_int_equal(ask(x, "SELECT end_ms IS NULL FROM incidents WHERE start_ms = 90000"), 1);
}

static void the_model_put_last_is_the_newest(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a");
    const struct store_model early = {.created_ms = 2000,
                                      .model_id = 0xfedcba9876543210,
                                      .schema_hash = x->schema->hash,
                                      .file = "early.tsm",
                                      .provenance = "{\"rows\":1}"};
    /* made while the clock was wrong: still the newest */
    const struct store_model late = {.created_ms = 1000,
                                     .model_id = 2,
                                     .schema_hash = x->schema->hash,
                                     .file = "late.tsm",
                                     .provenance = "{\"rows\":2}"};
    struct store_model got;
    struct store_reader *r;
    struct err err;

    WORKS(store_reader_open(x->path, &r, E));
    assert_int_equal(store_read_model(r, "a", x->schema->hash, &got, &err), E_STATE);
    WORKS(store_put_model(x->store, a, &early, E));
    WORKS(store_read_model(r, "a", x->schema->hash, &got, E));
    assert_int_equal(got.created_ms, 2000);
    assert_true(got.model_id == 0xfedcba9876543210);
    assert_string_equal(got.file, "early.tsm");
    assert_string_equal(got.provenance, "{\"rows\":1}");
    WORKS(store_put_model(x->store, a, &late, E));
    WORKS(store_read_model(r, "a", x->schema->hash, &got, E));
    assert_string_equal(got.file, "late.tsm");
    WORKS(store_put_model(x->store, a, &early, E)); /* the same one again */
    WORKS(store_read_model(r, "a", x->schema->hash, &got, E));
    assert_string_equal(got.file, "early.tsm");
    assert_int_equal(ask(x, "SELECT count(*) FROM models"), 2);
    assert_int_equal(store_read_model(r, "b", x->schema->hash, &got, &err), E_STATE);
    store_reader_close(r);
}

static void the_last_scores_are_found(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a"), b = new_entity(x, "b");
    int64_t first = 0, last = 0;
    struct store_reader *r;
    bool more = true;

    put_ticks(x, a, 10, 10, 100); /* 10 to 1000 */
    put_ticks(x, b, 5, 10, 100);
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_last_scores(r, "a", 2000, 100, &first, &last, &more, E));
    assert_true(first == 10 && last == 1000 && !more);
    WORKS(store_last_scores(r, "a", 2000, 99, &first, &last, &more, E));
    assert_true(first == 20 && last == 1000 && more);
    WORKS(store_last_scores(r, "a", 505, 3, &first, &last, &more, E));
    assert_true(first == 480 && last == 500 && more);
    WORKS(store_last_scores(r, "a", 9, 3, &first, &last, &more, E));
    assert_true(last < first && !more);
    WORKS(store_last_scores(r, "nobody", 2000, 3, &first, &last, &more, E));
    assert_true(last < first && !more);
    store_reader_close(r);
}

static void a_model_is_found_by_its_schema(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a");
    const struct store_model node = {.created_ms = 1,
                                     .model_id = 11,
                                     .schema_hash = 0x8000000000000001,
                                     .file = "node.tsm",
                                     .provenance = "{}"};
    const struct store_model classic = {.created_ms = 2,
                                        .model_id = 12,
                                        .schema_hash = 5,
                                        .file = "classic.tsm",
                                        .provenance = "{}"};
    struct store_model got;
    struct store_reader *r;
    struct err err;

    WORKS(store_put_model(x->store, a, &node, E));
    WORKS(store_put_model(x->store, a, &classic, E));
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_model(r, "a", 0x8000000000000001, &got, E));
    assert_string_equal(got.file, "node.tsm");
    WORKS(store_read_model(r, "a", 5, &got, E));
    assert_string_equal(got.file, "classic.tsm");
    assert_int_equal(store_read_model(r, "a", 6, &got, &err), E_STATE);
    store_reader_close(r);
}

static void frames_in_an_incident_can_be_left_out(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a"), b = new_entity(x, "b");
    struct incident past = {.start_ms = 100, .end_ms = 399}, open = {.start_ms = 1000},
                    other = {.start_ms = 500, .end_ms = 600};
    struct store_reader *r;
    struct seen s = {0};

    put_ticks(x, a, 0, 1, 1100);
    WORKS(store_put_incident(x->store, a, x->schema, &past, E));
    WORKS(store_put_incident(x->store, a, x->schema, &open, E));
    WORKS(store_put_incident(x->store, b, x->schema, &other, E));
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_frames(r, "a", x->schema->hash, 0, 9999, true, see_frame, &s, E));
    assert_int_equal(s.rows, 700); /* 0..99 and 400..999, over the borders of several chunks */
    assert_int_equal(s.last_ms, 999);
    s = (struct seen){0};
    WORKS(store_read_frames(r, "a", x->schema->hash, 99, 400, true, see_frame, &s, E));
    assert_int_equal(s.rows, 2);
    s = (struct seen){0};
    WORKS(store_read_frames(r, "a", x->schema->hash, 0, 9999, false, see_frame, &s, E));
    assert_int_equal(s.rows, 1100);
    store_reader_close(r);
}

static void forgetting_takes_models_and_frames_of_one_entity(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a"), b = new_entity(x, "b");
    const struct store_model m = {
        .created_ms = 1, .model_id = 2, .schema_hash = 3, .file = "m.tsm", .provenance = "{}"};
    struct incident in = {.start_ms = 1, .end_ms = 2};
    struct err err;

    put_ticks(x, a, 0, 1, 2500); /* more than one transaction deletes */
    put_ticks(x, b, 0, 1, 10);
    WORKS(store_put_model(x->store, a, &m, E));
    WORKS(store_put_model(x->store, b, &m, E));
    WORKS(store_put_incident(x->store, a, x->schema, &in, E));
    WORKS(store_begin(x->store, E));
    assert_int_equal(store_forget(x->store, "a", &err), E_STATE);
    WORKS(store_commit(x->store, E));

    WORKS(store_forget(x->store, "nobody", E));
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 2510);
    WORKS(store_forget(x->store, "a", E));
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 10);
    assert_int_equal(ask(x, "SELECT count(*) FROM models"), 1);
    assert_int_equal(ask(x, "SELECT count(*) FROM scores"), 2510);
    assert_int_equal(ask(x, "SELECT count(*) FROM incidents"), 1);
}

static void an_open_transaction_is_committed_at_the_close(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a");

    WORKS(store_begin(x->store, E));
    WORKS(put_tick(x, a, 1, E));
    reopen(x);
    assert_int_equal(ask(x, "SELECT count(*) FROM frames"), 1);
}

static void transactions_do_not_nest(void **state)
{
    struct fixture *x = *state;
    struct err err;
    uint64_t deleted;

    assert_int_equal(store_commit(x->store, &err), E_STATE);
    WORKS(store_begin(x->store, E));
    assert_int_equal(store_begin(x->store, &err), E_STATE);
    assert_int_equal(store_prune(x->store, 0, 0, 0, &deleted, &err), E_STATE);
    WORKS(store_commit(x->store, E));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_come_back_bit_for_bit),
        TEST(the_widest_schema_fits_and_a_wider_frame_is_refused),
        TEST(scores_come_back_with_nan_as_nan),
        TEST(a_row_of_the_same_tick_is_replaced),
        TEST(reads_are_bounded_by_time_entity_and_schema),
        TEST(rows_at_the_ends_of_time_are_read_once),
        TEST(an_entity_keeps_its_number_over_a_restart),
        TEST(schemas_keep_names_units_groups),
        TEST(a_frame_without_its_schema_is_refused),
        TEST(an_incident_is_inserted_then_updated),
        TEST(a_cause_that_the_schema_has_not_is_refused),
        TEST(incidents_that_overlap_come_newest_first),
        TEST(orphans_are_closed_at_their_last_score),
        TEST(the_model_put_last_is_the_newest),
        TEST(the_last_scores_are_found),
        TEST(a_model_is_found_by_its_schema),
        TEST(frames_in_an_incident_can_be_left_out),
        TEST(forgetting_takes_models_and_frames_of_one_entity),
        TEST(an_open_transaction_is_committed_at_the_close),
        TEST(transactions_do_not_nest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
