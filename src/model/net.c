/* SPDX-License-Identifier: Apache-2.0 */
#include "model/net.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/kernels.h"

static uint32_t even_share(size_t n, size_t mul, size_t div)
{
    return (uint32_t)((n * mul + 2 * div - 1) / (2 * div) * 2);
}

/* Widths for n inputs: 2/3, 1/3 and 1/12 of n, up to the next even number, and back; 21 inputs give
 * the classic 14-8-4-8-14. A twelfth: the metrics of a machine move in few common ways, and the
 * narrow middle is what makes the network learn those and not the identity. The layers beside it
 * halve the way, so no single one has to squeeze it all. The middle is not under 4 (where the
 * layers beside it are not): of two units, one that training switches off is half of what can pass.
 */
static size_t derive_widths(size_t n, uint32_t *widths)
{
    enum { MIDDLE_MIN = 4 };

    widths[0] = widths[4] = even_share(n, 2, 3);
    widths[1] = widths[3] = even_share(n, 1, 3);
    widths[2] = even_share(n, 1, 12);
    if (widths[2] < MIDDLE_MIN)
        widths[2] = widths[1] < MIDDLE_MIN ? widths[1] : MIDDLE_MIN;
    return 5;
}

static enum rc check_widths(size_t n, const uint32_t *widths, size_t n_layers, struct err *err)
{
    if (n == 0 || n > NET_WIDTH_MAX)
        return err_set(err, E_LIMIT, "a network of %zu inputs: expected 1 to %d", n, NET_WIDTH_MAX);
    if (n_layers == 0 || n_layers > NET_LAYERS_MAX + 1)
        return err_set(err, E_LIMIT, "a network of %zu layers: expected 1 to %d", n_layers,
                       NET_LAYERS_MAX + 1);
    for (size_t l = 0; l < n_layers; l++) {
        if (widths[l] == 0)
            return err_set(err, E_CONFIG, "layer %zu is 0 wide: expected 1 to %d", l + 1,
                           NET_WIDTH_MAX);
        if (widths[l] > NET_WIDTH_MAX)
            return err_set(err, E_LIMIT, "layer %zu is %u wide: expected 1 to %d", l + 1, widths[l],
                           NET_WIDTH_MAX);
    }
    if (widths[n_layers - 1] != n)
        return err_set(err, E_CONFIG, "the last layer is %u wide: expected the input's %zu",
                       widths[n_layers - 1], n);
    return OK;
}

enum rc net_init_layers(struct net *ret, size_t n, const uint32_t *widths,
                        const enum activation *acts, size_t n_layers, struct err *err)
{
    const enum rc rc = check_widths(n, widths, n_layers, err);
    if (rc != OK)
        return rc;

    struct net net = {.n_layers = n_layers};
    size_t widest = n, in = n;
    for (size_t l = 0; l < n_layers; l++) {
        const size_t out = widths[l];
        net.n_params += in * out + out; /* widths are limited: no overflow */
        widest = out > widest ? out : widest;
        in = out;
    }
    if (net.n_params > NET_PARAMS_MAX)
        return err_set(err, E_LIMIT, "a network of %zu parameters: expected %d at most",
                       net.n_params, NET_PARAMS_MAX);
    net.max_width = (uint32_t)kernel_padded(widest);
    net.params = mem_array_aligned(net.n_params + KERNEL_PAD, sizeof *net.params);
    if (!net.params)
        return err_set(err, E_NOMEM, "no memory for a network of %zu parameters", net.n_params);

    const float *p = net.params;
    in = n;
    for (size_t l = 0; l < n_layers; l++) {
        const size_t out = widths[l];
        net.layer[l] = (struct net_layer){
            .in = (uint32_t)in, .out = (uint32_t)out, .act = acts[l], .W = p, .b = p + in * out};
        p += in * out + out;
        in = out;
    }
    *ret = net;
    return OK;
}

static void fill_glorot(struct net *net, uint64_t seed)
{
    struct rng rng;
    float *p = net->params;

    rng_init(&rng, seed);
    for (size_t l = 0; l < net->n_layers; l++) {
        const struct net_layer *const layer = &net->layer[l];
        const float limit = (float)sqrt(6.0 / ((double)layer->in + (double)layer->out));

        for (size_t i = 0; i < (size_t)layer->in * layer->out; i++)
            *p++ = (2 * rng_float(&rng) - 1) * limit;
        p += layer->out; /* biases stay 0 */
    }
}

enum rc net_init(struct net *ret, size_t n, const struct learn_spec *spec, struct err *err)
{
    uint32_t widths[NET_LAYERS_MAX + 1] = {0};
    enum activation acts[NET_LAYERS_MAX + 1];
    size_t n_layers = spec->n_layers;

    if (n_layers > NET_LAYERS_MAX)
        return err_set(err, E_LIMIT, "%zu layers: expected %d at most", n_layers, NET_LAYERS_MAX);
    if (n == 0 || n > NET_WIDTH_MAX)
        return err_set(err, E_LIMIT, "a network of %zu inputs: expected 1 to %d", n, NET_WIDTH_MAX);
    if (n_layers == 0)
        n_layers = derive_widths(n, widths);
    else
        memcpy(widths, spec->layers, n_layers * sizeof widths[0]);
    for (size_t l = 0; l < n_layers; l++)
        acts[l] = spec->hidden;
    widths[n_layers] = (uint32_t)n;
    acts[n_layers] = spec->output;
    if (spec->output == ACT_AUTO)
        acts[n_layers] = spec->scaling == SCALING_NONE ? ACT_SIGMOID : ACT_LINEAR;

    const enum rc rc = net_init_layers(ret, n, widths, acts, n_layers + 1, err);
    if (rc == OK)
        fill_glorot(ret, spec->seed);
    return rc;
}

void net_done(struct net *net)
{
    mem_free(net->params);
    *net = (struct net){0};
}

void net_forward(const struct net *net, const float *x, float *y, float *work)
{
    const struct kernels *const k = kernels_best();
    float *halves[2] = {work, work + net->max_width};

    assert(net->n_layers > 0);
    for (size_t l = 0; l < net->n_layers; l++) {
        const struct net_layer *const layer = &net->layer[l];
        float *const to = halves[l % 2];

        k->gemm(1, layer->out, layer->in, x, 0, 1, layer->W, layer->out, layer->b, to, 0);
        k->act(layer->act, to, layer->out);
        x = to;
    }
    memcpy(y, x, net->layer[net->n_layers - 1].out * sizeof *y);
}
