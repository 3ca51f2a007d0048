/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "data/schema.h"
#include "data/units.h"
#include "data/verdict.h"
#include "model/threshold.h"

enum { DIGITS = 9, LINE_MAX_BYTES = 256 }; /* 9 digits tell any two floats apart */

void report_id(uint64_t id, char out[REPORT_ID_MAX])
{
    (void)snprintf(out, REPORT_ID_MAX, "%016" PRIx64, id);
}

void report_threshold(const struct model *m, char out[REPORT_THRESHOLD_MAX])
{
    const struct threshold_spec *const t = &m->threshold_spec;
    const struct threshold_spec chosen = threshold_auto(m->scores, m->n_scores);

    if (t->method == THRESHOLD_AUTO)
        (void)snprintf(out, REPORT_THRESHOLD_MAX, "auto: %s %g",
                       threshold_method_name(chosen.method), chosen.value);
    else if (m->threshold_by == THRESHOLD_PERCENTILE && t->method == THRESHOLD_STAGED)
        (void)snprintf(out, REPORT_THRESHOLD_MAX, "percentile %g, until budget %g per week",
                       THRESHOLD_YOUNG, t->value);
    else
        (void)snprintf(out, REPORT_THRESHOLD_MAX, "%s %g%s", threshold_method_name(m->threshold_by),
                       t->value, m->threshold_by == THRESHOLD_BUDGET ? " per week" : "");
}

const char *report_scaling(enum scaling scaling)
{
    switch (scaling) {
    case SCALING_MINMAX:
        return "minmax";
    case SCALING_QUANTILE:
        return "quantile";
    case SCALING_NONE:
        return "none";
    }
    return "unknown";
}

json_t *report_number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

json_t *report_float(float v)
{
    CLEANUP(buf_done) struct buf text;
    double short_v = (double)v; /* 0.2f is 0.200000003 as a double */

    buf_init(&text, 64);
    buf_float(&text, v);
    if (!text.failed)
        (void)str_to_double((struct str){text.p, text.n}, &short_v); /* our own text reads back */
    return report_number(short_v);
}

json_t *report_u64(uint64_t v)
{
    char text[24];

    if (v <= INT64_MAX)
        return json_integer((json_int_t)v);
    (void)snprintf(text, sizeof text, "%" PRIu64, v);
    return json_string(text);
}

enum rc report_flush(struct err *err)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return err_set(err, E_IO, "standard output: write: %m");
    return OK;
}

enum rc report_json(json_t *o, struct err *err)
{
    if (!o)
        return err_set(err, E_NOMEM, "no memory for the result as JSON");
    const int failed = json_dumpf(o, stdout, JSON_REAL_PRECISION(DIGITS));
    json_decref(o);
    if (failed)
        return err_set(err, E_IO, "standard output: write: %m");
    putchar('\n'); /* looked at by the flush */
    return report_flush(err);
}

static int add_json(const char *p, size_t n, void *arg)
{
    buf_add(arg, p, n);
    return 0;
}

enum rc report_json_into(json_t *o, struct buf *b, struct err *err)
{
    const int failed = o ? json_dump_callback(o, add_json, b, JSON_REAL_PRECISION(DIGITS)) : -1;

    json_decref(o);
    buf_puts(b, "\n");
    if (failed || b->failed)
        return err_set(err, E_NOMEM, "no memory for the result as JSON");
    return OK;
}

enum rc report_text(const struct buf *b, struct err *err)
{
    if (b->failed)
        return err_set(err, E_NOMEM, "no memory for the result");
    (void)fwrite(b->p, 1, b->n, stdout); /* looked at by the flush */
    return report_flush(err);
}

enum rc report_write(const char *path, const struct buf *b, struct err *err)
{
    if (!path || b->failed)
        return report_text(b, err);
    return file_write(path, b->p, b->n, err);
}

void report_cause(struct buf *b, const struct schema *schema, const struct cause *c)
{
    const struct feature *const f = &schema->f[c->feature];
    char value[UNITS_MAX], expected[UNITS_MAX];

    units_format((double)c->value, f->unit, value);
    units_format((double)c->expected, f->unit, expected);
    buf_printf(b, "    %-32s %12s, expected %-12s %3.0f %%\n", f->name, value, expected,
               100 * (double)c->share);
}

json_t *report_cause_json(const struct schema *schema, const struct cause *c)
{
    const struct feature *const f = &schema->f[c->feature];

    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:b}", "feature", f->name, "group", f->group,
                     "unit", f->unit, "value", report_float(c->value), "expected",
                     report_float(c->expected), "share", report_float(c->share), "restore",
                     c->restore);
}

void report_time(int64_t ms, char out[REPORT_TIME_MAX])
{
    char text[STR_RFC3339_MAX];

    str_from_rfc3339_ms(ms, text);
    text[strcspn(text, ".Z")] = '\0';
    text[strcspn(text, "T")] = ' ';
    (void)snprintf(out, REPORT_TIME_MAX, "%s", text);
}

json_t *report_time_json(int64_t ms)
{
    char text[STR_RFC3339_MAX];

    str_from_rfc3339_ms(ms, text);
    return json_string(text);
}

void report_progress_init(struct report_progress *p, const char *what)
{
    *p = (struct report_progress){.what = what, .shown = isatty(STDERR_FILENO), .percent = -1};
}

size_t report_terminal_width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

size_t report_terminal_height(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
        return 24;
    return size.ws_row;
}

void report_bar(double part, char out[REPORT_BAR_WIDTH + 1])
{
    memset(out, '.', REPORT_BAR_WIDTH);
    memset(out, '#', (size_t)(part * REPORT_BAR_WIDTH));
    out[REPORT_BAR_WIDTH] = '\0';
}

void report_progress(struct report_progress *p, uint64_t done, uint64_t of, const char *fmt, ...)
{
    const double part = of ? fmin((double)done / (double)of, 1) : 1;
    const int percent = (int)(part * 100);
    char bar[REPORT_BAR_WIDTH + 1], line[LINE_MAX_BYTES];
    va_list ap;

    if (!p->shown || percent == p->percent)
        return;
    p->percent = percent;
    report_bar(part, bar);
    const int n = snprintf(line, sizeof line, "%s [%s] %3d %%  ", p->what, bar, percent);
    if (n > 0 && n < LINE_MAX_BYTES) {
        va_start(ap, fmt);
        (void)vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
        va_end(ap);
    }
    /* one column is left: a full line would wrap, and \r would not come back to its start */
    fprintf(stderr, "\r%.*s\x1b[K", (int)report_terminal_width() - 1, line);
}

void report_progress_done(struct report_progress *p)
{
    if (p->shown && p->percent >= 0)
        fputs("\r\x1b[K", stderr);
}
