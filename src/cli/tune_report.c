/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tune_report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/report.h"
#include "tune/space.h"

/* What a search draws: its key in the configuration, its option of `tocsin train`, its column. */
static const struct {
    const char *key, *option, *column;
    int width;
} drawn[] = {
    {"model.layers", "--layers", "layers", 22},
    {"model.hidden", "--hidden", "hidden", 7},
    {"model.output", "--output", "output", 7},
    {"model.learning_rate", "--learning-rate", "rate", 6},
    {"model.batch_size", "--batch-size", "batch", 5},
    {"model.feature_dropout", "--feature-dropout", "dropout", 7},
};
enum { DRAWN = sizeof drawn / sizeof *drawn, VALUE_MAX = 256, OPTIONS_MAX = 1024 };

static void settings_of(const struct tune_view *v, uint32_t trial, struct config *ret)
{
    *ret = *v->base;
    space_draw(&v->base->learn, v->features, v->spec->seed, trial, &ret->learn);
}

/* The value as an option takes it: "[14, 8, 14]" is "14,8,14"; empty where the default is derived.
 * The longest value is a list of NET_LAYERS_MAX widths, which has room. */
static void value_of(const struct config *c, size_t i, char out[VALUE_MAX])
{
    CLEANUP(buf_done) struct buf b;
    size_t n = 0;

    buf_init(&b, VALUE_MAX);
    config_format(c, drawn[i].key, &b);
    for (size_t k = 0; !b.failed && k < b.n; k++)
        if (!strchr("[] ", b.p[k]))
            out[n++] = b.p[k];
    out[n] = '\0';
}

/* " --layers 14,8,14 --hidden relu…": what differs from a `tocsin train` without options. */
static void options_of(const struct tune_view *v, uint32_t trial, struct buf *out)
{
    char value[VALUE_MAX], usual[VALUE_MAX];
    struct config c;

    settings_of(v, trial, &c);
    for (size_t i = 0; i < DRAWN; i++) {
        value_of(&c, i, value);
        value_of(v->base, i, usual);
        if (strcmp(value, usual) != 0)
            buf_printf(out, " %s %s", drawn[i].option, value);
    }
}

void tune_report_head(struct buf *out)
{
    buf_printf(out, "%5s  %9s  %7s  %9s  %6s ", "trial", "objective", "spread", "held-out",
               "epochs");
    for (size_t i = 0; i < DRAWN; i++)
        buf_printf(out, " %-*s", i + 1 < DRAWN ? drawn[i].width : 0, drawn[i].column);
    buf_puts(out, "\n");
}

/* decimals < 0: three digits, wherever the point is. */
static void put_number(struct buf *out, int width, int decimals, double v)
{
    if (isnan(v))
        buf_printf(out, "  %*s", width, "-");
    else if (decimals < 0)
        buf_printf(out, "  %*.3g", width, v);
    else
        buf_printf(out, "  %*.*f", width, decimals, v);
}

void tune_report_row(const struct tune_view *v, uint32_t trial, struct buf *out)
{
    const struct search_summary s = search_summary(v->search, trial);
    char value[VALUE_MAX];
    struct config c;

    settings_of(v, trial, &c);
    buf_printf(out, "%5" PRIu32, trial);
    if (s.executions > 0 && isnan(s.objective))
        buf_printf(out, "  %9s", "failed");
    else
        put_number(out, 9, 4, s.objective);
    put_number(out, 7, 4, s.spread);
    put_number(out, 9, -1, s.held_out);
    put_number(out, 6, 0, s.epochs);
    buf_puts(out, " ");
    for (size_t i = 0; i < DRAWN; i++) {
        value_of(&c, i, value);
        buf_printf(out, " %-*s", i + 1 < DRAWN ? drawn[i].width : 0, value[0] ? value : "default");
    }
    buf_puts(out, "\n");
}

static void put_choice(const struct tune_view *v, const struct search_verdict *choice,
                       const char *prefix, struct buf *out)
{
    if (isnan(choice->ahead))
        buf_printf(out, "%sthe defaults stand: no other trial could be trained\n", prefix);
    else if (choice->chosen == 0)
        buf_printf(out,
                   "%sthe defaults stand: the best other trial, %" PRIu32
                   ", is %s by %.4f; it had to be ahead by more than the spread over executions, "
                   "%.4f\n",
                   prefix, choice->best, choice->ahead < 0 ? "behind" : "ahead",
                   fabs(choice->ahead), choice->spread);
    else
        buf_printf(out,
                   "%strial %" PRIu32 " is chosen: ahead of the defaults by %.4f, more than the "
                   "spread over executions, %.4f\n",
                   prefix, choice->chosen, choice->ahead, choice->spread);
    if (v->spec->executions == 1)
        buf_printf(out, "%sone execution shows no spread: such a lead may be luck\n", prefix);
}

void tune_report_words(const struct tune_view *v, const char *prefix, struct buf *out)
{
    const struct search_verdict choice = search_verdict(v->search);
    uint32_t order[SEARCH_TRIALS_MAX + 1];
    const uint32_t trials = search_trials(v->search);

    buf_printf(out,
               "%s%s search: %" PRIu32 " trials beside the defaults (trial 0), %" PRIu32
               " execution%s each, seed %" PRIu64 "\n%slearned from %zu rows of %zu features, "
               "judged by %zu others\n",
               prefix, v->spec->method == SEARCH_HALVING ? "halving" : "random", trials - 1,
               v->spec->executions, v->spec->executions == 1 ? "" : "s", v->spec->seed, prefix,
               v->fit_rows, v->features, v->judge_rows);
    for (uint32_t r = 0; r + 1 < search_rungs(v->search); r++)
        buf_printf(out, "%srung %" PRIu32 " of %" PRIu32 ": 1/%" PRIu32 " of the epochs\n", prefix,
                   r + 1, search_rungs(v->search), search_part(v->search, r));
    buf_puts(out, prefix);
    tune_report_head(out);
    search_ranking(v->search, order);
    for (uint32_t i = 0; i < trials; i++) {
        const uint32_t rung = search_summary(v->search, order[i]).rung;
        if (i > 0 && rung < search_summary(v->search, order[i - 1]).rung)
            buf_printf(out, "%s-- ended in rung %" PRIu32 "\n", prefix, rung + 1);
        buf_puts(out, prefix);
        tune_report_row(v, order[i], out);
    }
    put_choice(v, &choice, prefix, out);
    buf_printf(out, "%stocsin train%s\n", prefix, choice.chosen ? "" : " (no options)");
    if (choice.chosen) {
        out->n--; /* on the same line */
        options_of(v, choice.chosen, out);
        buf_puts(out, "\n");
    }
}

void tune_report_yaml(const struct tune_view *v, struct buf *out)
{
    struct config c;

    settings_of(v, search_verdict(v->search).chosen, &c);
    if (c.learn.scaling == SCALING_NONE) /* with a file, train does not look for itself */
        buf_puts(out, "# all values lie in 0..1 already: tocsin train -c needs --scaling none\n");
    buf_puts(out, "model:\n");
    for (size_t i = 0; i < DRAWN; i++) {
        buf_printf(out, "  %s: ", strchr(drawn[i].key, '.') + 1);
        config_format(&c, drawn[i].key, out);
        buf_puts(out, "\n");
    }
}

static json_t *json_settings(const struct tune_view *v, uint32_t trial)
{
    json_t *layers = json_array();
    char value[VALUE_MAX];
    struct config c;

    settings_of(v, trial, &c);
    json_t *o = json_pack("{s:o, s:o, s:I, s:o}", "layers", layers, "learning_rate",
                          report_number(c.learn.learning_rate), "batch_size",
                          (json_int_t)c.learn.batch_size, "feature_dropout",
                          report_number(c.learn.feature_dropout));
    if (!o)
        return NULL;
    for (size_t i = 0; i < c.learn.n_layers; i++)
        (void)json_array_append_new(layers, json_integer(c.learn.layers[i]));
    value_of(&c, 1, value);
    (void)json_object_set_new(o, "hidden", json_string(value));
    value_of(&c, 2, value);
    (void)json_object_set_new(o, "output", json_string(value));
    return o;
}

static json_t *json_trial(const struct tune_view *v, uint32_t trial)
{
    const struct search_summary s = search_summary(v->search, trial);
    struct search_job j = {.rung = s.rung, .trial = trial};
    CLEANUP(buf_done) struct buf options;
    json_t *executions = json_array();

    buf_init(&options, OPTIONS_MAX);
    options_of(v, trial, &options);
    for (j.execution = 0; j.execution < v->spec->executions; j.execution++) {
        const struct search_result *r = search_at(v->search, &j);
        if (r)
            (void)json_array_append_new(
                executions,
                json_pack("{s:o, s:o, s:o, s:I}", "seed", report_u64(search_seed(v->search, &j)),
                          "objective", report_number(r->objective), "held_out_error",
                          report_number(r->held_out), "epochs", (json_int_t)r->epochs));
    }
    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:s}", "trial", (json_int_t)trial, "rung",
                     (json_int_t)s.rung + 1, "objective", report_number(s.objective), "spread",
                     report_number(s.spread), "held_out_error", report_number(s.held_out),
                     "executions", executions, "settings", json_settings(v, trial), "options",
                     options.n ? options.p + 1 : "");
}

json_t *tune_report_json(const struct tune_view *v)
{
    const struct search_verdict choice = search_verdict(v->search);
    uint32_t order[SEARCH_TRIALS_MAX + 1];
    json_t *trials = json_array();

    search_ranking(v->search, order);
    for (uint32_t i = 0; trials && i < search_trials(v->search); i++)
        if (json_array_append_new(trials, json_trial(v, order[i])) != 0) {
            json_decref(trials);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:b, s:o, s:o, s:o}", "method",
                     v->spec->method == SEARCH_HALVING ? "halving" : "random", "seed",
                     report_u64(v->spec->seed), "features", (json_int_t)v->features, "fit_rows",
                     (json_int_t)v->fit_rows, "judge_rows", (json_int_t)v->judge_rows, "chosen",
                     (json_int_t)choice.chosen, "defaults_stand", choice.chosen == 0, "ahead",
                     report_number(choice.ahead), "spread", report_number(choice.spread), "trials",
                     trials);
}
