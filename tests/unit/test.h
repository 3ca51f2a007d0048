/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What <cmocka.h> wants in front of it, in the order that it wants. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* In double, which assert_float_equal is not. */
#define CHECK_NEAR(found, expected, tolerance)                                                     \
    do {                                                                                           \
        const double found_ = (found), expected_ = (expected);                                     \
        if (!(fabs(found_ - expected_) <= (tolerance)))                                            \
            fail_msg("%s: expected %.17g, found %.17g", #found, expected_, found_);                \
    } while (0)
