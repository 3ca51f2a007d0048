/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/model_shelf.h"

#include <math.h>

#include "../test.h"
#include "base/mem.h"
#include "data/dataset.h"
#include "model/assemble.h"

static const struct feature features[2] = {{.name = "a"}, {.name = "b"}};
static struct schema *schema;
static struct model *model;
static struct model_shelf *shelf;

static int set_up(void **state)
{
    const struct threshold_spec t = {
        .method = THRESHOLD_PERCENTILE, .value = 99, .confirm = {3, 5}};
    const struct model_provenance provenance = {.created_ms = 1};
    struct learn_spec learn;
    struct dataset *d = NULL;
    struct err err;

    (void)state;
    settings_learn_defaults(&learn);
    learn.epochs = 2;
    if (schema_new(features, 2, &schema, &err) != OK || dataset_new(2, &d, &err) != OK ||
        model_shelf_new(&shelf, &err) != OK)
        return 1;
    for (int64_t r = 0; r < 100; r++) {
        const float frame[2] = {sinf((float)r), cosf((float)r)};
        if (dataset_append(d, 1000 * r, frame, &err) != OK)
            return 1;
    }
    const enum rc rc =
        model_train(d, NULL, schema, &learn, &t, &provenance, NULL, NULL, &model, &err);
    dataset_free(d);
    return rc != OK;
}

static int tear_down(void **state)
{
    (void)state;
    model_shelf_free(shelf);
    model_unref(model);
    schema_free(schema);
    return 0;
}

/* As read from its file: the same model in memory of its own. */
static struct model *loaded(double percentile)
{
    const struct threshold_spec t = {
        .method = THRESHOLD_PERCENTILE, .value = percentile, .confirm = {3, 5}};
    struct model *m = NULL;
    struct err err;

    assert_int_equal(model_with_threshold(model, &t, &m, &err), OK);
    return m;
}

static void a_model_that_is_there_takes_the_place_of_another_of_its_id(void **state)
{
    struct model *a = model_shelf_swap(shelf, 7, loaded(99)), *b = loaded(99), *c = loaded(99);

    (void)state;
    b = model_shelf_swap(shelf, 7, b);
    assert_ptr_equal(a, b);
    c = model_shelf_swap(shelf, 8, c); /* another one */
    assert_ptr_not_equal(a, c);
    model_unref(a);
    model_unref(b);
    model_unref(c);
}

static void one_with_another_threshold_is_another(void **state)
{
    struct model *a = model_shelf_swap(shelf, 7, loaded(99));
    struct model *b = model_shelf_swap(shelf, 7, loaded(90));

    (void)state;
    assert_ptr_not_equal(a, b);
    assert_true(b->threshold_spec.value == 90);
    model_unref(a);
    model_unref(b);
}

static void the_oldest_goes(void **state)
{
    struct model *first = model_shelf_swap(shelf, 1, loaded(99)), *again;

    (void)state;
    for (uint64_t id = 2; id < 200; id++)
        model_unref(model_shelf_swap(shelf, id, loaded(99)));
    again = model_shelf_swap(shelf, 1, loaded(99));
    assert_ptr_not_equal(first, again);
    model_unref(first);
    model_unref(again);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_model_that_is_there_takes_the_place_of_another_of_its_id),
        TEST(one_with_another_threshold_is_another),
        TEST(the_oldest_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
