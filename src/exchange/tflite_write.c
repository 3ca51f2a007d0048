/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/mem.h"
#include "exchange/exchange.h"
#include "exchange/tflite_graph.h"
#include "exchange/tflite_quantize.h"

/* Room for what is no parameter: tables, names, facts. */
enum { OVERHEAD = 1 << 20, NAME_MAX_BYTES = 32, DAY_S = 86400 };

/* A plan on its way into a graph. */
struct writer {
    const struct exchange_plan *p;
    const struct tflite_int8 *int8; /* NULL: float32 */
    struct tflite_graph g;
};

/* --- operators on floats --- */

static int32_t floats(struct writer *w, const char *name, size_t width)
{
    return tflite_graph_tensor(&w->g, name, TFLITE_FLOAT32, width, NULL);
}

static int32_t row(struct writer *w, const char *name, const float *v, size_t n)
{
    return tflite_graph_constant(&w->g, name, TFLITE_FLOAT32, 1, n, v, NULL);
}

/* a op b, [batch][width], called name. */
static int32_t binary(struct writer *w, enum tflite_op op, const char *name, size_t width,
                      int32_t a, int32_t b)
{
    const int32_t inputs[] = {a, b}, ret = floats(w, name, width);

    tflite_graph_op(&w->g, op, 1, TFLITE_FUSED_NONE, inputs, 2, ret);
    return ret;
}

static int32_t unary(struct writer *w, enum tflite_op op, const char *name, size_t width, int32_t a)
{
    const int32_t ret = floats(w, name, width);

    tflite_graph_op(&w->g, op, 1, TFLITE_FUSED_NONE, &a, 1, ret);
    return ret;
}

/* min(max(v, least), most); the numbers are called after what comes out. */
static int32_t cut(struct writer *w, const char *name, size_t width, int32_t v, float least,
                   float most)
{
    char part[NAME_MAX_BYTES];

    (void)snprintf(part, sizeof part, "%s_least", name);
    const int32_t low = tflite_graph_number(&w->g, part, least);
    (void)snprintf(part, sizeof part, "%s_most", name);
    const int32_t high = tflite_graph_number(&w->g, part, most);
    (void)snprintf(part, sizeof part, "%s_over", name);
    v = binary(w, TFLITE_MAXIMUM, part, width, v, low);
    return binary(w, TFLITE_MINIMUM, name, width, v, high);
}

/* --- the network --- */

/* ReLU is a part of its layer. Sigmoid and tanh are operators of their own, as the converter writes
 * them: the schema has a fused tanh too, but LiteRT refuses it. */
static enum tflite_fused fused(enum activation act)
{
    return act == ACT_RELU ? TFLITE_FUSED_RELU : TFLITE_FUSED_NONE;
}

static bool is_apart(enum activation act)
{
    return act == ACT_SIGMOID || act == ACT_TANH;
}

static int32_t activation(struct writer *w, enum activation act, const char *name,
                          enum tflite_type type, size_t width, const struct tflite_scale *scale,
                          int32_t v)
{
    const int32_t ret = tflite_graph_tensor(&w->g, name, type, width, scale);

    tflite_graph_op(&w->g, act == ACT_SIGMOID ? TFLITE_LOGISTIC : TFLITE_TANH,
                    type == TFLITE_INT8 ? 2 : 1, TFLITE_FUSED_NONE, &v, 1, ret);
    return ret;
}

/* The names of what belongs to layer l, from 1; the network's end is called `end`. */
struct layer_names {
    char weights[NAME_MAX_BYTES], bias[NAME_MAX_BYTES], sums[NAME_MAX_BYTES], out[NAME_MAX_BYTES];
};

static void name_layer(const struct exchange_net *net, size_t l, const char *end,
                       struct layer_names *ret)
{
    const bool last = l + 1 == net->n_layers;
    char *const result = is_apart(net->layer[l].act) ? ret->out : ret->sums;

    (void)snprintf(ret->weights, sizeof ret->weights, "layer%zu_weights", l + 1);
    (void)snprintf(ret->bias, sizeof ret->bias, "layer%zu_bias", l + 1);
    (void)snprintf(ret->sums, sizeof ret->sums, "layer%zu_sums", l + 1);
    (void)snprintf(ret->out, sizeof ret->out, "layer%zu", l + 1);
    if (last)
        (void)snprintf(result, NAME_MAX_BYTES, "%s", end);
}

static int32_t float_net(struct writer *w, int32_t v, const char *end)
{
    const struct exchange_net *const net = &w->p->net;

    for (size_t l = 0; l < net->n_layers; l++) {
        const struct exchange_layer *const layer = &net->layer[l];
        struct layer_names names;

        name_layer(net, l, end, &names);
        const int32_t inputs[] = {
            v,
            tflite_graph_constant(&w->g, names.weights, TFLITE_FLOAT32, layer->out, layer->in,
                                  layer->W, NULL),
            tflite_graph_constant(&w->g, names.bias, TFLITE_FLOAT32, 0, layer->out, layer->b, NULL),
        };
        v = floats(w, names.sums, layer->out);
        tflite_graph_op(&w->g, TFLITE_FULLY_CONNECTED, 1, fused(layer->act), inputs, 3, v);
        if (is_apart(layer->act))
            v = activation(w, layer->act, names.out, TFLITE_FLOAT32, layer->out, NULL, v);
    }
    return v;
}

static struct tflite_scale scale_of(const struct tflite_range *r)
{
    return (struct tflite_scale){&r->scale, 1, r->zero_point};
}

/* One layer of it on v, whose range is `from`. */
static int32_t int8_layer(struct writer *w, size_t l, int32_t v, const struct tflite_range *from,
                          enum rc *rc)
{
    const struct tflite_int8_layer *const layer = &w->int8->layer[l];
    CLEANUP(mem_freep) float *bias_scale = mem_array(layer->out, sizeof *bias_scale);
    const struct tflite_scale sums = scale_of(&layer->sums), output = scale_of(&layer->output);
    struct layer_names names;

    if (!bias_scale) {
        *rc = E_NOMEM;
        return v;
    }
    for (size_t o = 0; o < layer->out; o++)
        bias_scale[o] = from->scale * layer->scale[o];
    name_layer(&w->p->net, l, "network", &names);
    const int32_t inputs[] = {
        v,
        tflite_graph_constant(&w->g, names.weights, TFLITE_INT8, layer->out, layer->in, layer->W,
                              &(struct tflite_scale){layer->scale, layer->out, 0}),
        tflite_graph_constant(&w->g, names.bias, TFLITE_INT32, 0, layer->out, layer->b,
                              &(struct tflite_scale){bias_scale, layer->out, 0}),
    };
    v = tflite_graph_tensor(&w->g, names.sums, TFLITE_INT8, layer->out, &sums);
    tflite_graph_op(&w->g, TFLITE_FULLY_CONNECTED, 4, fused(layer->act), inputs, 3, v);
    if (is_apart(layer->act))
        v = activation(w, layer->act, names.out, TFLITE_INT8, layer->out, &output, v);
    return v;
}

static int32_t int8_net(struct writer *w, int32_t v, const char *end, enum rc *rc)
{
    const struct tflite_range *range = &w->int8->input;
    const struct tflite_scale scale = scale_of(range);
    const int32_t in = tflite_graph_tensor(&w->g, "quantized", TFLITE_INT8, w->p->n, &scale);

    tflite_graph_op(&w->g, TFLITE_QUANTIZE, 1, TFLITE_FUSED_NONE, &v, 1, in);
    v = in;
    for (size_t l = 0; l < w->int8->n_layers; l++) {
        v = int8_layer(w, l, v, range, rc);
        range = &w->int8->layer[l].output;
    }
    const int32_t ret = floats(w, end, w->p->n);
    tflite_graph_op(&w->g, TFLITE_DEQUANTIZE, 2, TFLITE_FUSED_NONE, &v, 1, ret);
    return ret;
}

static int32_t network(struct writer *w, int32_t v, const char *end, enum rc *rc)
{
    return w->int8 ? int8_net(w, v, end, rc) : float_net(w, v, end);
}

/* --- around it: the names and formulas of exchange.h --- */

/* s[batch][n] of t[batch][1], in hats. The sum over slots is a layer without biases. */
static int32_t season(struct writer *w, int32_t t, enum rc *rc)
{
    const struct exchange_plan *const p = w->p;
    const size_t slots = p->season_slots;
    CLEANUP(mem_freep) float *by_feature = mem_array((slots + 1) * p->n, sizeof *by_feature);

    if (!by_feature) {
        *rc = E_NOMEM;
        return t;
    }
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < slots; k++)
            by_feature[i * slots + k] = p->season[k * p->n + i];
    const int32_t at = row(w, "season_at", p->slot_at, slots);
    const int32_t rest = row(w, "season_rest", p->slot_rest, slots);
    const int32_t day = tflite_graph_number(&w->g, "season_day", DAY_S);
    const int32_t rate = tflite_graph_number(&w->g, "season_rate", (float)slots / DAY_S);
    const int32_t one = tflite_graph_number(&w->g, "season_one", 1);
    const int32_t offsets =
        tflite_graph_constant(&w->g, "season", TFLITE_FLOAT32, p->n, slots, by_feature, NULL);
    const int32_t none = tflite_graph_constant(&w->g, "season_bias", TFLITE_FLOAT32, 0, p->n,
                                               by_feature + slots * p->n, NULL);

    int32_t far = binary(w, TFLITE_SUB, "season_after", slots, t, at);
    far = binary(w, TFLITE_SUB, "season_from", slots, far, rest);
    far = unary(w, TFLITE_ABS, "season_far", slots, far);
    const int32_t round = binary(w, TFLITE_SUB, "season_round", slots, day, far);
    far = binary(w, TFLITE_MINIMUM, "season_near", slots, far, round);
    far = binary(w, TFLITE_MUL, "season_steps", slots, far, rate);
    int32_t hat = binary(w, TFLITE_SUB, "season_peak", slots, one, far);
    hat = unary(w, TFLITE_RELU, "season_hat", slots, hat);
    const int32_t inputs[] = {hat, offsets, none}, s = floats(w, "season_now", p->n);
    tflite_graph_op(&w->g, TFLITE_FULLY_CONNECTED, 1, TFLITE_FUSED_NONE, inputs, 3, s);
    return s;
}

/* v * pass + fill: what the network did not learn stands in the middle. */
static int32_t mask(struct writer *w, const char *name, int32_t v, int32_t pass, int32_t fill)
{
    char part[NAME_MAX_BYTES];

    (void)snprintf(part, sizeof part, "%s_passed", name);
    v = binary(w, TFLITE_MUL, part, w->p->n, v, pass);
    return binary(w, TFLITE_ADD, name, w->p->n, v, fill);
}

/* weight[batch][n] where something is watched. */
static int32_t weights(struct writer *w, int32_t z, int32_t weight)
{
    const size_t n = w->p->n;
    const int32_t watch = row(w, "watch", w->p->watch, n);
    const int32_t centre = tflite_graph_number(&w->g, "centre", SCALER_CENTRE);
    const int32_t noticed = tflite_graph_number(&w->g, "noticed", SCALER_NOTICED);

    int32_t v = binary(w, TFLITE_SUB, "moved_by", n, z, centre);
    v = unary(w, TFLITE_ABS, "moved_far", n, v);
    const int32_t compared[] = {v, noticed};
    const int32_t moved = tflite_graph_tensor(&w->g, "moved", TFLITE_BOOL, n, NULL);
    tflite_graph_op(&w->g, TFLITE_GREATER_EQUAL, 1, TFLITE_FUSED_NONE, compared, 2, moved);
    v = unary(w, TFLITE_CAST, "moved_one", n, moved);
    v = binary(w, TFLITE_MUL, "watched", n, v, watch);
    return binary(w, TFLITE_ADD, "weights_now", n, v, weight);
}

static int32_t sum(struct writer *w, const char *name, int32_t v, int32_t axis)
{
    const int32_t inputs[] = {v, axis}, ret = floats(w, name, 1);

    tflite_graph_op(&w->g, TFLITE_SUM, 1, TFLITE_FUSED_NONE, inputs, 2, ret);
    return ret;
}

/* "feature_error" and "anomaly_score". */
static void judge(struct writer *w, int32_t z, int32_t y)
{
    static const int32_t last_axis = 1;
    const struct exchange_plan *const p = w->p;
    const int32_t axis = tflite_graph_constant(&w->g, "axis", TFLITE_INT32, 0, 1, &last_axis, NULL);
    int32_t of = -1;

    int32_t d = binary(w, TFLITE_SUB, "off", p->n, z, y);
    d = cut(w, "distance", p->n, d, -MODEL_DISTANCE_MAX, MODEL_DISTANCE_MAX);
    int32_t e = binary(w, TFLITE_MUL, p->masked ? "square" : EXCHANGE_OUT_ERROR, p->n, d, d);
    if (p->masked) {
        int32_t weight = row(w, "weights", p->weight, p->n);
        if (p->watches)
            weight = weights(w, z, weight);
        e = binary(w, TFLITE_MUL, EXCHANGE_OUT_ERROR, p->n, e, weight);
        if (p->watches)
            of = sum(w, "weights_sum", weight, axis);
    }
    if (!p->watches)
        of = tflite_graph_number(&w->g, "weights_sum", p->n_weighted);
    const int32_t errors = sum(w, "errors_sum", e, axis);
    const int32_t score = binary(w, TFLITE_DIV, EXCHANGE_OUT_SCORE, 1, errors, of);
    tflite_graph_output(&w->g, EXCHANGE_OUT_ERROR, e);
    tflite_graph_output(&w->g, EXCHANGE_OUT_SCORE, score);
}

static enum rc put_whole(struct writer *w)
{
    const struct exchange_plan *const p = w->p;
    const bool seasonal = p->season_slots > 0;
    enum rc rc = OK;
    int32_t s = 0, pass = 0, fill = 0;

    int32_t x = floats(w, EXCHANGE_IN, p->n);
    tflite_graph_input(&w->g, EXCHANGE_IN, x);
    if (seasonal) {
        const int32_t t = floats(w, EXCHANGE_IN_TIME, 1);
        tflite_graph_input(&w->g, EXCHANGE_IN_TIME, t);
        s = season(w, t, &rc);
        x = binary(w, TFLITE_SUB, "without_season", p->n, x, s);
    }
    const int32_t low = row(w, "low", p->low, p->n), span = row(w, "span", p->span, p->n);
    int32_t z = binary(w, TFLITE_SUB, "above_low", p->n, x, low);
    z = binary(w, TFLITE_DIV, "spans", p->n, z, span);
    z = cut(w, "scaled", p->n, z, -SCALER_Z_MAX, SCALER_Z_MAX);
    int32_t in = cut(w, "clipped", p->n, z, p->clip_low, p->clip_high);
    if (p->masked) {
        pass = row(w, "pass", p->pass, p->n);
        fill = row(w, "fill", p->fill, p->n);
        in = mask(w, "shown", in, pass, fill);
    }
    int32_t y = network(w, in, "answer", &rc);
    if (p->masked)
        y = mask(w, "expected", y, pass, fill);

    const int32_t out_span = row(w, "out_span", p->out_span, p->n);
    const int32_t out_low = row(w, "out_low", p->out_low, p->n);
    int32_t r = binary(w, TFLITE_MUL, "expected_spans", p->n, y, out_span);
    r = binary(w, TFLITE_ADD, seasonal ? "expected_level" : EXCHANGE_OUT, p->n, r, out_low);
    if (seasonal)
        r = binary(w, TFLITE_ADD, EXCHANGE_OUT, p->n, r, s);
    tflite_graph_output(&w->g, EXCHANGE_OUT, r);
    judge(w, z, y);
    return rc;
}

static enum rc put_raw(struct writer *w)
{
    enum rc rc = OK;
    const int32_t in = floats(w, EXCHANGE_IN_RAW, w->p->n);

    tflite_graph_input(&w->g, EXCHANGE_IN_RAW, in);
    tflite_graph_output(&w->g, EXCHANGE_OUT_RAW, network(w, in, EXCHANGE_OUT_RAW, &rc));
    return rc;
}

static void graph_freep(struct writer **w)
{
    if (*w)
        tflite_graph_done(&(*w)->g);
    mem_free(*w);
}

enum rc tflite_write(const struct exchange_plan *p, const struct exchange_calibration *calibration,
                     struct buf *out, struct err *err)
{
    CLEANUP(tflite_int8_done) struct tflite_int8 int8 = {0};
    CLEANUP(graph_freep) struct writer *w = mem_alloc(sizeof *w);
    const size_t numbers = p->net.n_params + (p->season_slots + 16) * p->n;

    if (!w)
        return err_set(err, E_NOMEM, "no memory to write a model");
    if (calibration && tflite_int8_make(p, calibration, &int8, err) != OK)
        return err->rc;
    w->p = p;
    w->int8 = calibration ? &int8 : NULL;
    tflite_graph_init(&w->g, numbers * sizeof(float) + OVERHEAD +
                                 (size_t)EXCHANGE_FACTS_MAX * EXCHANGE_FACT_BYTES_MAX);
    if ((p->raw ? put_raw(w) : put_whole(w)) != OK)
        return err_set(err, E_NOMEM, "no memory to write a model");
    return tflite_graph_finish(&w->g, "tocsin " TOCSIN_VERSION, &p->facts, out, err);
}
