/* SPDX-License-Identifier: Apache-2.0 */
/* A network that was read, as the model's: its weights the other way round. */
#include <assert.h>
#include <string.h>

#include "exchange/exchange.h"

enum rc exchange_net_to(const struct exchange_net *from, struct net *ret, struct err *err)
{
    uint32_t widths[EXCHANGE_LAYERS_MAX];
    enum activation acts[EXCHANGE_LAYERS_MAX];
    struct net net;

    const enum rc rc = exchange_net_check(from, err);
    if (rc != OK)
        return rc;
    assert(from->n_layers > 0 && from->n_layers <= EXCHANGE_LAYERS_MAX); /* checked */
    for (size_t l = 0; l < from->n_layers; l++) {
        widths[l] = from->layer[l].out;
        acts[l] = from->layer[l].act;
    }
    if (widths[from->n_layers - 1] != from->n_inputs)
        return err_set(err, E_PARSE,
                       "it has %u inputs and %u outputs: expected as many, an autoencoder",
                       from->n_inputs, widths[from->n_layers - 1]);
    if (net_init_layers(&net, from->n_inputs, widths, acts, from->n_layers, err) != OK)
        return err->rc;
    float *p = net.params;
    for (size_t l = 0; l < from->n_layers; l++) {
        const struct exchange_layer *const layer = &from->layer[l];

        for (size_t i = 0; i < layer->in; i++)
            for (size_t o = 0; o < layer->out; o++)
                *p++ = layer->W[o * layer->in + i];
        memcpy(p, layer->b, layer->out * sizeof *p);
        p += layer->out;
    }
    *ret = net;
    return OK;
}
