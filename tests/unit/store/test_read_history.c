/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

struct told {
    size_t n;
    char names[256];
    int64_t first_ms, last_ms; /* of the last one told */
};

static bool tell(void *arg, const struct store_history *row)
{
    struct told *s = arg;

    (void)snprintf(s->names + strlen(s->names), sizeof s->names - strlen(s->names), "%s,",
                   row->instance);
    s->first_ms = row->first_ms;
    s->last_ms = row->last_ms;
    return ++s->n < 3;
}

static void put(struct fixture *x, const char *instance, int64_t ts_ms, uint64_t hash)
{
    const float frame[N] = {0};
    int64_t entity;

    WORKS(store_entity(x->store, instance, &entity, E));
    WORKS(store_put_frame(x->store, entity, ts_ms, hash, frame, N, E));
}

static void each_instance_is_told_with_the_span_of_its_frames(void **state)
{
    struct fixture *x = *state;
    struct store_reader *r = NULL;
    struct told s = {0};
    int64_t entity;

    const uint64_t hash = x->schema->hash;

    WORKS(store_begin(x->store, E));
    WORKS(store_put_schema(x->store, x->schema, E));
    put(x, "b", 500, hash);
    put(x, "b", 100, hash);
    put(x, "b", 900, hash);
    WORKS(store_entity(x->store, "a", &entity, E)); /* no frames yet */
    WORKS(store_commit(x->store, E));
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_histories(r, tell, &s, E));
    assert_string_equal(s.names, "a,b,");
    assert_int_equal(s.first_ms, 100);
    assert_int_equal(s.last_ms, 900);

    WORKS(store_begin(x->store, E));
    put(x, "c", 1, hash);
    put(x, "d", 1, hash);
    WORKS(store_commit(x->store, E));
    s = (struct told){0};
    WORKS(store_read_histories(r, tell, &s, E)); /* fn says enough after three */
    assert_string_equal(s.names, "a,b,c,");
    assert_int_equal(s.first_ms, 1);
    store_reader_close(r);
}

static void frames_of_other_schemas_are_counted(void **state)
{
    struct fixture *x = *state;
    const uint64_t ours = x->schema->hash;
    struct store_reader *r = NULL;
    uint64_t n = 9;

    WORKS(store_begin(x->store, E));
    WORKS(store_put_schema(x->store, x->schema, E));
    put(x, "a", 100, ours);
    WORKS(store_commit(x->store, E));
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_other_frames(r, "a", ours, INT64_MIN, INT64_MAX, &n, E));
    assert_int_equal(n, 0);
    WORKS(store_other_frames(r, "a", ours + 1, INT64_MIN, INT64_MAX, &n, E));
    assert_int_equal(n, 1);

    struct schema *other = schema_copy(x->schema);
    assert_non_null(other);
    schema_define(other, 7);
    WORKS(store_begin(x->store, E));
    WORKS(store_put_schema(x->store, other, E));
    put(x, "a", 200, other->hash);
    put(x, "a", 300, other->hash);
    put(x, "b", 300, other->hash);
    WORKS(store_commit(x->store, E));
    WORKS(store_other_frames(r, "a", ours, INT64_MIN, INT64_MAX, &n, E));
    assert_int_equal(n, 2);
    WORKS(store_other_frames(r, "a", ours, INT64_MIN, 250, &n, E));
    assert_int_equal(n, 1);
    WORKS(store_other_frames(r, "nobody", ours, INT64_MIN, INT64_MAX, &n, E));
    assert_int_equal(n, 0);
    schema_free(other);
    store_reader_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_instance_is_told_with_the_span_of_its_frames, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(frames_of_other_schemas_are_counted, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
