/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tune_show.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/report.h"

enum { TRIALS_SHOWN = 10, AROUND = 3, DRAWING_MAX = 64 << 10 }; /* header, bar, the cursor's line */

void tune_show_init(struct tune_show *s)
{
    *s = (struct tune_show){.live = isatty(STDERR_FILENO)};
}

void tune_show_task(const struct tune_show *s, const struct tune_view *v, const struct tune_task *t)
{
    if (s->live)
        return;
    fprintf(stderr, "%zu of %zu: trial %u, execution %u", search_done(v->search),
            search_executions(v->search), t->job.trial, t->job.execution + 1);
    if (search_rungs(v->search) > 1)
        fprintf(stderr, ", rung %u", t->job.rung + 1);
    if (t->rc == OK)
        fprintf(stderr, ": objective %.4f, held-out error %.3g, %u epochs", t->result.objective,
                t->result.held_out, t->result.epochs);
    else
        fprintf(stderr, ": failed: %s", t->err.msg);
    fprintf(stderr, ", %.1f s\n", (double)t->took_ms / 1000);
}

static void put_bar(const struct tune_view *v, const struct tune_pool *p, struct buf *out)
{
    const size_t done = search_done(v->search), of = search_executions(v->search);
    const double part = fmin(((double)done + tune_pool_progress(p)) / (double)of, 1);
    char bar[REPORT_BAR_WIDTH + 1];

    report_bar(part, bar);
    buf_printf(out, "tuning [%s] %3d %%  %zu of %zu, %zu running\n", bar, (int)(part * 100), done,
               of, tune_pool_running(p));
}

void tune_show_draw(struct tune_show *s, const struct tune_view *v, const struct tune_pool *p)
{
    const size_t width = report_terminal_width() - 1, height = report_terminal_height();
    const size_t room = height > AROUND + 1 ? height - AROUND : 1;
    uint32_t order[SEARCH_TRIALS_MAX + 1], shown = 0;
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, DRAWING_MAX);
    if (!s->live)
        return;
    tune_report_head(&text);
    search_ranking(v->search, order);
    for (uint32_t i = 0; i < search_trials(v->search) && shown < TRIALS_SHOWN && shown < room; i++)
        if (search_summary(v->search, order[i]).executions > 0) {
            tune_report_row(v, order[i], &text);
            shown++;
        }
    put_bar(v, p, &text);
    if (text.failed)
        return; /* no memory for a picture: the search does not need it */
    if (s->lines)
        fprintf(stderr, "\x1b[%zuA", s->lines);
    s->lines = 0;
    for (const char *line = text.p, *end; *line; line = end + 1, s->lines++) {
        end = strchr(line, '\n');
        const size_t n = (size_t)(end - line) < width ? (size_t)(end - line) : width;
        fprintf(stderr, "\r%.*s\x1b[K\n", (int)n, line);
    }
    fputs("\x1b[J", stderr); /* a rung may have fewer rows than the one before */
}

void tune_show_done(struct tune_show *s)
{
    if (s->lines)
        fprintf(stderr, "\x1b[%zuA\r\x1b[J", s->lines);
    s->lines = 0;
}
