/* SPDX-License-Identifier: Apache-2.0 */
#include "data/units.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { NUMBER_MAX = 24 };

struct step {
    double from; /* the least value that is told in this unit */
    double size; /* how many of the base unit it is */
    const char *name;
};

#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

static const struct step bytes_steps[] = {{0, 1, "B"},       {KIB, KIB, "KiB"}, {MIB, MIB, "MiB"},
                                          {GIB, GIB, "GiB"}, {TIB, TIB, "TiB"}, {0, 0, NULL}};
static const struct step seconds_steps[] = {
    {0, 1e-9, "ns"},  {1e-6, 1e-6, "µs"}, {1e-3, 1e-3, "ms"},   {1, 1, "s"},
    {120, 60, "min"}, {7200, 3600, "h"},  {172800, 86400, "d"}, {0, 0, NULL}};

/* Three digits that count, whole numbers up to a billion as they are. */
static void format_number(double v, char out[NUMBER_MAX])
{
    const double size = fabs(v);

    if (size >= 1e9 || (size < 1e-3 && size > 0))
        (void)snprintf(out, NUMBER_MAX, "%.3g", v);
    else if (size >= 99.95 || v == floor(v))
        (void)snprintf(out, NUMBER_MAX, "%.0f", v);
    else if (size >= 9.995)
        (void)snprintf(out, NUMBER_MAX, "%.1f", v);
    else if (size >= 0.9995)
        (void)snprintf(out, NUMBER_MAX, "%.2f", v);
    else
        (void)snprintf(out, NUMBER_MAX, "%.3f", v);
}

static void format_steps(double v, const struct step *steps, const char *tail, char out[UNITS_MAX])
{
    const struct step *s = steps;
    char number[NUMBER_MAX];

    while (s[1].name && fabs(v) >= s[1].from)
        s++;
    if (v == 0) /* "0 s", not "0 ns" */
        while (s->size < 1)
            s++;
    format_number(v / s->size, number);
    (void)snprintf(out, UNITS_MAX, "%s %s%s", number, s->name, tail);
}

void units_format(double value, const char *unit, char out[UNITS_MAX])
{
    char number[NUMBER_MAX];

    if (isnan(value)) {
        (void)snprintf(out, UNITS_MAX, "missing");
        return;
    }
    if (strcmp(unit, "bytes") == 0) {
        format_steps(value, bytes_steps, "", out);
        return;
    }
    if (strcmp(unit, "bytes/s") == 0) {
        format_steps(value, bytes_steps, "/s", out);
        return;
    }
    if (strcmp(unit, "s") == 0 || strcmp(unit, "seconds") == 0) {
        format_steps(value, seconds_steps, "", out);
        return;
    }
    if (strcmp(unit, "ratio") == 0) {
        /* under a thousandth of a percent is nothing: what a subtraction left over */
        format_number(fabs(value) < 1e-5 ? 0 : 100 * value, number);
        unit = "%";
    } else {
        format_number(value, number);
        if (strcmp(unit, "percent") == 0)
            unit = "%";
        else if (strcmp(unit, "count") == 0)
            unit = "";
    }
    (void)snprintf(out, UNITS_MAX, "%s%s%.24s", number, unit[0] ? " " : "", unit);
}
