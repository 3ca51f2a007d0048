/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of models beside the store: what is swept, loaded, adopted. */
#include "retrain_fixture.h"

static void write_file(const struct fixture *x, const char *name)
{
    char path[160];

    (void)snprintf(path, sizeof path, "%s/models", x->folder);
    WORKS(file_mkdirs(path, E));
    (void)snprintf(path, sizeof path, "%s/models/%s", x->folder, name);
    WORKS(file_write(path, "x", 1, E));
}

static bool is_there(const struct fixture *x, const char *name)
{
    char path[160];

    (void)snprintf(path, sizeof path, "%s/models/%s", x->folder, name);
    return access(path, F_OK) == 0;
}

static void only_our_files_without_a_row_are_swept(void **state)
{
    struct fixture *x = *state;
    const struct store_model m = {.model_id = 1,
                                  .schema_hash = x->schema->hash,
                                  .file = "0000000000000001.tsm",
                                  .provenance = "{}"};
    struct store_reader *r = NULL;
    char dir[96];
    size_t removed = 0;

    (void)snprintf(dir, sizeof dir, "%s/models", x->folder);
    WORKS(store_put_model(x->store, x->entity, &m, E));
    WORKS(store_reader_open(x->path, &r, E));
    WORKS(model_files_sweep(dir, r, 0, 0, &removed, E)); /* no folder, nothing to do */
    write_file(x, "0000000000000001.tsm");
    write_file(x, "0000000000000002.tsm");
    write_file(x, "mine.tsm");
    write_file(x, "0000000000000002.tsm.bak");
    WORKS(model_files_sweep(dir, r, 1, 60000, &removed, E));
    assert_true(is_there(x, "0000000000000002.tsm")); /* too young */
    WORKS(model_files_sweep(dir, r, 1, 0, &removed, E));
    assert_int_equal(removed, 1);
    assert_false(is_there(x, "0000000000000002.tsm"));
    assert_true(is_there(x, "0000000000000001.tsm") && is_there(x, "mine.tsm") &&
                is_there(x, "0000000000000002.tsm.bak"));
    store_reader_close(r);
}

static void a_name_that_leads_out_of_the_folder_is_refused(void **state)
{
    struct fixture *x = *state;
    static const char *const names[] = {"", "../t.db", ".hidden", "a/b.tsm"};
    struct model *m = NULL;
    struct err err;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(model_files_load(x->folder, names[i], &m, &err), E_PARSE);
}

static void save(const struct fixture *x, const char *name, const struct model *m)
{
    char path[160];

    (void)snprintf(path, sizeof path, "%s/models", x->folder);
    WORKS(file_mkdirs(path, E));
    (void)snprintf(path, sizeof path, "%s/models/%s", x->folder, name);
    WORKS(model_save(m, path, E));
}

static uint64_t adopted(struct fixture *x, uint64_t in_use)
{
    struct model *m = NULL;
    struct store_model row = {0};
    char dir[96];

    (void)snprintf(dir, sizeof dir, "%s/models", x->folder);
    const struct adopt_question q = {x->path, dir, "host", x->schema->hash, in_use};
    WORKS(adopt_look(&q, &m, &row, E));
    const uint64_t id = m ? row.model_id : 0;
    model_unref(m);
    return id;
}

static void only_an_operators_choice_is_adopted(void **state)
{
    struct fixture *x = *state;
    struct model *m = learn_ticks(x, 0);
    struct store_model row = {.schema_hash = x->schema->hash, .file = "m.tsm", .provenance = "{}"};
    struct store_editor *e = NULL;

    save(x, "m.tsm", m);
    model_unref(m);
    assert_int_equal(adopted(x, 0), 0); /* nothing there yet */
    row.model_id = 1;
    WORKS(store_put_model(x->store, x->entity, &row, E));
    assert_int_equal(adopted(x, 0), 1);
    assert_int_equal(adopted(x, 1), 0);
    assert_int_equal(adopted(x, 2),
                     0); /* promoted a moment ago: no row yet, or still a candidate */
    row.model_id = 2;
    row.state = STORE_MODEL_CANDIDATE;
    WORKS(store_put_model(x->store, x->entity, &row, E));
    assert_int_equal(adopted(x, 2), 0);
    row.state = STORE_MODEL_LIVE;
    WORKS(store_put_model(x->store, x->entity, &row, E));
    assert_int_equal(adopted(x, 2), 0);
    WORKS(store_editor_open(x->path, &e, E));
    WORKS(store_edit_live(e, 1, 9, "back", STORE_MODEL_REJECTED, "taken back", E));
    store_editor_close(e);
    assert_int_equal(adopted(x, 2), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_our_files_without_a_row_are_swept),
        TEST(only_an_operators_choice_is_adopted),
        TEST(a_name_that_leads_out_of_the_folder_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
