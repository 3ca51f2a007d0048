/* SPDX-License-Identifier: Apache-2.0 */
#include "model/tape.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

static size_t params_of(const struct tape_layer *l)
{
    return (l->in + 1) * l->ld; /* W, then b */
}

static void copy_params_in(struct tape *t, const struct net *net)
{
    for (size_t l = 0; l < t->n_layers; l++) {
        struct tape_layer *const to = &t->layer[l];
        const struct net_layer *const from = &net->layer[l];

        for (size_t i = 0; i < to->in; i++)
            memcpy(to->W + i * to->ld, from->W + i * to->out, to->out * sizeof *to->W);
        memcpy(to->b, from->b, to->out * sizeof *to->b);
    }
}

void tape_store(const struct tape *t, const float *params, struct net *net)
{
    float *p = net->params;

    for (size_t l = 0; l < t->n_layers; l++) {
        const struct tape_layer *const from = &t->layer[l];
        const float *const W = params + (from->W - t->params);

        for (size_t i = 0; i <= from->in; i++) { /* row `in` is b */
            memcpy(p, W + i * from->ld, from->out * sizeof *p);
            p += from->out;
        }
    }
    assert(p == net->params + net->n_params);
}

/* Where each array lies in the block; with block NULL only the size is counted. */
static size_t lay_out(struct tape *t)
{
    size_t at = 0, wt = 0, ld_in = t->ldx;
    float *const base = t->block;

    t->params = base;
    for (size_t l = 0; l < t->n_layers; l++) {
        struct tape_layer *const layer = &t->layer[l];

        if (base) {
            layer->W = base + at;
            layer->b = layer->W + layer->in * layer->ld;
            layer->dW = layer->W + t->n_params;
            layer->db = layer->b + t->n_params;
        }
        at += params_of(layer);
        wt = layer->out * ld_in > wt ? layer->out * ld_in : wt;
        ld_in = layer->ld;
    }
    t->n_params = at;
    if (base)
        t->grad = base + at;
    at *= 2;
    for (size_t l = 0; l < t->n_layers; l++) {
        struct tape_layer *const layer = &t->layer[l];
        const size_t size = t->batch * layer->ld;

        if (base) {
            layer->Y = base + at;
            layer->dY = layer->Y + size;
        }
        at += 2 * size;
    }
    if (base) {
        t->X = base + at;
        t->WT = t->X + t->batch * t->ldx;
    }
    return at + t->batch * t->ldx + wt;
}

enum rc tape_init(struct tape *ret, const struct net *net, size_t batch, const struct kernels *k,
                  struct err *err)
{
    struct tape t = {.k = k,
                     .batch = batch,
                     .in = net->layer[0].in,
                     .ldx = kernel_padded(net->layer[0].in),
                     .n_layers = net->n_layers};

    for (size_t l = 0; l < t.n_layers; l++)
        t.layer[l] = (struct tape_layer){.in = net->layer[l].in,
                                         .out = net->layer[l].out,
                                         .ld = kernel_padded(net->layer[l].out),
                                         .act = net->layer[l].act};
    const size_t size = lay_out(&t);
    t.block = mem_array_aligned(size, sizeof *t.block);
    if (!t.block)
        return err_set(err, E_NOMEM, "no memory to train a network of %zu parameters",
                       net->n_params);
    (void)lay_out(&t);
    copy_params_in(&t, net);
    *ret = t;
    return OK;
}

void tape_done(struct tape *t)
{
    mem_free(t->block);
    *t = (struct tape){0};
}

void tape_forward(struct tape *t, size_t rows)
{
    const float *X = t->X;
    size_t ldx = t->ldx;

    assert(rows <= t->batch);
    for (size_t l = 0; l < t->n_layers; l++) {
        const struct tape_layer *const layer = &t->layer[l];

        t->k->gemm(rows, layer->out, layer->in, X, ldx, 1, layer->W, layer->ld, layer->b, layer->Y,
                   layer->ld);
        t->k->act(layer->act, layer->Y, rows * layer->ld);
        X = layer->Y;
        ldx = layer->ld;
    }
}

/* WT[out][ld_in] = W[in][out] transposed, its padding 0: it becomes dX's padding. In blocks, since
 * whole columns of a wide layer would miss the cache at every step. */
static void transpose(const struct tape_layer *layer, size_t ld_in, float *WT)
{
    enum { BLOCK = 16 };

    for (size_t i0 = 0; i0 < layer->in; i0 += BLOCK) {
        const size_t i1 = i0 + BLOCK < layer->in ? i0 + BLOCK : layer->in;
        for (size_t j = 0; j < layer->out; j++)
            for (size_t i = i0; i < i1; i++)
                WT[j * ld_in + i] = layer->W[i * layer->ld + j];
    }
    for (size_t j = 0; j < layer->out; j++)
        memset(WT + j * ld_in + layer->in, 0, (ld_in - layer->in) * sizeof *WT);
}

void tape_backward(struct tape *t, size_t rows)
{
    static const float one = 1;

    assert(rows <= t->batch);
    for (size_t l = t->n_layers; l-- > 0;) {
        const struct tape_layer *const layer = &t->layer[l];
        const float *const X = l > 0 ? t->layer[l - 1].Y : t->X;
        const size_t ldx = l > 0 ? t->layer[l - 1].ld : t->ldx;

        t->k->act_grad(layer->act, layer->Y, layer->dY, rows * layer->ld);
        /* dW = X^T dY */
        t->k->gemm(layer->in, layer->out, rows, X, 1, ldx, layer->dY, layer->ld, NULL, layer->dW,
                   layer->ld);
        /* db = column sums of dY: a row of ones times dY */
        t->k->gemm(1, layer->out, rows, &one, 0, 0, layer->dY, layer->ld, NULL, layer->db,
                   layer->ld);
        if (l == 0)
            break;
        /* dX = dY W^T */
        transpose(layer, ldx, t->WT);
        t->k->gemm(rows, layer->in, layer->out, layer->dY, layer->ld, 1, t->WT, ldx, NULL,
                   t->layer[l - 1].dY, ldx);
    }
}
