/* SPDX-License-Identifier: Apache-2.0 */
/* What is owed to receivers of alerts: written with the incident, gone with its end. */
#include "fixture.h"

static const char *const both[] = {"alertmanager:http://am1", "alertmanager:http://am2"};

static struct incident put(struct fixture *x, int64_t entity, enum incident_kind kind,
                           int64_t start_ms, int64_t end_ms)
{
    struct incident in = {.kind = kind,
                          .start_ms = start_ms,
                          .peak_ms = start_ms,
                          .end_ms = end_ms,
                          .peak_score = 2,
                          .threshold = 1,
                          .n_causes = 1,
                          .causes = {{0, false, 99, 12, 0.5f, 0}}};

    WORKS(store_begin(x->store, E));
    WORKS(store_put_incident(x->store, entity, x->schema, &in, E));
    WORKS(store_commit(x->store, E));
    return in;
}

static void deliver(struct fixture *x, size_t receiver, const char *instance,
                    enum incident_kind kind, int64_t start_ms, bool over)
{
    struct store_delivery d = {
        .receiver = receiver, .kind = kind, .start_ms = start_ms, .over = over, .told_ms = 4711};

    snprintf(d.instance, sizeof d.instance, "%s", instance);
    WORKS(store_put_delivery(x->store, &d, E));
}

static void an_incident_is_owed_to_each_receiver_from_its_own_transaction_on(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    struct incident in = {.start_ms = 10, .peak_ms = 10};
    struct err err;

    put(x, id, INCIDENT_DEPARTURE, 5, 6); /* nobody is told yet */
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox"), 0);
    WORKS(store_set_receivers(x->store, both, 2, E));
    WORKS(store_begin(x->store, E));
    WORKS(store_put_incident(x->store, id, x->schema, &in, E));
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox"), 0); /* as the incident itself */
    assert_int_equal(ask(x, "SELECT count(*) FROM incidents WHERE start_ms = 10"), 0);
    WORKS(store_commit(x->store, E));
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox WHERE state = 'due'"), 2);

    WORKS(store_begin(x->store, E)); /* a failed commit keeps neither */
    in.id = 0;
    in.start_ms = 20;
    WORKS(store_put_incident(x->store, id, x->schema, &in, E));
    limit_files(1);
    assert_int_equal(store_commit(x->store, &err), E_IO);
    limit_files(RLIM_INFINITY);
    assert_int_equal(ask(x, "SELECT count(*) FROM incidents WHERE start_ms = 20"), 0);
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox"), 2);
}

static void it_is_owed_until_its_end_is_taken(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");

    WORKS(store_set_receivers(x->store, both, 2, E));
    struct incident in = put(x, id, INCIDENT_DEPARTURE, 10, 0);
    deliver(x, 0, "a", INCIDENT_DEPARTURE, 10, false);
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox WHERE state = 'sent' AND told_ms = 4711"
                            " AND receiver LIKE '%am1'"),
                     1);
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox WHERE state = 'due'"), 1);
    in.end_ms = 30;
    WORKS(store_put_incident(x->store, id, x->schema, &in, E));
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox WHERE state = 'due'"), 2);
    deliver(x, 0, "a", INCIDENT_DEPARTURE, 10, true);
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox WHERE receiver LIKE '%am2'"), 1);
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox"), 1);
    deliver(x, 1, "a", INCIDENT_DEPARTURE, 10, true);
    deliver(x, 1, "a", INCIDENT_DEPARTURE, 10, true); /* twice: at least once is what is promised */
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox"), 0);
}

static void only_the_same_entity_kind_and_earlier_starts_are_settled(void **state)
{
    struct fixture *x = *state;
    const int64_t a = new_entity(x, "a"), b = new_entity(x, "b");

    WORKS(store_set_receivers(x->store, both, 1, E));
    put(x, a, INCIDENT_DEPARTURE, 10, 20);
    put(x, a, INCIDENT_DEPARTURE, 30, 0);
    put(x, a, INCIDENT_SLOW, 10, 0);
    put(x, b, INCIDENT_DEPARTURE, 10, 0);
    deliver(x, 0, "nobody", INCIDENT_DEPARTURE, 99, true);
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox"), 4);
    deliver(x, 0, "a", INCIDENT_DEPARTURE, 30,
            false); /* the newer one rings: the older is no news */
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox"), 3);
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox JOIN incidents ON id = incident"
                            " WHERE start_ms = 30 AND state = 'sent'"),
                     1);
    deliver(x, 0, "a", INCIDENT_DEPARTURE, 30, true);
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox"), 2);
}

static void what_is_owed_to_a_receiver_that_is_gone_is_deleted(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");

    WORKS(store_set_receivers(x->store, both, 2, E));
    put(x, id, INCIDENT_DEPARTURE, 10, 0);
    WORKS(store_set_receivers(x->store, &both[1], 1, E));
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox WHERE receiver LIKE '%am2'"), 1);
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox"), 1);
    WORKS(store_set_receivers(x->store, NULL, 0, E));
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox"), 0);
    put(x, id, INCIDENT_DEPARTURE, 20, 0);
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox"), 0);
}

struct owed {
    size_t n;
    char receiver[8][64], instance[8][32];
    struct store_incident row[8];
};

static bool copy(void *arg, const char *receiver, const struct store_incident *row)
{
    struct owed *o = arg;

    snprintf(o->receiver[o->n], sizeof o->receiver[0], "%s", receiver);
    snprintf(o->instance[o->n], sizeof o->instance[0], "%s", row->instance);
    assert_non_null(strstr(row->causes_json, "\"feature\":\"cpu\""));
    o->row[o->n++] = *row;
    return true;
}

static void after_a_crash_what_was_open_is_owed_with_its_end(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    struct store_reader *r;
    struct owed got = {0};

    WORKS(store_set_receivers(x->store, both, 2, E));
    put(x, id, INCIDENT_DEPARTURE, 10, 0);
    put(x, id, INCIDENT_SLOW, 12, 0);
    deliver(x, 0, "a", INCIDENT_DEPARTURE, 10, false);
    put_ticks(x, id, 100, 1, 3);
    reopen(x);
    WORKS(store_close_orphans(x->store, E));
    WORKS(store_set_receivers(x->store, both, 2, E));
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(store_read_outbox(r, copy, &got, E));
    store_reader_close(r);
    assert_int_equal(got.n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(got.receiver[i], both[i % 2]);
        assert_string_equal(got.instance[i], "a");
        assert_int_equal(got.row[i].end_ms, 102);
        assert_int_equal(got.row[i].kind, i < 2 ? INCIDENT_DEPARTURE : INCIDENT_SLOW);
        assert_int_equal(got.row[i].start_ms, i < 2 ? 10 : 12);
        assert_true(got.row[i].peak_score == 2 && got.row[i].threshold == 1);
    }
}

static void an_incident_that_is_pruned_is_owed_no_more(void **state)
{
    struct fixture *x = *state;
    const int64_t id = new_entity(x, "a");
    uint64_t deleted;

    WORKS(store_set_receivers(x->store, both, 2, E));
    put(x, id, INCIDENT_DEPARTURE, 10, 20);
    put(x, id, INCIDENT_DEPARTURE, 1000000, 0);
    WORKS(store_prune(x->store, 2000000, 1000, UINT64_MAX, &deleted, E));
    assert_int_equal(ask(x, "SELECT count(*) FROM incidents"), 1);
    assert_int_equal(ask(x, "SELECT count(*) FROM outbox"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_incident_is_owed_to_each_receiver_from_its_own_transaction_on),
        TEST(it_is_owed_until_its_end_is_taken),
        TEST(only_the_same_entity_kind_and_earlier_starts_are_settled),
        TEST(what_is_owed_to_a_receiver_that_is_gone_is_deleted),
        TEST(after_a_crash_what_was_open_is_owed_with_its_end),
        TEST(an_incident_that_is_pruned_is_owed_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
