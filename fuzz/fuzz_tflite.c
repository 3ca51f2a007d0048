/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "exchange/exchange.h"
#include "fuzz.h"

enum { INPUT_MAX = 1 << 20, OUTPUT_MAX = 1 << 26 };

/* A network that was taken is one, and gives an answer. */
static void check_net(const struct exchange_net *net)
{
    CLEANUP(mem_freep) float *x = mem_array(NET_WIDTH_MAX, 2 * sizeof *x);
    struct err err;
    uint32_t width = net->n_inputs;

    promise(net->n_layers > 0 && net->n_layers <= EXCHANGE_LAYERS_MAX, "there are layers");
    for (size_t l = 0; l < net->n_layers; l++) {
        const struct exchange_layer *const layer = &net->layer[l];

        promise(layer->in == width && layer->out > 0, "layers fit each other");
        promise(layer->act <= ACT_TANH, "an activation is one of ours");
        for (size_t i = 0; i < (size_t)layer->in * layer->out + layer->out; i++)
            promise(isfinite(layer->W[i]), "parameters are numbers");
        width = layer->out;
    }
    promise(x && exchange_net_run(net, x, x + NET_WIDTH_MAX, &err) == OK, "memory to run it in");
}

/* What is written of it is read as the same. */
static void check_round_trip(const struct exchange_net *net)
{
    const struct exchange_plan p = {.raw = true, .n = net->n_inputs, .net = *net};
    struct exchange_net again;
    struct buf out;
    struct err err;

    buf_init(&out, OUTPUT_MAX);
    promise(tflite_write(&p, NULL, &out, &err) == OK, "it can be written");
    promise(tflite_read(out.p, out.n, "again", &again, &err) == OK, "and read again");
    promise(again.n_layers == net->n_layers, "as so many layers");
    for (size_t l = 0; l < net->n_layers; l++) {
        const struct exchange_layer *const one = &net->layer[l], *const two = &again.layer[l];
        const size_t n = (size_t)one->in * one->out + one->out;

        promise(one->in == two->in && one->out == two->out && one->act == two->act &&
                    memcmp(one->W, two->W, n * sizeof *one->W) == 0,
                "which are the same");
    }
    exchange_net_done(&again);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exchange_net net = {0};
    struct err err = {0};

    if (size > INPUT_MAX)
        return 0;
    if (tflite_read(data, size, "m.tflite", &net, &err) != OK) {
        promise(err.rc != OK && strstr(err.msg, "'m.tflite'") != NULL, "a failure names the file");
        promise(net.n_layers == 0, "and leaves the output alone");
        return 0;
    }
    check_net(&net);
    check_round_trip(&net);
    exchange_net_done(&net);
    return 0;
}
