/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "model/train.h"

enum { N = 8, TRAIN = 300, VALIDATION = 80 };

struct material {
    struct train_set train, validation;
    float z[(TRAIN + VALIDATION) * N], hidden[N];
    uint8_t weight[(TRAIN + VALIDATION) * N];
};

/* Rows in [0,1] that follow two hidden loads; the last rows are the validation set. */
static void fill(struct material *m, uint64_t seed)
{
    struct rng rng;

    rng_init(&rng, seed);
    for (size_t r = 0; r < TRAIN + VALIDATION; r++) {
        const float a = rng_float(&rng), b = rng_float(&rng);
        for (size_t i = 0; i < N; i++)
            m->z[r * N + i] = 0.1f + 0.7f * (i % 2 ? a : b) + 0.1f * rng_float(&rng);
    }
    memset(m->weight, 1, sizeof m->weight);
    for (size_t i = 0; i < N; i++)
        m->hidden[i] = 0.5f;
    m->train = (struct train_set){TRAIN, N, m->z, m->weight, NULL};
    m->validation =
        (struct train_set){VALIDATION, N, m->z + TRAIN * N, m->weight + TRAIN * N, NULL};
}

static struct net start(const struct learn_spec *spec)
{
    struct net net;
    struct err err;

    assert_int_equal(net_init(&net, N, spec, &err), OK);
    return net;
}

static struct train_result train(struct net *net, const struct material *m,
                                 const struct learn_spec *spec, train_progress_fn *progress,
                                 void *arg)
{
    struct train_result result;
    struct err err;

    assert_int_equal(
        train_net(net, &m->train, &m->validation, m->hidden, spec, progress, arg, &result, &err),
        OK);
    return result;
}

/* Mean error by net_forward, the way a user of the network sees it; skip: a feature whose input is
 * replaced by `hidden`, or -1. */
static double mse_of(const struct net *net, const struct material *m, int skip)
{
    float *work = mem_array_aligned(2 * net->max_width, sizeof *work);
    double sum = 0;

    for (size_t r = 0; r < m->validation.rows; r++) {
        float x[N], y[N];
        memcpy(x, m->validation.z + r * N, sizeof x);
        if (skip >= 0)
            x[skip] = m->hidden[skip];
        net_forward(net, x, y, work);
        for (size_t i = 0; i < N; i++) {
            const double d = (double)y[i] - (double)m->validation.z[r * N + i];
            sum += d * d;
        }
    }
    mem_free(work);
    return sum / (double)(m->validation.rows * N);
}

static void training_learns_what_goes_together(void **state)
{
    (void)state;
    static struct material m;
    struct learn_spec spec = fixture_spec();

    fill(&m, 1);
    struct net net = start(&spec);
    const double before = mse_of(&net, &m, -1);
    spec.epochs = 100;
    const struct train_result result = train(&net, &m, &spec, NULL, NULL);
    assert_true(result.validation_mse < before / 10);
    assert_true(result.epochs > 0 && result.epochs <= 100);
    assert_true(fabs(mse_of(&net, &m, -1) - result.validation_mse) < 1e-9);
    net_done(&net);
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    (void)state;
    static struct material m;
    struct learn_spec spec = fixture_spec();

    fill(&m, 1);
    struct net a = start(&spec), b = start(&spec);
    (void)train(&a, &m, &spec, NULL, NULL);
    (void)train(&b, &m, &spec, NULL, NULL);
    assert_memory_equal(a.params, b.params, a.n_params * sizeof(float));
    spec.seed++;
    struct net c = start(&spec);
    (void)train(&c, &m, &spec, NULL, NULL);
    assert_memory_not_equal(a.params, c.params, a.n_params * sizeof(float));
    net_done(&a);
    net_done(&b);
    net_done(&c);
}

static uint64_t hash_of_trained(const struct material *m, const struct learn_spec *spec)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    struct net net = start(spec);

    (void)train(&net, m, spec, NULL, NULL);
    for (size_t i = 0; i < net.n_params; i++) {
        uint32_t bits;
        memcpy(&bits, &net.params[i], sizeof bits);
        hash = (hash ^ bits) * 1099511628211u;
    }
    net_done(&net);
    return hash;
}

/* What any machine must come to: the weights' sum is a figure kept here, so that a compiler or a
 * library that changes one bit is noticed. */
static void training_gives_the_bits_that_other_machines_got(void **state)
{
    (void)state;
    static struct material m;
    struct learn_spec spec = fixture_spec();

    fill(&m, 1);
    assert_int_equal(hash_of_trained(&m, &spec), 0x93385a77e18999a0);
    spec.hidden = ACT_RELU;
    spec.output = ACT_SIGMOID;
    spec.feature_dropout = 0.1;
    assert_int_equal(hash_of_trained(&m, &spec), 0xf9ad4622dd2440f6);
}

struct history {
    double best;
    uint32_t best_epoch, last_epoch, of, stop_at;
};

static bool remember(void *arg, uint32_t done, uint32_t of, double mse)
{
    struct history *const h = arg;

    if (done == 1 || mse < h->best) {
        h->best = mse;
        h->best_epoch = done;
    }
    h->last_epoch = done;
    h->of = of;
    return done != h->stop_at;
}

static void early_stopping_keeps_the_best_weights(void **state)
{
    (void)state;
    static struct material m;
    struct learn_spec spec = fixture_spec();
    struct history h = {0};

    fill(&m, 1);
    spec.learning_rate = 0.05; /* so that it jumps about */
    spec.patience = 5;
    spec.epochs = 400;
    struct net net = start(&spec);
    const struct train_result result = train(&net, &m, &spec, remember, &h);
    assert_int_equal(result.epochs, h.best_epoch);
    assert_true(result.validation_mse == h.best);
    assert_int_equal(h.last_epoch, h.best_epoch + 5);
    assert_true(fabs(mse_of(&net, &m, -1) - h.best) < 1e-9);
    net_done(&net);
}

static void no_patience_runs_all_epochs_and_still_keeps_the_best(void **state)
{
    (void)state;
    static struct material m;
    struct learn_spec spec = fixture_spec();
    struct history h = {0};

    fill(&m, 1);
    spec.learning_rate = 0.05;
    spec.patience = 0;
    spec.epochs = 60;
    struct net net = start(&spec);
    (void)train(&net, &m, &spec, remember, &h);
    assert_int_equal(h.last_epoch, 60);
    assert_true(h.best_epoch < 60);
    assert_true(fabs(mse_of(&net, &m, -1) - h.best) < 1e-9);
    net_done(&net);
}

static void feature_dropout_teaches_to_do_without_a_feature(void **state)
{
    (void)state;
    static struct material m;
    struct learn_spec spec = fixture_spec();
    double missing[2];

    fill(&m, 1);
    spec.epochs = 150;
    spec.patience = 0;
    for (int with = 0; with < 2; with++) {
        spec.feature_dropout = with ? 0.1 : 0;
        struct net net = start(&spec);
        (void)train(&net, &m, &spec, NULL, NULL);
        missing[with] = 0;
        for (int i = 0; i < N; i++)
            missing[with] += mse_of(&net, &m, i) / N;
        if (with)
            assert_true(missing[with] < 2.5 * mse_of(&net, &m, -1));
        net_done(&net);
    }
    assert_true(missing[1] < missing[0]);
}

static void what_carries_no_weight_leaves_no_trace(void **state)
{
    (void)state;
    static struct material a, b;
    struct learn_spec spec = fixture_spec();

    fill(&a, 1);
    fill(&b, 1);
    spec.feature_dropout = 0;
    /* Feature 3 is shown as the same constant in both; only what its loss would be asked for
     * differs, by rows that do not count at all. */
    for (size_t r = 0; r < TRAIN + VALIDATION; r++) {
        a.weight[r * N + 3] = b.weight[r * N + 3] = 0;
        a.z[r * N + 3] = b.z[r * N + 3] = 0.5f;
        if (r % 5 == 0) {
            memset(a.weight + r * N, 0, N);
            memset(b.weight + r * N, 0, N);
            for (size_t i = 0; i < N; i++)
                b.z[r * N + i] = 0.9f;
        }
    }
    struct net x = start(&spec), y = start(&spec);
    const struct train_result rx = train(&x, &a, &spec, NULL, NULL);
    const struct train_result ry = train(&y, &b, &spec, NULL, NULL);
    assert_true(rx.validation_mse == ry.validation_mse);
    assert_memory_equal(x.params, y.params, x.n_params * sizeof(float));
    net_done(&x);
    net_done(&y);
}

static void an_output_that_never_counts_is_never_trained(void **state)
{
    (void)state;
    static struct material m;
    struct learn_spec spec = fixture_spec();

    fill(&m, 1);
    for (size_t r = 0; r < TRAIN + VALIDATION; r++)
        m.weight[r * N + 3] = 0;
    struct net net = start(&spec), before = start(&spec);
    (void)train(&net, &m, &spec, NULL, NULL);
    const struct net_layer *const last = &net.layer[net.n_layers - 1];
    const struct net_layer *const first = &before.layer[net.n_layers - 1];
    for (size_t i = 0; i < last->in; i++) {
        assert_true(last->W[i * N + 3] == first->W[i * N + 3]);
        assert_true(last->W[i * N + 2] != first->W[i * N + 2]);
    }
    assert_true(last->b[3] == 0 && last->b[2] != 0);
    net_done(&net);
    net_done(&before);
}

static void units_start_on_for_most_rows(void **state)
{
    (void)state;
    static struct material m;
    struct learn_spec spec = fixture_spec();

    fill(&m, 1);
    spec.hidden = ACT_RELU;
    spec.epochs = 1;
    spec.learning_rate = 1e-9; /* as good as not trained */
    for (spec.seed = 1; spec.seed <= 10; spec.seed++) {
        struct net net = start(&spec);
        (void)train(&net, &m, &spec, NULL, NULL);
        for (size_t j = 0; j < net.layer[0].out; j++) {
            int on = 0;
            for (size_t r = 0; r < TRAIN; r++) {
                double sum = (double)net.layer[0].b[j];
                for (size_t i = 0; i < N; i++)
                    sum +=
                        (double)m.z[r * N + i] * (double)net.layer[0].W[i * net.layer[0].out + j];
                on += sum > 0;
            }
            assert_in_range(on, TRAIN * 6 / 10, TRAIN);
        }
        net_done(&net);
    }
}

static void few_rows_get_more_epochs_unless_the_user_says_how_many(void **state)
{
    (void)state;
    struct learn_spec spec = fixture_spec();

    spec.batch_size = 16;
    spec.epochs = 7;
    assert_int_equal(train_epochs(&spec, 96), 7);
    spec.epochs = 0;
    assert_int_equal(train_epochs(&spec, 100000), TRAIN_EPOCHS);
    assert_in_range(train_epochs(&spec, 600) * 38, TRAIN_STEPS, TRAIN_STEPS + 38);
    assert_in_range(train_epochs(&spec, 96) * 6, TRAIN_STEPS, TRAIN_STEPS + 6);
    assert_int_equal(train_epochs(&spec, 1), TRAIN_EPOCHS_MAX);
}

static void cancelling_and_empty_material_are_said_in_words(void **state)
{
    (void)state;
    static struct material m;
    struct learn_spec spec = fixture_spec();
    struct history h = {.stop_at = 3};
    struct train_result result;
    struct err err;

    fill(&m, 1);
    struct net net = start(&spec), kept = start(&spec);
    assert_int_equal(
        train_net(&net, &m.train, &m.validation, m.hidden, &spec, remember, &h, &result, &err),
        E_STATE);
    assert_string_equal(err.msg, "training was cancelled after 3 of 30 epochs");
    assert_memory_equal(net.params, kept.params, net.n_params * sizeof(float));
    memset(m.weight + TRAIN * N, 0, VALIDATION * N);
    assert_int_equal(
        train_net(&net, &m.train, &m.validation, m.hidden, &spec, NULL, NULL, &result, &err),
        E_STATE);
    assert_string_equal(err.msg, "nothing to learn from: no feature that moved in training is "
                                 "present in the validation rows");
    memset(m.weight, 0, sizeof m.weight);
    assert_int_equal(
        train_net(&net, &m.train, &m.validation, m.hidden, &spec, NULL, NULL, &result, &err),
        E_STATE);
    assert_string_equal(err.msg, "nothing to learn from: no feature moved in the training rows");
    net_done(&net);
    net_done(&kept);
}

/* A feature that is far off in a tenth of the validation rows. */
static void a_bounded_features_wild_values_count_as_one(void **state)
{
    (void)state;
    static const uint8_t bounded[N] = {[3] = 1};
    struct learn_spec spec = fixture_spec();
    static struct material m;
    double mse[2];

    spec.output = ACT_SIGMOID; /* which cannot follow it there */
    for (int turn = 0; turn < 2; turn++) {
        struct net net = start(&spec);
        fill(&m, 1);
        m.validation.bounded = turn ? bounded : NULL;
        for (size_t r = TRAIN; r < TRAIN + VALIDATION; r += 10)
            m.z[r * N + 3] = 100;
        mse[turn] = train(&net, &m, &spec, NULL, NULL).validation_mse;
        net_done(&net);
    }
    assert_true(mse[0] > 0.1 * 99 * 99 / N);
    assert_true(mse[1] >= 0.1 / N && mse[1] < 0.2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bounded_features_wild_values_count_as_one),
        cmocka_unit_test(training_learns_what_goes_together),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(training_gives_the_bits_that_other_machines_got),
        cmocka_unit_test(early_stopping_keeps_the_best_weights),
        cmocka_unit_test(no_patience_runs_all_epochs_and_still_keeps_the_best),
        cmocka_unit_test(feature_dropout_teaches_to_do_without_a_feature),
        cmocka_unit_test(what_carries_no_weight_leaves_no_trace),
        cmocka_unit_test(an_output_that_never_counts_is_never_trained),
        cmocka_unit_test(units_start_on_for_most_rows),
        cmocka_unit_test(few_rows_get_more_epochs_unless_the_user_says_how_many),
        cmocka_unit_test(cancelling_and_empty_material_are_said_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
