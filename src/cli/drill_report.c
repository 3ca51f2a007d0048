/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/drill_report.h"

#include <math.h>

#include "base/cleanup.h"
#include "data/units.h"

static void print_groups(const struct drill_fault *f, FILE *out)
{
    for (size_t g = 0; f->groups[g]; g++)
        fprintf(out, "%s%s", g ? ", " : "", f->groups[g]);
}

static void print_cause(const struct drill_cause *c, size_t place, bool right, FILE *out)
{
    char value[UNITS_MAX], expected[UNITS_MAX];

    units_format(c->value, c->unit, value);
    units_format(c->expected, c->unit, expected);
    fprintf(out, "  %zu. %-34s %12s, expected %12s", place, c->feature, value, expected);
    if (!isnan(c->share))
        fprintf(out, ", %3.0f %% of the causes", 100 * c->share);
    fprintf(out, "%s\n", right ? "  <- right" : "");
}

static void print_silence(const struct drill_result *r, FILE *out)
{
    fprintf(out, "%s: it did not ring within %.1f s", r->fault->name, r->seconds);
    if (!isnan(r->highest) && !isnan(r->view.threshold))
        fprintf(out, "; the highest score was %.4g, the threshold is %.4g", r->highest,
                r->view.threshold);
    fputc('\n', out);
}

void drill_report_text(const struct drill_result *r, FILE *out)
{
    const size_t place = drill_right_cause(&r->view, r->fault->groups);

    if (!r->rang) {
        print_silence(r, out);
        return;
    }
    fprintf(out, "%s: it rang after %.1f s, score %.4g over threshold %.4g; named as causes:\n",
            r->fault->name, r->seconds, r->view.peak_score, r->view.opened_over);
    for (size_t i = 0; i < r->view.n_causes; i++)
        print_cause(&r->view.causes[i], i + 1, i + 1 == place, out);
    if (place >= 1 && place <= DRILL_TOP)
        fprintf(out, "  a right cause (%s) is among the top %d\n", r->view.causes[place - 1].group,
                DRILL_TOP);
    else {
        fprintf(out, "  no right cause (");
        print_groups(r->fault, out);
        fprintf(out, ") is among the top %d\n", DRILL_TOP);
    }
}

static json_t *number(double v) /* JSON has no NaN */
{
    return isfinite(v) ? json_real(v) : json_null();
}

json_t *drill_report_json(const struct drill_result *r)
{
    const size_t place = drill_right_cause(&r->view, r->fault->groups);
    CLEANUP(json_decrefp) json_t *causes = json_array();

    for (size_t i = 0; r->rang && i < r->view.n_causes; i++) {
        const struct drill_cause *c = &r->view.causes[i];
        json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "feature", c->feature, "group",
                              c->group, "unit", c->unit, "value", number(c->value), "expected",
                              number(c->expected), "share", number(c->share));
        if (json_array_append_new(causes, o) != 0)
            return NULL;
    }
    return json_pack("{s:s, s:s, s:b, s:o, s:b, s:o, s:o, s:O}", "fault", r->fault->name,
                     "instance", r->view.instance, "rang", r->rang, "seconds", number(r->seconds),
                     "right_cause", r->rang && place >= 1 && place <= DRILL_TOP, "score",
                     number(r->rang ? r->view.peak_score : r->highest), "threshold",
                     number(r->rang ? r->view.opened_over : r->view.threshold), "causes", causes);
}
