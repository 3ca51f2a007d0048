/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* cleanup - the two macros of tocsin's dialect (besides MUST_CHECK)
 *
 *   CLEANUP(fn) T *p = ...;   runs fn(&p) when p leaves its scope
 *   return TAKE(p);           hands p over: p becomes NULL, so nothing is freed */

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define TAKE(p)                                                                                    \
    (__extension__({                                                                               \
        __typeof__(p) *take_ = &(p);                                                               \
        __typeof__(p) taken_ = *take_;                                                             \
        *take_ = (void *)0;                                                                        \
        taken_;                                                                                    \
    }))
