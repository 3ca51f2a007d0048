/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/tflite_quantize.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { Q_LEAST = -128, Q_MOST = 127, STEPS = Q_MOST - Q_LEAST, WEIGHT_MOST = 127 };

/* What a layer gives always lies closer together than this only where it gives nothing, on a scale
 * on which a feature's training range is 1: finer steps would tell nothing, and steps of zero width
 * cannot be. */
static const double RANGE_LEAST = 1e-3;

/* A bias over this would leave the int32 sum no room: 4096 products of at most 255 * 127 are an
 * eighth of the whole. The weights' scale is made coarser then. */
static const double BIAS_MOST = 1 << 30;

struct extent {
    double least, most;
};

static void widen(struct extent *e, double v)
{
    e->least = fmin(e->least, v);
    e->most = fmax(e->most, v);
}

static struct tflite_range range_of(struct extent e)
{
    const double width = fmax(e.most - e.least, RANGE_LEAST);
    const float scale = (float)(width / STEPS);
    const double zero = rint(Q_LEAST - e.least / (double)scale);

    return (struct tflite_range){scale, (int32_t)fmin(fmax(zero, Q_LEAST), Q_MOST)};
}

static struct tflite_range range_of_activation(enum activation act, struct tflite_range sums)
{
    if (act == ACT_SIGMOID)
        return (struct tflite_range){1.0f / 256, Q_LEAST};
    if (act == ACT_TANH)
        return (struct tflite_range){1.0f / 128, 0};
    return sums;
}

/* --- calibration --- */

/* Rows of the plan's input, run through the float32 network. */
struct runner {
    const struct exchange_plan *p;
    float *s, *z, *in;    /* [n] each: season, scaled, what the network sees */
    float *y, *out, *own; /* [n] each: its answer, the reconstruction, the errors */
    double *from, *to;    /* [NET_WIDTH_MAX] each */
};

static void runner_done(struct runner *r)
{
    mem_free(r->from);
    mem_free(r->s);
}

static enum rc runner_init(const struct exchange_plan *p, struct runner *ret, struct err *err)
{
    enum { VECTORS = 6 };
    struct runner r = {.p = p};

    r.from = mem_array(NET_WIDTH_MAX, 2 * sizeof *r.from);
    r.s = mem_array(p->n, VECTORS * sizeof *r.s);
    if (!r.from || !r.s) {
        runner_done(&r);
        return err_set(err, E_NOMEM, "no memory to calibrate with %zu features", p->n);
    }
    r.to = r.from + NET_WIDTH_MAX;
    r.z = r.s + p->n;
    r.in = r.z + p->n;
    r.y = r.in + p->n;
    r.out = r.y + p->n;
    r.own = r.out + p->n;
    *ret = r;
    return OK;
}

/* r->in, and s and z for a plan that has them, from row `row`. */
static void runner_enter(struct runner *r, const struct exchange_calibration *c, size_t row)
{
    const float *const x = c->X + row * r->p->n;

    if (r->p->raw)
        memcpy(r->in, x, r->p->n * sizeof *x);
    else
        exchange_plan_before(r->p, x, c->t ? c->t[row] : 0, r->s, r->z, r->in);
}

/* The score when the network gives y. */
static float runner_score(struct runner *r, const float *y)
{
    double sum = 0;
    float score;

    if (!r->p->raw) {
        exchange_plan_after(r->p, r->s, r->z, y, r->out, r->own, &score);
        return score;
    }
    for (size_t i = 0; i < r->p->n; i++) {
        const double d = (double)r->in[i] - (double)y[i];
        sum += d * d;
    }
    return (float)(sum / (double)r->p->n);
}

/* Widens the input's extent and those of the layers' sums by one row. */
static void runner_observe(struct runner *r, struct extent *input, struct extent *sums)
{
    const struct exchange_net *const net = &r->p->net;
    double *from = r->from, *to = r->to;

    for (size_t i = 0; i < net->n_inputs; i++) {
        from[i] = (double)r->in[i];
        widen(input, from[i]);
    }
    for (size_t l = 0; l < net->n_layers; l++) {
        const struct exchange_layer *const layer = &net->layer[l];
        const bool fused = layer->act == ACT_RELU;

        exchange_layer_sums(layer, from, to);
        for (size_t o = 0; o < layer->out; o++) {
            const double y = exchange_activate(layer->act, to[o]);
            widen(&sums[l], fused ? y : to[o]);
            to[o] = y;
        }
        double *const free_half = from;
        from = to;
        to = free_half;
    }
}

static enum rc check_rows(const struct exchange_plan *p, const struct exchange_calibration *c,
                          struct err *err)
{
    if (c->rows == 0)
        return err_set(err, E_STATE, "no rows to calibrate by");
    for (size_t i = 0; i < c->rows * p->n; i++)
        if (!isfinite(c->X[i]))
            return err_set(err, E_STATE, "row %zu of the calibration has no finite feature %zu",
                           i / p->n + 1, i % p->n + 1);
    return OK;
}

/* --- weights --- */

static int32_t to_int(double v, double most)
{
    return (int32_t)fmin(fmax(rint(v), -most), most);
}

/* The weights of output o: a scale, and all by it. */
static void quantize_output(const struct exchange_layer *from, float input_scale, size_t o,
                            struct tflite_int8_layer *to)
{
    const float *const w = from->W + o * from->in;
    const double bias = fabs((double)from->b[o]) / (double)input_scale;
    double most = 0;

    for (size_t i = 0; i < from->in; i++)
        most = fmax(most, fabs((double)w[i]));
    /* of an output without weights only the bias counts */
    double scale = most > 0 ? most / WEIGHT_MOST : bias > 0 ? bias / WEIGHT_MOST : 1;
    scale = fmax(scale, bias / BIAS_MOST);
    to->scale[o] = fmaxf((float)scale, 1e-30f); /* a denormal scale is none for most kernels */
    scale = (double)to->scale[o];
    for (size_t i = 0; i < from->in; i++)
        to->W[o * from->in + i] = (int8_t)to_int((double)w[i] / scale, WEIGHT_MOST);
    to->b[o] = to_int((double)from->b[o] / ((double)input_scale * scale), BIAS_MOST);
}

static enum rc quantize_layer(const struct exchange_layer *from, struct tflite_range input,
                              struct extent sums, struct tflite_int8_layer *ret, struct err *err)
{
    const size_t weights = (size_t)from->in * from->out;
    const size_t per_output = sizeof *ret->scale + sizeof *ret->b;
    struct tflite_int8_layer l = {.in = from->in, .out = from->out, .act = from->act};

    l.scale = mem_alloc(from->out * per_output + weights);
    if (!l.scale)
        return err_set(err, E_NOMEM, "no memory for a layer of %zu weights", weights);
    l.b = (int32_t *)(l.scale + from->out);
    l.W = (int8_t *)(l.b + from->out);
    l.sums = range_of(sums);
    l.output = range_of_activation(from->act, l.sums);
    for (size_t o = 0; o < from->out; o++)
        quantize_output(from, input.scale, o, &l);
    *ret = l;
    return OK;
}

enum rc tflite_int8_make(const struct exchange_plan *p, const struct exchange_calibration *c,
                         struct tflite_int8 *ret, struct err *err)
{
    CLEANUP(tflite_int8_done) struct tflite_int8 q = {0};
    CLEANUP(runner_done) struct runner r = {0};
    struct extent input = {0, 0}, sums[EXCHANGE_LAYERS_MAX] = {{0, 0}}; /* zero is always in */

    if (check_rows(p, c, err) != OK || runner_init(p, &r, err) != OK)
        return err->rc;
    for (size_t row = 0; row < c->rows; row++) {
        runner_enter(&r, c, row);
        runner_observe(&r, &input, sums);
    }
    q.input = range_of(input);
    struct tflite_range from = q.input;
    for (; q.n_layers < p->net.n_layers; q.n_layers++) {
        struct tflite_int8_layer *const layer = &q.layer[q.n_layers];

        if (quantize_layer(&p->net.layer[q.n_layers], from, sums[q.n_layers], layer, err) != OK)
            return err->rc;
        from = layer->output;
    }
    *ret = q;
    q = (struct tflite_int8){0};
    return OK;
}

void tflite_int8_done(struct tflite_int8 *q)
{
    for (size_t l = 0; l < q->n_layers; l++)
        mem_free(q->layer[l].scale);
    *q = (struct tflite_int8){0};
}

/* --- running it --- */

static int8_t to_q(float steps, int32_t zero_point)
{
    const float least = (float)(Q_LEAST - zero_point), most = (float)(Q_MOST - zero_point);

    return (int8_t)((int32_t)rintf(fminf(fmaxf(steps, least), most)) + zero_point);
}

static void run_sums(const struct tflite_int8_layer *l, struct tflite_range input, const int8_t *x,
                     int8_t *y)
{
    for (size_t o = 0; o < l->out; o++) {
        const int8_t *const w = l->W + o * l->in;
        const float step = input.scale * l->scale[o] / l->sums.scale;
        int32_t sum = l->b[o];

        for (size_t i = 0; i < l->in; i++)
            sum += (x[i] - input.zero_point) * w[i];
        float steps = (float)sum * step;
        if (l->act == ACT_RELU)
            steps = fmaxf(steps, 0);
        y[o] = to_q(steps, l->sums.zero_point);
    }
}

static void run_activation(const struct tflite_int8_layer *l, int8_t *y)
{
    for (size_t o = 0; o < l->out; o++) {
        const float v = l->sums.scale * (float)(y[o] - l->sums.zero_point);
        const float a = l->act == ACT_SIGMOID ? 1 / (1 + expf(-v)) : tanhf(v);

        y[o] = to_q(a / l->output.scale, l->output.zero_point);
    }
}

void tflite_int8_run(const struct tflite_int8 *q, const float *x, float *y, int8_t *work)
{
    struct tflite_range range = q->input;
    int8_t *from = work, *to = work + NET_WIDTH_MAX;

    for (size_t i = 0; i < q->layer[0].in; i++)
        from[i] = to_q(x[i] * (1 / range.scale), range.zero_point);
    for (size_t l = 0; l < q->n_layers; l++) {
        const struct tflite_int8_layer *const layer = &q->layer[l];

        run_sums(layer, range, from, to);
        if (layer->act == ACT_SIGMOID || layer->act == ACT_TANH)
            run_activation(layer, to);
        range = layer->output;
        int8_t *const free_half = from;
        from = to;
        to = free_half;
    }
    for (size_t o = 0; o < q->layer[q->n_layers - 1].out; o++)
        y[o] = range.scale * (float)(from[o] - range.zero_point);
}

enum rc tflite_int8_scores(const struct exchange_plan *p, const struct exchange_calibration *c,
                           float *plain, float *quantised, struct err *err)
{
    CLEANUP(tflite_int8_done) struct tflite_int8 q = {0};
    CLEANUP(runner_done) struct runner r = {0};
    CLEANUP(mem_freep) int8_t *work = mem_alloc((size_t)2 * NET_WIDTH_MAX);

    if (!work)
        return err_set(err, E_NOMEM, "no memory to run a network");
    if (tflite_int8_make(p, c, &q, err) != OK || runner_init(p, &r, err) != OK)
        return err->rc;
    for (size_t row = 0; row < c->rows; row++) {
        runner_enter(&r, c, row);
        if (exchange_net_run(&p->net, r.in, r.y, err) != OK)
            return err->rc;
        plain[row] = runner_score(&r, r.y);
        tflite_int8_run(&q, r.in, r.y, work);
        quantised[row] = runner_score(&r, r.y);
    }
    return OK;
}
