/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* units - a feature's value as people read it: three digits and a unit of fitting size
 *
 * Units are those of data/schema.h. NaN is "missing". Thread: any. */

enum { UNITS_MAX = 64 };

/* 0.931 ratio: "93.1 %"; 36805017 bytes/s: "35.1 MiB/s"; 0.0042 s: "4.20 ms". A unit that is not
 * known stands behind the number as it is. */
void units_format(double value, const char *unit, char out[UNITS_MAX]);
