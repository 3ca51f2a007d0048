/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "exchange/exchange.h"

/* tflite_quantize - the network of a plan in 8-bit integers, and what they do to its score
 *
 * As TensorFlow Lite's 8-bit quantization specification has it: real = scale * (q - zero point).
 * Weights are symmetric with a scale for each output (q in [-127, 127], zero point 0), biases are
 * int32 in units of the input's scale times the weight's, what flows between layers has one scale
 * and zero point each, from the least and the largest value that the calibration rows bring about,
 * zero among them. Sigmoid and tanh give 1/256 and 1/128 a step, as the specification demands. The
 * scaler and the error stay float32: natural units lie many orders of magnitude apart, and the
 * score is a difference.
 *
 * The arithmetic is that of XNNPACK, which LiteRT runs such operators by: sums in int32, brought to
 * the output's scale as float32 and rounded half to even; sigmoid and tanh by a table. Other
 * kernels of TensorFlow Lite round by fixed-point multiplication and may differ by one step where a
 * value lies half-way. Thread: values of whoever holds them. */

struct tflite_range {
    float scale;
    int32_t zero_point;
};

struct tflite_int8_layer {
    uint32_t in, out;
    enum activation act;
    struct tflite_range sums;   /* after ReLU, which is a part of the same operator */
    struct tflite_range output; /* of sigmoid or tanh; else as sums */
    float *scale;               /* [out] of the weights; owns what follows */
    int32_t *b;                 /* [out] */
    int8_t *W;                  /* [out][in] */
};

struct tflite_int8 {
    struct tflite_range input;
    size_t n_layers;
    struct tflite_int8_layer layer[EXCHANGE_LAYERS_MAX];
};

/* E_STATE for no rows or one with a value that is not finite; E_NOMEM. */
MUST_CHECK enum rc tflite_int8_make(const struct exchange_plan *p,
                                    const struct exchange_calibration *c, struct tflite_int8 *ret,
                                    struct err *err);
void tflite_int8_done(struct tflite_int8 *q); /* a zeroed one is fine */

/* y of the network's input x, both float32, by integers between. work: 2 * NET_WIDTH_MAX bytes. */
void tflite_int8_run(const struct tflite_int8 *q, const float *x, float *y, int8_t *work);

/* The score of each calibration row, of the float32 export and of the int8 one: plain[rows] and
 * quantised[rows]. Of a raw plan, which has none: the mean squared difference between the network's
 * input and its output. Errors as tflite_int8_make. */
MUST_CHECK enum rc tflite_int8_scores(const struct exchange_plan *p,
                                      const struct exchange_calibration *c, float *plain,
                                      float *quantised, struct err *err);
