/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/models_show.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/report.h"
#include "data/units.h"

/* Features that moved by less than this part of their range are counted, not listed. */
static const double MOVED_LEAST = 0.01;

static const char *state_of(const struct model *m, size_t i)
{
    static const char *const words[] = {[SCALER_MOVES] = "moves",
                                        [SCALER_CONSTANT] = "constant",
                                        [SCALER_UNSEEN] = "unseen",
                                        [SCALER_WEIGHTLESS] = "weightless"};

    return words[m->scaler.constant[i] & 3];
}

static double high_of(const struct model *m, size_t i)
{
    return (double)m->scaler.low[i] + (double)m->scaler.span[i];
}

/* How much the time of day alone moves the feature; 0: it has no season. */
static double swing_of(const struct model *m, size_t i)
{
    const struct season *s = &m->season;
    double low = 0, high = 0;

    for (size_t k = 0; k < s->slots; k++) {
        low = fmin(low, (double)s->offset[k * s->n + i]);
        high = fmax(high, (double)s->offset[k * s->n + i]);
    }
    return high - low;
}

static void print_layers(const struct model *m, struct buf *out)
{
    for (size_t i = 0; i < m->net.n_layers; i++)
        buf_printf(out, "%s%" PRIu32, i ? "-" : "", m->net.layer[i].out);
}

static void print_reason(const char *reason, struct buf *out)
{
    char clean[sizeof((struct store_model *)0)->reason];

    (void)snprintf(clean, sizeof clean, "%s", reason);
    str_make_printable(clean);
    buf_puts(out, clean);
}

static void print_features(const struct model *m, struct buf *out)
{
    buf_printf(out, "  %-30s %-8s %12s %12s %12s %10s %10s %10s %10s  %s\n", "feature", "group",
               "median", "low", "high", "season", "level", "change", "resolution", "state");
    for (size_t i = 0; i < m->schema->n; i++) {
        const struct feature *f = &m->schema->f[i];
        const double value[] = {(double)m->scaler.median[i],
                                (double)m->scaler.low[i],
                                high_of(m, i),
                                swing_of(m, i),
                                (double)m->unit_level[i],
                                (double)m->unit_change[i],
                                (double)f->resolution};
        enum { VALUES = sizeof value / sizeof value[0], WIDE = 3 };

        buf_printf(out, "  %-30s %-8s", f->name, f->group);
        for (size_t k = 0; k < VALUES; k++) {
            const bool none = value[k] == 0 && (k == WIDE || k == VALUES - 1);
            char text[UNITS_MAX];
            units_format(value[k], f->unit, text);
            buf_printf(out, " %*s", k < WIDE ? 12 : 10, none ? "-" : text);
        }
        buf_printf(out, "  %s\n", state_of(m, i));
    }
}

void models_show_text(const struct shown_model *s, struct buf *out)
{
    const struct model *m = s->model;
    char id[REPORT_ID_MAX], from[STR_RFC3339_MAX], to[STR_RFC3339_MAX], made[STR_RFC3339_MAX];
    char threshold[REPORT_THRESHOLD_MAX];

    report_id(s->row.model_id, id);
    str_from_rfc3339_ms(s->row.created_ms, made);
    str_from_rfc3339_ms(m->provenance.first_ms, from);
    str_from_rfc3339_ms(m->provenance.last_ms, to);
    buf_printf(out, "model %" PRId64 " (%s) of %s: %s, because ", s->id, id, s->instance,
               store_model_state_name(s->row.state));
    print_reason(s->row.reason, out);
    buf_printf(out, "\n  made        %s by tocsin %s, profile %s, seed %" PRIu64 "\n", made,
               m->provenance.version, m->provenance.profile, m->provenance.seed);
    buf_printf(out, "  learned     %s to %s\n", from, to);
    buf_printf(out,
               "  rows        %" PRIu64 " to train, %" PRIu64 " to validate, %" PRIu32 " epochs\n",
               m->stats.train_rows, m->stats.validation_rows, m->stats.epochs);
    buf_printf(out, "  error       %.4g trained, %.4g validated\n", m->stats.train_mse,
               m->stats.validation_mse);
    report_threshold(m, threshold);
    buf_printf(out, "  threshold   %.4g (%s), %.2g times widened\n", (double)m->threshold,
               threshold, (double)m->threshold_widening);
    buf_printf(out, "  a frame     each %g s; %s\n", (double)m->interval_ms / 1000,
               m->season.slots ? "median, low and high are less the season of the day"
                               : "no season: under two days, or none was found");
    buf_puts(out, "  network     ");
    print_layers(m, out);
    buf_printf(out, "\n  file        %s\n  judged by   %s\n\n", s->row.file, s->row.figures);
    print_features(m, out);
}

static json_t *features_json(const struct model *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < m->schema->n; i++) {
        const struct feature *f = &m->schema->f[i];
        (void)json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:f, s:o, s:o, s:s}", "name", f->name,
                      "unit", f->unit, "group", f->group, "resolution", report_float(f->resolution),
                      "median", report_float(m->scaler.median[i]), "low",
                      report_float(m->scaler.low[i]), "span", report_float(m->scaler.span[i]),
                      "season", swing_of(m, i), "unit_level", report_float(m->unit_level[i]),
                      "unit_change", report_float(m->unit_change[i]), "state", state_of(m, i)));
    }
    return list;
}

json_t *models_json_of(const char *text)
{
    json_t *o = json_loads(text, 0, NULL);

    return o ? o : json_null();
}

json_t *models_show_json(const struct shown_model *s)
{
    const struct model *m = s->model;
    char id[REPORT_ID_MAX], schema[REPORT_ID_MAX];

    report_id(s->row.model_id, id);
    report_id(m->schema->hash, schema);
    return json_pack(
        "{s:I, s:s, s:s, s:s, s:I, s:s, s:I, s:s, s:o, s:o, s:s, s:s, s:o, s:s, s:I, s:I, s:o}",
        "id", (json_int_t)s->id, "model", id, "instance", s->instance, "state",
        store_model_state_name(s->row.state), "since_ms", (json_int_t)s->row.state_ms, "reason",
        s->row.reason, "created_ms", (json_int_t)s->row.created_ms, "file", s->row.file,
        "provenance", models_json_of(s->row.provenance), "figures", models_json_of(s->row.figures),
        "schema", schema, "profile", m->provenance.profile, "threshold", report_float(m->threshold),
        "method", threshold_method_name(m->threshold_spec.method), "interval_ms",
        (json_int_t)m->interval_ms, "season_slots", (json_int_t)m->season.slots, "features",
        features_json(m));
}

struct move {
    size_t a, b; /* the feature's places */
    double size; /* in ranges of a */
};

static int larger_first(const void *x, const void *y)
{
    const struct move *a = x, *b = y;

    if (a->size != b->size)
        return a->size < b->size ? 1 : -1;
    return (a->a > b->a) - (a->a < b->a);
}

static double greatest(double a, double b, double c)
{
    return fmax(fabs(a), fmax(fabs(b), fabs(c)));
}

static size_t find_moves(const struct model *a, const struct model *b, struct move *moves)
{
    size_t n = 0;

    for (size_t i = 0; i < a->schema->n; i++) {
        const int at = schema_find(b->schema, str_of(a->schema->f[i].name));
        if (at < 0)
            continue;
        const size_t k = (size_t)at;
        const double size = greatest((double)b->scaler.median[k] - (double)a->scaler.median[i],
                                     (double)b->scaler.low[k] - (double)a->scaler.low[i],
                                     high_of(b, k) - high_of(a, i)) /
                            (double)a->scaler.span[i];
        moves[n++] = (struct move){i, k, size};
    }
    qsort(moves, n, sizeof *moves, larger_first);
    return n;
}

static void print_range(const struct model *m, size_t i, char median[UNITS_MAX], char *range,
                        size_t size)
{
    const char *unit = m->schema->f[i].unit;
    char low[UNITS_MAX], high[UNITS_MAX];

    units_format((double)m->scaler.median[i], unit, median);
    units_format((double)m->scaler.low[i], unit, low);
    units_format(high_of(m, i), unit, high);
    (void)snprintf(range, size, "%s to %s", low, high);
}

static void print_move(const struct model *a, const struct model *b, const struct move *v,
                       struct buf *out)
{
    char median_a[UNITS_MAX], median_b[UNITS_MAX], range_a[2 * UNITS_MAX + 8],
        range_b[2 * UNITS_MAX + 8];

    print_range(a, v->a, median_a, range_a, sizeof range_a);
    print_range(b, v->b, median_b, range_b, sizeof range_b);
    buf_printf(out, "  %-30s median %s -> %s, range %s -> %s\n", a->schema->f[v->a].name, median_a,
               median_b, range_a, range_b);
}

static json_t *move_json(const struct model *a, const struct model *b, const struct move *v)
{
    return json_pack("{s:s, s:s, s:f, s:[oo], s:[oo], s:[ff]}", "name", a->schema->f[v->a].name,
                     "unit", a->schema->f[v->a].unit, "moved", v->size, "median",
                     report_float(a->scaler.median[v->a]), report_float(b->scaler.median[v->b]),
                     "low", report_float(a->scaler.low[v->a]), report_float(b->scaler.low[v->b]),
                     "high", high_of(a, v->a), high_of(b, v->b));
}

/* Features of m that other does not have. */
static void list_missing(const struct model *m, const struct model *other, const char *what,
                         struct buf *out, json_t *names)
{
    for (size_t i = 0; i < m->schema->n; i++) {
        const char *name = m->schema->f[i].name;
        if (schema_find(other->schema, str_of(name)) >= 0)
            continue;
        buf_printf(out, "  %-30s %s\n", name, what);
        (void)json_array_append_new(names, json_string(name));
    }
}

enum rc models_diff(const struct shown_model *a, const struct shown_model *b, struct buf *out,
                    json_t **ret_json, struct err *err)
{
    CLEANUP(mem_freep) struct move *moves = mem_array(a->model->schema->n, sizeof *moves);
    json_t *list = json_array(), *gone = json_array(), *added = json_array();
    size_t still = 0;

    if (!moves)
        return err_set(err, E_NOMEM, "models: no memory");
    const size_t n = find_moves(a->model, b->model, moves);
    buf_printf(out, "from model %" PRId64 " to model %" PRId64 ":\n", a->id, b->id);
    buf_printf(out, "  threshold  %.4g -> %.4g\n", (double)a->model->threshold,
               (double)b->model->threshold);
    buf_printf(out, "  rows       %" PRIu64 " -> %" PRIu64 "\n",
               a->model->stats.train_rows + a->model->stats.validation_rows,
               b->model->stats.train_rows + b->model->stats.validation_rows);
    buf_printf(out, "  validation error  %.4g -> %.4g\n\n", a->model->stats.validation_mse,
               b->model->stats.validation_mse);
    for (size_t i = 0; i < n; i++) {
        if (moves[i].size >= MOVED_LEAST)
            print_move(a->model, b->model, &moves[i], out);
        else
            still++;
        (void)json_array_append_new(list, move_json(a->model, b->model, &moves[i]));
    }
    list_missing(a->model, b->model, "is gone", out, gone);
    list_missing(b->model, a->model, "is new", out, added);
    if (still)
        buf_printf(out, "  %zu features moved by less than %.0f %% of their range\n", still,
                   100 * MOVED_LEAST);
    *ret_json = json_pack("{s:I, s:I, s:[oo], s:[ff], s:o, s:o, s:o}", "from", (json_int_t)a->id,
                          "to", (json_int_t)b->id, "threshold", report_float(a->model->threshold),
                          report_float(b->model->threshold), "validation_mse",
                          a->model->stats.validation_mse, b->model->stats.validation_mse,
                          "features", list, "gone", gone, "added", added);
    return OK;
}
