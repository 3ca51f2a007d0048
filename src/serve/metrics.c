/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/metrics.h"

#include <string.h>

enum kind { GAUGE, COUNTER, INFO };

/* One metric family; name is that of its samples, unit "" or the name's last part. */
struct family {
    const char *name, *unit, *help;
    enum kind kind;
};

struct writer {
    struct buf *out;
    enum exposition form;
};

/* The length of a family's name in its metadata: OpenMetrics takes the suffix off. */
static int family_length(const struct writer *w, const struct family *f)
{
    const char *suffix = f->kind == COUNTER ? "_total" : f->kind == INFO ? "_info" : "";
    const size_t n = strlen(f->name), cut = strlen(suffix);

    if (w->form == EXPOSITION_OPENMETRICS && n > cut && strcmp(f->name + n - cut, suffix) == 0)
        return (int)(n - cut);
    return (int)n;
}

static void write_escaped(struct buf *out, const char *z, bool quotes)
{
    for (; *z; z++) {
        if (*z == '\n')
            buf_puts(out, "\\n");
        else if (*z == '\\' || (*z == '"' && quotes))
            buf_add(out, (char[]){'\\', *z}, 2);
        else
            buf_add(out, z, 1);
    }
}

static void write_head(const struct writer *w, const struct family *f)
{
    static const char *const types[] = {[GAUGE] = "gauge", [COUNTER] = "counter", [INFO] = "info"};
    const int n = family_length(w, f);
    const bool open = w->form == EXPOSITION_OPENMETRICS;

    buf_printf(w->out, "# HELP %.*s ", n, f->name);
    write_escaped(w->out, f->help, open);
    buf_printf(w->out, "\n# TYPE %.*s %s\n", n, f->name,
               open || f->kind != INFO ? types[f->kind] : "gauge");
    if (open && f->unit[0])
        buf_printf(w->out, "# UNIT %.*s %s\n", n, f->name, f->unit);
}

/* A label's value, escaped; what is not UTF-8 becomes '?': one bad name must not cost a scrape. */
static void write_label(struct buf *out, const char *name, const char *value)
{
    char clean[512];

    if (!str_is_utf8(str_of(value))) {
        const size_t n = strnlen(value, sizeof clean - 1);
        memcpy(clean, value, n);
        clean[n] = '\0';
        str_make_printable(clean);
        value = clean;
    }
    buf_puts(out, name);
    buf_puts(out, "=\"");
    write_escaped(out, value, true);
    buf_puts(out, "\"");
}

static void write_plain(const struct writer *w, const struct family *f, double value)
{
    write_head(w, f);
    buf_printf(w->out, "%s ", f->name);
    buf_double(w->out, value);
    buf_puts(w->out, "\n");
}

static void begin_sample(const struct writer *w, const struct family *f,
                         const struct entity_view *v)
{
    buf_puts(w->out, f->name);
    buf_puts(w->out, "{");
    write_label(w->out, "instance", v->instance);
}

enum value {
    V_SCORE,
    V_THRESHOLD,
    V_DETECTED,
    V_CONFIDENCE,
    V_TIMESTAMP,
    V_AGE,
    V_STALE,
    V_PROGRESS,
    V_FEATURES,
    V_ABSENT,
    V_FROZEN,
    V_CREATED,
    V_WIDENING,
    V_BUDGET,
    V_RATE,
    V_RATE_LOWER,
    V_RATE_UPPER,
    V_DRIFT,
    V_DAY,
    V_REFERENCE,
    V_SLOW,
};
enum needs { NOTHING, A_SCORE, A_MODEL, A_BUDGET };

static const struct entity_family {
    struct family f;
    enum value value;
    enum needs needs; /* else this entity has no sample of the family */
} entity_families[] = {
    {{"anomaly_score", "",
      "How far the entity departs from what is expected; NaN when nothing could be scored.", GAUGE},
     V_SCORE,
     A_SCORE},
    {{"anomaly_threshold", "", "Score above which a frame is anomalous.", GAUGE},
     V_THRESHOLD,
     A_SCORE},
    {{"anomaly_detected", "",
      "1 while the entity rings: an incident is open, that is, confirmed by k of the last n "
      "frames.",
      GAUGE},
     V_DETECTED,
     A_SCORE},
    {{"tocsin_confidence_ratio", "ratio",
      "Share of the features of the model that the newest frame had.", GAUGE},
     V_CONFIDENCE,
     A_SCORE},
    {{"tocsin_last_score_timestamp_seconds", "seconds",
      "Time of the newest score; its age is how long the entity has gone unwatched.", GAUGE},
     V_TIMESTAMP,
     A_SCORE},
    {{"tocsin_last_score_age_seconds", "seconds",
      "How old the newest score is by tocsin's own clock: how long the entity has gone unwatched.",
      GAUGE},
     V_AGE,
     A_SCORE},
    {{"tocsin_entity_stale", "",
      "1 while nothing is heard of the entity: no frame for ten intervals, or its source says so.",
      GAUGE},
     V_STALE,
     NOTHING},
    {{"tocsin_learning_progress_ratio", "ratio",
      "Share gathered of the frames that learning needs; 1 once watching.", GAUGE},
     V_PROGRESS,
     NOTHING},
    {{"tocsin_features", "", "Features of a frame.", GAUGE}, V_FEATURES, NOTHING},
    {{"tocsin_features_absent", "", "Features that no longer arrive.", GAUGE}, V_ABSENT, NOTHING},
    {{"tocsin_features_frozen", "",
      "Features that stand still at one value although they always moved.", GAUGE},
     V_FROZEN,
     NOTHING},
    {{"tocsin_model_created_timestamp_seconds", "seconds", "Time at which the model was made.",
      GAUGE},
     V_CREATED,
     A_MODEL},
    {{"tocsin_threshold_widening_ratio", "ratio",
      "Factor by which the threshold is wider than calibrated, because learning was short.", GAUGE},
     V_WIDENING,
     A_MODEL},
    {{"tocsin_alarm_budget", "", "Incidents a week that the threshold promises on normal data.",
      GAUGE},
     V_BUDGET,
     A_BUDGET},
    {{"tocsin_alarm_rate", "", "Incidents a week, true ones too, since the promise was made.",
      GAUGE},
     V_RATE,
     A_SCORE},
    {{"tocsin_alarm_rate_lower", "",
      "Least incidents a week that what was seen allows: exact 95 % Poisson interval.", GAUGE},
     V_RATE_LOWER,
     A_SCORE},
    {{"tocsin_alarm_rate_upper", "",
      "Most incidents a week that what was seen allows: exact 95 % Poisson interval.", GAUGE},
     V_RATE_UPPER,
     A_SCORE},
    {{"tocsin_drift_evidence", "",
      "Evidence that the model no longer fits, as a share of what orders a training.", GAUGE},
     V_DRIFT,
     A_MODEL},
    {{"tocsin_day_shift_seconds", "seconds",
      "How much sooner the day comes than it was learned: 3600 or -3600 after clocks were set.",
      GAUGE},
     V_DAY,
     A_MODEL},
    {{"tocsin_reference_learned_seconds", "seconds",
      "Whole days that the reference for slow changes has learned.", GAUGE},
     V_REFERENCE,
     NOTHING},
    {{"tocsin_slow_change", "",
      "1 while a slow change is open: features stand for good where they did not when learned.",
      GAUGE},
     V_SLOW,
     NOTHING},
};

static bool has_model(const struct entity_view *v)
{
    return v->model_created_ms != 0;
}

static bool has_sample(const struct entity_view *v, enum needs needs)
{
    switch (needs) {
    case NOTHING:
        return true;
    case A_SCORE:
        return v->scored;
    case A_MODEL:
        return has_model(v);
    case A_BUDGET:
        return has_model(v) && v->alarm_budget > 0;
    }
    return false;
}

static double progress(const struct entity_view *v)
{
    if (v->phase == PHASE_WATCHING)
        return 1;
    if (v->wanted_rows == 0)
        return 0;
    const double p = (double)v->learned_rows / (double)v->wanted_rows;
    return p < 1 ? p : 1;
}

static void write_value(struct buf *out, const struct entity_view *v, int64_t now_ms,
                        enum value value)
{
    switch (value) {
    case V_SCORE:
        buf_float(out, v->score);
        break;
    case V_THRESHOLD:
        buf_float(out, v->threshold);
        break;
    case V_DETECTED:
        buf_puts(out, v->ringing ? "1" : "0");
        break;
    case V_CONFIDENCE:
        buf_float(out, v->confidence);
        break;
    case V_TIMESTAMP:
        buf_double(out, (double)v->ts_ms / 1000);
        break;
    case V_AGE:
        buf_double(out, (double)entity_view_age_ms(v, now_ms) / 1000);
        break;
    case V_STALE:
        buf_puts(out, entity_view_is_stale(v, now_ms) ? "1" : "0");
        break;
    case V_PROGRESS:
        buf_double(out, progress(v));
        break;
    case V_FEATURES:
        buf_double(out, (double)v->n_features);
        break;
    case V_ABSENT:
        buf_double(out, (double)v->n_absent);
        break;
    case V_FROZEN:
        buf_double(out, (double)v->n_frozen);
        break;
    case V_CREATED:
        buf_double(out, (double)v->model_created_ms / 1000);
        break;
    case V_WIDENING:
        buf_float(out, v->widening);
        break;
    case V_BUDGET:
        buf_double(out, v->alarm_budget);
        break;
    case V_RATE:
        buf_double(out, v->alarm_rate);
        break;
    case V_RATE_LOWER:
        buf_double(out, v->alarm_rate_lower);
        break;
    case V_RATE_UPPER:
        buf_double(out, v->alarm_rate_upper);
        break;
    case V_DRIFT:
        buf_float(out, v->drift_evidence);
        break;
    case V_DAY:
        buf_double(out, (double)v->day_shift_ms / 1e3);
        break;
    case V_REFERENCE:
        buf_double(out, 86400.0 * v->reference_days);
        break;
    case V_SLOW:
        buf_puts(out, v->slow_since_ms ? "1" : "0");
        break;
    }
}

static void write_entity_family(const struct writer *w, const struct metrics_input *in,
                                const struct entity_family *e)
{
    bool headed = false;

    for (size_t i = 0; i < in->n; i++) {
        if (!has_sample(&in->views[i], e->needs))
            continue;
        if (!headed)
            write_head(w, &e->f);
        headed = true;
        begin_sample(w, &e->f, &in->views[i]);
        buf_puts(w->out, "} ");
        write_value(w->out, &in->views[i], in->now_ms, e->value);
        buf_puts(w->out, "\n");
    }
}

static void write_feature_errors(const struct writer *w, const struct metrics_input *in)
{
    static const struct family f = {
        "anomaly_feature_error", "",
        "The newest frame's own evidence, which anomaly_score averages, "
        "shared out among its causes; the largest few.",
        GAUGE};
    bool headed = false;

    for (size_t i = 0; i < in->n; i++) {
        const struct entity_view *v = &in->views[i];
        for (size_t k = 0; v->scored && k < v->n_causes; k++) {
            if (!headed)
                write_head(w, &f);
            headed = true;
            begin_sample(w, &f, v);
            buf_puts(w->out, ",");
            write_label(w->out, "feature", v->causes[k].feature);
            buf_puts(w->out, "} ");
            buf_float(w->out, v->causes[k].error);
            buf_puts(w->out, "\n");
        }
    }
}

static void write_phases(const struct writer *w, const struct metrics_input *in)
{
    static const struct family f = {"tocsin_entity_phase", "",
                                    "1 for the phase that the entity is in, 0 for the others.",
                                    GAUGE};

    if (in->n)
        write_head(w, &f);
    for (size_t i = 0; i < in->n; i++)
        for (enum phase p = PHASE_LEARNING; p <= PHASE_WATCHING; p++) {
            begin_sample(w, &f, &in->views[i]);
            buf_puts(w->out, ",");
            write_label(w->out, "phase", phase_name(p));
            buf_puts(w->out, in->views[i].phase == p ? "} 1\n" : "} 0\n");
        }
}

static void write_methods(const struct writer *w, const struct metrics_input *in)
{
    static const struct family f = {"tocsin_threshold_method", "",
                                    "1 for the method that made the threshold in force.", GAUGE};
    bool headed = false;

    for (size_t i = 0; i < in->n; i++) {
        if (!has_model(&in->views[i]) || !in->views[i].threshold_by[0])
            continue;
        if (!headed)
            write_head(w, &f);
        headed = true;
        begin_sample(w, &f, &in->views[i]);
        buf_puts(w->out, ",");
        write_label(w->out, "method", in->views[i].threshold_by);
        buf_puts(w->out, "} 1\n");
    }
}

static bool is_first_of_job(const struct target_list *l, size_t i)
{
    if (i > 0 && strcmp(l->v[i - 1].job, l->v[i].job) == 0)
        return false; /* most stand beside another of their job */
    for (size_t k = 0; k < i; k++)
        if (strcmp(l->v[k].job, l->v[i].job) == 0)
            return false;
    return true;
}

static void write_targets(const struct writer *w, const struct target_list *l)
{
    static const struct family f = {"tocsin_scrape_targets", "",
                                    "Targets that are scraped, by how their last scrape ended.",
                                    GAUGE};
    static const char *const states[] = {"up", "down", "unknown"};

    if (l && l->n)
        write_head(w, &f);
    for (size_t i = 0; l && i < l->n; i++) {
        size_t count[3] = {0};
        if (!is_first_of_job(l, i))
            continue;
        for (size_t k = i; k < l->n; k++)
            if (strcmp(l->v[k].job, l->v[i].job) == 0)
                count[!l->v[k].asked ? 2 : l->v[k].up ? 0 : 1]++;
        for (size_t k = 0; k < 3; k++) {
            buf_printf(w->out, "%s{", f.name);
            write_label(w->out, "job", l->v[i].job);
            buf_puts(w->out, ",");
            write_label(w->out, "state", states[k]);
            buf_printf(w->out, "} %zu\n", count[k]);
        }
    }
}

static void write_process(const struct writer *w, const struct metrics_input *in)
{
    static const struct family build = {"tocsin_build_info", "", "Which tocsin this is.", INFO};
    static const struct family entities = {"tocsin_entities", "", "Entities watched.", GAUGE};
    static const struct family start = {"process_start_time_seconds", "seconds",
                                        "Time at which the process started.", GAUGE};
    static const struct family cpu = {"process_cpu_seconds_total", "seconds",
                                      "Processor time spent, user and system.", COUNTER};
    static const struct family resident = {"process_resident_memory_bytes", "bytes",
                                           "Memory in use (resident set).", GAUGE};
    static const struct family virtual = {"process_virtual_memory_bytes", "bytes",
                                          "Address space in use.", GAUGE};
    static const struct family fds = {"process_open_fds", "", "Open file descriptors.", GAUGE};
    static const struct family max = {"process_max_fds", "", "Most file descriptors allowed.",
                                      GAUGE};
    const struct process_cost *p = in->process;

    write_head(w, &build);
    buf_printf(w->out, "%s{", build.name);
    write_label(w->out, "version", in->version);
    buf_puts(w->out, "} 1\n");
    write_plain(w, &entities, (double)in->n);
    write_plain(w, &start, (double)in->started_ms / 1000);
    write_plain(w, &cpu, p->cpu_seconds);
    write_plain(w, &resident, (double)p->resident_bytes);
    write_plain(w, &virtual, (double)p->virtual_bytes);
    write_plain(w, &fds, (double)p->open_fds);
    write_plain(w, &max, (double)p->max_fds);
}

static void write_telemetry(const struct writer *w, const struct telemetry *t)
{
    for (size_t i = 0; i < TEL_COUNT; i++) {
        const struct telemetry_row *row = &telemetry_rows[i];
        if (i == 0 || strcmp(row->name, telemetry_rows[i - 1].name) != 0)
            write_head(w, &(struct family){row->name, "", row->help, COUNTER});
        buf_puts(w->out, row->name);
        if (row->labels[0])
            buf_printf(w->out, "{%s}", row->labels);
        buf_printf(w->out, " %llu\n", (unsigned long long)telemetry_get(t, (enum telemetry_id)i));
    }
}

void metrics_format(const struct metrics_input *in, enum exposition form, struct buf *out)
{
    const struct writer w = {out, form};

    for (size_t i = 0; i < sizeof entity_families / sizeof entity_families[0]; i++)
        write_entity_family(&w, in, &entity_families[i]);
    write_feature_errors(&w, in);
    write_phases(&w, in);
    write_methods(&w, in);
    write_targets(&w, in->targets);
    write_process(&w, in);
    write_telemetry(&w, in->telemetry);
    if (form == EXPOSITION_OPENMETRICS)
        buf_puts(out, "# EOF\n");
}

const char *metrics_content_type(enum exposition form)
{
    return form == EXPOSITION_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}
