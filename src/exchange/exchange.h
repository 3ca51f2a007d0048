/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "data/settings.h"
#include "model/model.h"

/* exchange - models as other programs know them: what is written to them, and what is read
 *
 * Two formats, ONNX (a protobuf) and TensorFlow Lite (a FlatBuffer), each with a writer and a
 * reader, and between them and the model the two plain structs of this header:
 *   exchange_net    a stack of dense layers: what a file is read as, and the network of an export;
 *   exchange_plan   an export as operators: everything that model_score does around the network.
 * Thread: values of whoever holds them; all functions are pure. */

enum {
    EXCHANGE_LAYERS_MAX =
        NET_LAYERS_MAX + 1,        /* as struct net has: the hidden ones and the output */
    EXCHANGE_BYTES_MAX = 64 << 20, /* of a file that is read: 16 million parameters */
    EXCHANGE_NAME_MAX = 128,       /* of a tensor, with the NUL; longer ones are cut */
    EXCHANGE_FACTS_MAX = 16,
    EXCHANGE_FACT_BYTES_MAX = 1 << 19, /* of one value: SCHEMA_FEATURES_MAX lines */
};

/* What a file says of itself: key and text. Ours begin with "tocsin."; readers keep those alone. */
struct exchange_facts {
    size_t n;
    struct exchange_fact {
        char *key, *value; /* owned, UTF-8 */
    } v[EXCHANGE_FACTS_MAX];
};

/* Copies both. E_LIMIT past EXCHANGE_FACTS_MAX or EXCHANGE_FACT_BYTES_MAX, E_PARSE for what is not
 * UTF-8, E_NOMEM. */
MUST_CHECK enum rc exchange_facts_add(struct exchange_facts *f, struct str key, struct str value,
                                      struct err *err);
const char *exchange_facts_get(const struct exchange_facts *f, const char *key); /* NULL: none */
/* E_PARSE when they are of one of our own exports that is not the bare network: what readers begin
 * with, since a whole export has operators that they do not take. */
MUST_CHECK enum rc exchange_facts_check_raw(const struct exchange_facts *f, struct err *err);
void exchange_facts_done(struct exchange_facts *f);

/* The facts that exports carry and imports look at. Lists have one line a feature, in order. */
#define EXCHANGE_VERSION "tocsin.version"
#define EXCHANGE_FEATURES "tocsin.features"   /* names: good as a file for import-model --schema */
#define EXCHANGE_UNITS "tocsin.units"         /* an empty line where there is none */
#define EXCHANGE_SCALER "tocsin.scaler"       /* CSV "feature,min,max" with a head line */
#define EXCHANGE_THRESHOLD "tocsin.threshold" /* of anomaly_score, a number */
#define EXCHANGE_THRESHOLD_METHOD "tocsin.threshold_method" /* fixed, percentile, ... */
#define EXCHANGE_TRAINED_FROM "tocsin.trained_from"         /* RFC 3339 */
#define EXCHANGE_TRAINED_TO "tocsin.trained_to"
#define EXCHANGE_ROWS "tocsin.training_rows"
#define EXCHANGE_SCHEMA_HASH "tocsin.schema_hash" /* 16 hexadecimal digits */
#define EXCHANGE_SCORE "tocsin.score"             /* a sentence: what anomaly_score is, or "none" */

/* --- the network --------------------------------------------------------------------------- */

struct exchange_layer {
    uint32_t in, out;
    enum activation act; /* linear, ReLU, sigmoid or tanh */
    float *W;            /* [out][in], row-major; y_o = act(b_o + sum_i W[o][i] x_i) */
    float *b;            /* [out]; behind W in the same block */
};

struct exchange_net {
    uint32_t n_inputs; /* width of the first layer's input; 0: no layer yet */
    size_t n_layers;
    struct exchange_layer layer[EXCHANGE_LAYERS_MAX]; /* each one's in is the last one's out */
    size_t n_params;
    char input[EXCHANGE_NAME_MAX], output[EXCHANGE_NAME_MAX]; /* tensors' names; may be "" */
    struct exchange_facts facts; /* of the file that was read; none otherwise */
};

/* Append a linear layer of zeros, to be filled at *ret (which is the net's). Its limits are those
 * of model/net.h. E_LIMIT; E_PARSE when `in` is not the width before it; E_NOMEM. */
MUST_CHECK enum rc exchange_net_add(struct exchange_net *net, uint32_t in, uint32_t out,
                                    struct exchange_layer **ret, struct err *err);
/* The last layer's activation. E_PARSE when there is no layer, or it has one that is not linear. */
MUST_CHECK enum rc exchange_net_activate(struct exchange_net *net, enum activation act,
                                         struct err *err);
/* E_PARSE when it has no layer or a parameter that is not finite: what each reader ends with. */
MUST_CHECK enum rc exchange_net_check(const struct exchange_net *net, struct err *err);
/* A copy of the model's network. E_NOMEM. */
MUST_CHECK enum rc exchange_net_of(const struct model *m, struct exchange_net *ret,
                                   struct err *err);
/* The other way: what was read as a model's network, which the caller owns (net_done). E_PARSE when
 * it does not give as many values as it takes; E_NOMEM. */
MUST_CHECK enum rc exchange_net_to(const struct exchange_net *from, struct net *ret,
                                   struct err *err);
void exchange_net_done(struct exchange_net *net); /* a zeroed one is fine; zeroed again after */

/* y[out of the last layer] of x[n_inputs], sums in double: the measure in tests. E_NOMEM. */
MUST_CHECK enum rc exchange_net_run(const struct exchange_net *net, const float *x, float *y,
                                    struct err *err);

/* What it is made of: sums[out] of x[in], before the activation; and that. */
void exchange_layer_sums(const struct exchange_layer *layer, const double *x, double *sums);
double exchange_activate(enum activation act, double v);

/* --- the plan: an export as operators -------------------------------------------------------
 *
 * raw: the graph is `net` alone, from "scaled" [batch][n] to "scaled_reconstruction" [batch][n].
 * Otherwise, with x = input "features" [batch][n] in natural units, none missing (what to put in
 * for one that is, is the caller's choice: the median does no harm), all of it float32:
 *
 *   with a season (season_slots > 0), t = second input "time_of_day" [batch][1], s of the UTC day:
 *     far  = |(t - slot_at) - slot_rest|          to where each slot's value stands  [batch][slots]
 *     hat  = max(0, 1 - min(far, 86400 - far) * (slots / 86400))
 *            linear between two slots, round the clock; slot k stands at (k + place) * 86400 /
 * slots, in two parts, of which slot_at is whole: float32 does not tell both together exactly s =
 * hat . season                [batch][slots] . [slots][n]      [batch][n] x    = x - s z      =
 * min(max((x - low) / span, -SCALER_Z_MAX), SCALER_Z_MAX) (Sub, then Div: as Mul and Add it would
 * lose what a large offset swallows) in     = min(max(z, clip_low), clip_high);    if masked:  in =
 * in * pass + fill y      = net(in);                             if masked:  y = y * pass + fill
 *   "reconstruction" [batch][n] = y * out_span + out_low  (+ s with a season)
 *   d      = min(max(z - y, -MODEL_DISTANCE_MAX), MODEL_DISTANCE_MAX)
 *   weight = weight[n], a constant;               if watches:
 *            weight + watch * (|z - SCALER_CENTRE| >= SCALER_NOTICED ? 1 : 0)   [batch][n]
 *   "feature_error" [batch][n] = d * d            if masked:  * weight
 *   "anomaly_score" [batch][1] = sum(feature_error) / sum(weight)     (n_weighted if not watches)
 *
 * masked is false when the model learned every feature: then pass and weight are 1, fill is 0.
 * watches: some feature was constant in training, and counts when it has moved. */
struct exchange_plan {
    bool raw;
    struct exchange_net net; /* its own copy */
    size_t n;                /* features: the net's inputs and outputs */
    float clip_low, clip_high;
    bool masked, watches;
    float n_weighted;          /* features that always count: sum of weight[] */
    float *low, *span;         /* [n] each of these, one block; span > 0; not for raw */
    float *pass, *fill;        /* 1 and 0 where learned; 0 and SCALER_CENTRE where not */
    float *out_span, *out_low; /* span and low where learned; 0 and the training median where not */
    float *weight, *watch;     /* 1 or 0 */
    size_t season_slots;       /* 0: no season, no input "time_of_day" */
    float *season;             /* [season_slots][n], in the same block, */
    float *slot_at, *slot_rest; /* and [season_slots] each, seconds */
    struct exchange_facts facts;
};

#define EXCHANGE_IN "features"
#define EXCHANGE_IN_TIME "time_of_day"
#define EXCHANGE_IN_RAW "scaled"
#define EXCHANGE_OUT "reconstruction"
#define EXCHANGE_OUT_ERROR "feature_error"
#define EXCHANGE_OUT_SCORE "anomaly_score"
#define EXCHANGE_OUT_RAW "scaled_reconstruction"

/* E_NOMEM, E_LIMIT. The model may go afterwards. */
MUST_CHECK enum rc exchange_plan_make(const struct model *m, bool raw, struct exchange_plan *ret,
                                      struct err *err);
void exchange_plan_done(struct exchange_plan *p); /* a zeroed one is fine */

/* The plan's arithmetic for one frame, as a runtime would do it: x[n] and t (seconds of the UTC
 * day; ignored without a season) to reconstruction[n], feature_error[n] and the score. For raw,
 * reconstruction alone, and the others may be NULL. E_NOMEM. */
MUST_CHECK enum rc exchange_plan_run(const struct exchange_plan *p, const float *x, float t,
                                     float *reconstruction, float *feature_error, float *score,
                                     struct err *err);

/* The same in two halves, around the network; not for raw. s[n] is the season, zeros without. */
void exchange_plan_before(const struct exchange_plan *p, const float *x, float t, float *s,
                          float *z, float *in);
void exchange_plan_after(const struct exchange_plan *p, const float *s, const float *z,
                         const float *y, float *reconstruction, float *feature_error, float *score);

/* --- formats ------------------------------------------------------------------------------- */

/* Append the file. E_LIMIT or E_NOMEM when out does not hold it. */
MUST_CHECK enum rc onnx_write(const struct exchange_plan *p, struct buf *out, struct err *err);

/* Frames to calibrate int8 by: X[rows][n] in the plan's input, t[rows] or NULL. */
struct exchange_calibration {
    size_t rows;
    const float *X, *t;
};
/* calibration: NULL for float32; E_STATE when it says nothing (tflite_quantize.h). */
MUST_CHECK enum rc tflite_write(const struct exchange_plan *p,
                                const struct exchange_calibration *calibration, struct buf *out,
                                struct err *err);

/* What the bytes are, by their content. */
enum exchange_format { EXCHANGE_UNKNOWN, EXCHANGE_ONNX, EXCHANGE_TFLITE };
enum exchange_format exchange_format_of(const void *p, size_t n);

/* The network in n bytes, n <= EXCHANGE_BYTES_MAX. `name` is for messages. E_PARSE and E_LIMIT with
 * a sentence that names the operator, tensor or offset; E_NOMEM. On success the caller owns *ret.
 */
MUST_CHECK enum rc onnx_read(const void *p, size_t n, const char *name, struct exchange_net *ret,
                             struct err *err);
MUST_CHECK enum rc tflite_read(const void *p, size_t n, const char *name, struct exchange_net *ret,
                               struct err *err);
