/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* works - calls that must succeed: WORKS(call(x, E)) fails the test with the call's own sentence.
 * After <cmocka.h>. */
#include "base/err.h"

#define WORKS(call)                                                                                \
    do {                                                                                           \
        struct err err_;                                                                           \
        if ((call) != OK)                                                                          \
            fail_msg("%s: %s", #call, err_.msg);                                                   \
    } while (0)
#define E (&err_) /* the error of the call in WORKS */
