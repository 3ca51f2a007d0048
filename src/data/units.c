/* SPDX-License-Identifier: Apache-2.0 */
#include "data/units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Three digits say enough, and a number of up to six is easier read whole than in powers. */
static void format_number(double v, char *out, size_t size)
{
    if (v != 0 && (fabs(v) < 0.001 || fabs(v) >= 1e9))
        snprintf(out, size, "%.3g", v);
    else if (fabs(v) >= 100)
        snprintf(out, size, "%.0f", v);
    else
        snprintf(out, size, "%.3g", v);
}

static void format_bytes(double v, const char *per, char out[UNITS_TEXT_MAX])
{
    static const char *const prefix[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    char number[24];
    size_t i = 0;

    for (; fabs(v) >= 1000 && i + 1 < sizeof prefix / sizeof prefix[0]; i++)
        v /= 1024;
    format_number(v, number, sizeof number);
    snprintf(out, UNITS_TEXT_MAX, "%s %s%s", number, prefix[i], per);
}

static void format_seconds(double v, char out[UNITS_TEXT_MAX])
{
    static const struct {
        double least, factor;
        const char *name;
    } scale[] = {{86400, 86400, "d"}, {3600, 3600, "h"},  {60, 60, "min"},
                 {1, 1, "s"},         {1e-3, 1e-3, "ms"}, {0, 1e-6, "µs"}};
    char number[24];
    size_t i = 0;

    while (v != 0 && fabs(v) < scale[i].least)
        i++;
    if (v == 0)
        i = 3; /* "0 s" */
    format_number(v / scale[i].factor, number, sizeof number);
    snprintf(out, UNITS_TEXT_MAX, "%s %s", number, scale[i].name);
}

void units_format(double value, const char *unit, char out[UNITS_TEXT_MAX])
{
    char number[24];

    if (isnan(value)) {
        snprintf(out, UNITS_TEXT_MAX, "absent");
        return;
    }
    if (strcmp(unit, "bytes") == 0 || strcmp(unit, "bytes/s") == 0) {
        format_bytes(value, unit + 5, out);
        return;
    }
    if (strcmp(unit, "s") == 0) {
        format_seconds(value, out);
        return;
    }
    const int is_ratio = strcmp(unit, "ratio") == 0;
    format_number(is_ratio ? 100 * value : value, number, sizeof number);
    if (is_ratio || strcmp(unit, "percent") == 0)
        snprintf(out, UNITS_TEXT_MAX, "%s %%", number);
    else if (!unit[0] || strcmp(unit, "count") == 0)
        snprintf(out, UNITS_TEXT_MAX, "%s", number);
    else
        snprintf(out, UNITS_TEXT_MAX, "%s %.20s", number, unit);
}
