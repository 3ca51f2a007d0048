/* SPDX-License-Identifier: Apache-2.0 */
/* Until there is a writer and a reader. */
#include "exchange/exchange.h"

enum rc tflite_write(const struct exchange_plan *p, const struct exchange_calibration *calibration,
                     struct buf *out, struct err *err)
{
    (void)p;
    (void)calibration;
    (void)out;
    return err_set(err, E_STATE, "this build does not write TensorFlow Lite");
}

enum rc tflite_read(const void *p, size_t n, const char *name, struct exchange_net *ret,
                    struct err *err)
{
    (void)p;
    (void)n;
    (void)ret;
    return err_set(err, E_STATE, "'%s': this build does not read TensorFlow Lite", name);
}
