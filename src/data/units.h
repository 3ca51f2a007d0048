/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* units - a feature's value as a person reads it: "98 %", "1.2 MiB/s", "12 ms". Thread: any. */

enum { UNITS_TEXT_MAX = 48 };

/* unit is the schema's: "ratio" and "percent" give %, "bytes" and "bytes/s" binary multiples, "s"
 * a duration, "" or "count" the bare number, any other follows the number. NaN gives "absent". */
void units_format(double value, const char *unit, char out[UNITS_TEXT_MAX]);
