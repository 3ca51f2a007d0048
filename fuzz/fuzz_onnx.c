/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "exchange/exchange.h"
#include "fuzz.h"

enum { INPUT_MAX = 1 << 20 };

static void check_net(const struct exchange_net *net)
{
    struct err err;
    size_t params = 0;
    uint32_t width = net->n_inputs;

    promise(net->n_layers > 0 && net->n_layers <= EXCHANGE_LAYERS_MAX, "layers are counted");
    for (size_t l = 0; l < net->n_layers; l++) {
        const struct exchange_layer *const layer = &net->layer[l];

        promise(layer->in == width && layer->out > 0, "each takes what the last one gives");
        promise(layer->act <= ACT_TANH, "its activation is known");
        params += (size_t)layer->in * layer->out + layer->out;
        width = layer->out;
    }
    promise(params == net->n_params, "parameters are counted");
    promise(exchange_net_check(net, &err) == OK, "and finite");
}

static void check_run(const struct exchange_net *net)
{
    float *x = mem_array(NET_WIDTH_MAX, 2 * sizeof *x);
    struct err err;

    promise(x != NULL, "memory to run in");
    for (size_t i = 0; i < net->n_inputs; i++)
        x[i] = 0.5f;
    promise(exchange_net_run(net, x, x + NET_WIDTH_MAX, &err) == OK, "any numbers, no crash");
    mem_free(x);
}

/* What was read is the same network when it is written and read again. */
static void check_round_trip(const struct exchange_net *net)
{
    const struct exchange_plan plan = {.raw = true, .net = *net, .n = net->n_inputs};
    struct exchange_net again = {0};
    struct err err;
    struct buf out;

    buf_init(&out, 1 << 28);
    promise(onnx_write(&plan, &out, &err) == OK, "it can be written");
    promise(onnx_read(out.p, out.n, "again", &again, &err) == OK, "and read");
    promise(again.n_layers == net->n_layers && again.n_params == net->n_params, "the same shape");
    for (size_t l = 0; l < net->n_layers; l++) {
        const struct exchange_layer *const a = &net->layer[l], *const b = &again.layer[l];
        const size_t n = (size_t)a->in * a->out + a->out;

        promise(a->act == b->act && memcmp(a->W, b->W, n * sizeof *a->W) == 0, "bit for bit");
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
    if (onnx_read(data, size, "m.onnx", &net, &err) != OK) {
        promise(err.rc != OK && strstr(err.msg, "'m.onnx'") != NULL, "a failure names the file");
        promise(net.n_layers == 0 && net.facts.n == 0, "and leaves the output alone");
        return 0;
    }
    check_net(&net);
    check_run(&net);
    check_round_trip(&net);
    exchange_net_done(&net);
    return 0;
}
