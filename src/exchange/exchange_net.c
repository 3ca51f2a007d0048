/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "exchange/exchange.h"

enum rc exchange_facts_add(struct exchange_facts *f, struct str key, struct str value,
                           struct err *err)
{
    if (f->n == EXCHANGE_FACTS_MAX)
        return err_set(err, E_LIMIT, "over %d facts of a model", EXCHANGE_FACTS_MAX);
    if (key.n >= EXCHANGE_NAME_MAX || value.n > EXCHANGE_FACT_BYTES_MAX)
        return err_set(err, E_LIMIT,
                       "a fact of a model of %zu and %zu bytes: expected under %d "
                       "and %d",
                       key.n, value.n, EXCHANGE_NAME_MAX, EXCHANGE_FACT_BYTES_MAX);
    if (!str_is_utf8(key) || !str_is_utf8(value))
        return err_set(err, E_PARSE, "a fact of a model is no UTF-8 text");
    struct exchange_fact *const fact = &f->v[f->n];
    fact->key = mem_strndup(key.p, key.n);
    fact->value = mem_strndup(value.p, value.n);
    if (!fact->key || !fact->value) {
        mem_free(fact->key);
        mem_free(fact->value);
        *fact = (struct exchange_fact){0};
        return err_set(err, E_NOMEM, "no memory for the facts of a model");
    }
    f->n++;
    return OK;
}

const char *exchange_facts_get(const struct exchange_facts *f, const char *key)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->v[i].key, key) == 0)
            return f->v[i].value;
    return NULL;
}

enum rc exchange_facts_check_raw(const struct exchange_facts *f, struct err *err)
{
    const char *const score = exchange_facts_get(f, EXCHANGE_SCORE);

    if (!score || str_starts(str_of(score), STR("none")))
        return OK;
    return err_set(err, E_PARSE,
                   "it is an export of tocsin with scaler and score: expected the bare network, as "
                   "`tocsin export --raw` writes it");
}

void exchange_facts_done(struct exchange_facts *f)
{
    for (size_t i = 0; i < f->n; i++) {
        mem_free(f->v[i].key);
        mem_free(f->v[i].value);
    }
    *f = (struct exchange_facts){0};
}

enum rc exchange_net_add(struct exchange_net *net, uint32_t in, uint32_t out,
                         struct exchange_layer **ret, struct err *err)
{
    if (net->n_layers == EXCHANGE_LAYERS_MAX)
        return err_set(err, E_LIMIT, "over %d dense layers", EXCHANGE_LAYERS_MAX);
    if (in == 0 || in > NET_WIDTH_MAX || out == 0 || out > NET_WIDTH_MAX)
        return err_set(err, E_LIMIT, "a dense layer of %u inputs and %u outputs: expected 1 to %d",
                       in, out, NET_WIDTH_MAX);
    const uint32_t before = net->n_layers ? net->layer[net->n_layers - 1].out : in;
    if (in != before)
        return err_set(err, E_PARSE, "a dense layer takes %u values, what is before it gives %u",
                       in, before);
    const size_t weights = (size_t)in * out; /* widths are limited: no overflow */
    if (net->n_params + weights + out > NET_PARAMS_MAX)
        return err_set(err, E_LIMIT, "a network of over %d parameters", NET_PARAMS_MAX);
    float *const block = mem_array(weights + out, sizeof *block);
    if (!block)
        return err_set(err, E_NOMEM, "no memory for a layer of %zu parameters", weights + out);
    struct exchange_layer *const layer = &net->layer[net->n_layers];
    *layer = (struct exchange_layer){in, out, ACT_LINEAR, block, block + weights};
    if (net->n_layers++ == 0)
        net->n_inputs = in;
    net->n_params += weights + out;
    *ret = layer;
    return OK;
}

enum rc exchange_net_activate(struct exchange_net *net, enum activation act, struct err *err)
{
    if (net->n_layers == 0)
        return err_set(err, E_PARSE, "an activation stands before the first dense layer");
    struct exchange_layer *const last = &net->layer[net->n_layers - 1];
    if (act == ACT_LINEAR)
        return OK;
    if (last->act != ACT_LINEAR)
        return err_set(err, E_PARSE, "two activations stand behind dense layer %zu", net->n_layers);
    last->act = act;
    return OK;
}

enum rc exchange_net_check(const struct exchange_net *net, struct err *err)
{
    if (net->n_layers == 0)
        return err_set(err, E_PARSE, "there is no dense layer in it");
    for (size_t l = 0; l < net->n_layers; l++) {
        const struct exchange_layer *const layer = &net->layer[l];
        const size_t n = (size_t)layer->in * layer->out + layer->out;

        for (size_t i = 0; i < n; i++)
            if (!isfinite(layer->W[i]))
                return err_set(err, E_PARSE, "dense layer %zu has a parameter that is not finite",
                               l + 1);
    }
    return OK;
}

enum rc exchange_net_of(const struct model *m, struct exchange_net *ret, struct err *err)
{
    CLEANUP(exchange_net_done) struct exchange_net net = {0};

    for (size_t l = 0; l < m->net.n_layers; l++) {
        const struct net_layer *const from = &m->net.layer[l];
        struct exchange_layer *to = NULL;

        if (exchange_net_add(&net, from->in, from->out, &to, err) != OK)
            return err->rc;
        to->act = from->act;
        memcpy(to->b, from->b, from->out * sizeof *to->b);
        for (size_t o = 0; o < from->out; o++)
            for (size_t i = 0; i < from->in; i++)
                to->W[o * from->in + i] = from->W[i * from->out + o];
    }
    *ret = net;
    net = (struct exchange_net){0};
    return OK;
}

void exchange_net_done(struct exchange_net *net)
{
    for (size_t l = 0; l < net->n_layers; l++)
        mem_free(net->layer[l].W);
    exchange_facts_done(&net->facts);
    *net = (struct exchange_net){0};
}

double exchange_activate(enum activation act, double v)
{
    switch (act) {
    case ACT_RELU:
        return v > 0 ? v : 0;
    case ACT_SIGMOID:
        return 1 / (1 + exp(-v));
    case ACT_TANH:
        return tanh(v);
    case ACT_LINEAR:
    case ACT_AUTO: /* of no layer */
        break;
    }
    return v;
}

void exchange_layer_sums(const struct exchange_layer *layer, const double *x, double *sums)
{
    for (size_t o = 0; o < layer->out; o++) {
        const float *const w = layer->W + o * layer->in;
        double sum = (double)layer->b[o];

        for (size_t i = 0; i < layer->in; i++)
            sum += (double)w[i] * x[i];
        sums[o] = sum;
    }
}

enum rc exchange_net_run(const struct exchange_net *net, const float *x, float *y, struct err *err)
{
    CLEANUP(mem_freep) double *block = mem_array(NET_WIDTH_MAX, 2 * sizeof *block);
    if (!block)
        return err_set(err, E_NOMEM, "no memory to run a network");
    double *from = block, *to = block + NET_WIDTH_MAX;

    for (size_t i = 0; i < net->n_inputs; i++)
        from[i] = (double)x[i];
    for (size_t l = 0; l < net->n_layers; l++) {
        const struct exchange_layer *const layer = &net->layer[l];

        exchange_layer_sums(layer, from, to);
        for (size_t o = 0; o < layer->out; o++)
            to[o] = exchange_activate(layer->act, to[o]);
        double *const free_half = from;
        from = to;
        to = free_half;
    }
    for (size_t o = 0; net->n_layers && o < net->layer[net->n_layers - 1].out; o++)
        y[o] = (float)from[o];
    return OK;
}

enum exchange_format exchange_format_of(const void *p, size_t n)
{
    enum { ID_AT = 4, ID_SIZE = 4 }; /* a FlatBuffer's file identifier */
    const uint8_t *const bytes = p;

    if (n >= ID_AT + ID_SIZE && memcmp(bytes + ID_AT, "TFL3", ID_SIZE) == 0)
        return EXCHANGE_TFLITE;
    /* A protobuf message has no mark of its own. A ModelProto begins with a field of its first 25,
     * which all writers put in ascending order: ir_version, field 1, a varint. Ours and those of
     * Keras and PyTorch do. */
    return n > 1 && bytes[0] == 0x08 ? EXCHANGE_ONNX : EXCHANGE_UNKNOWN;
}
