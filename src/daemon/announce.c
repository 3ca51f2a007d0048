/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/announce.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "data/units.h"

enum { BAR_WIDTH = 28, CAUSES_SHOWN = 3 };

struct announcer {
    bool pretty, colour;
    pthread_mutex_t lock;
    bool bar_stands;            /* the last thing written was a bar, without a newline */
    char learner[INSTANCE_MAX]; /* of a fleet, whose progress is told; the shard's thread alone */
    int64_t learner_mono_ms;    /* when it was heard last */
};

enum rc announcer_new(bool pretty, struct announcer **ret, struct err *err)
{
    struct announcer *a = mem_alloc(sizeof *a);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here ever changes the environment */
    const char *no_color = getenv("NO_COLOR");

    if (!a)
        return err_set(err, E_NOMEM, "announcer: no memory");
    a->pretty = pretty;
    a->colour = pretty && !(no_color && no_color[0]);
    pthread_mutex_init(&a->lock, NULL);
    *ret = a;
    return OK;
}

void announcer_free(struct announcer *a)
{
    if (!a)
        return;
    announce_break(a);
    pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

/* Takes the lock, unless nothing can be written: a terminal that is stopped (Ctrl-S, a stalled
 * connection) must not stop the watching. */
static bool begin(struct announcer *a)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

    pthread_mutex_lock(&a->lock);
    if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT))
        return true;
    pthread_mutex_unlock(&a->lock);
    return false;
}

static void end(struct announcer *a)
{
    pthread_mutex_unlock(&a->lock);
}

/* The lock is held in all of these. */
static void clear_bar(struct announcer *a)
{
    if (a->bar_stands)
        fputs("\r\033[K", stderr);
    a->bar_stands = false;
}

/* Cells of the bar for which the terminal has room: a line that wraps cannot be drawn over. */
static int bar_width(const char *note)
{
    const int others = 2 + 9 + 1 + 7 + 2 + (int)strlen(note); /* as draw_bar prints them */
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return BAR_WIDTH;
    const int left = size.ws_col - 1 - others;
    return left < 0 ? 0 : left < BAR_WIDTH ? left : BAR_WIDTH;
}

static void draw_bar(struct announcer *a, const char *what, double done, const char *note)
{
    char bar[3 * BAR_WIDTH + 1] = ""; /* each cell is three bytes of UTF-8 */
    const int width = bar_width(note), full = (int)(done * width);

    for (int i = 0; i < width; i++)
        memcpy(bar + 3 * i, i < full ? "█" : "░", 4);
    clear_bar(a);
    fprintf(stderr, "  %-9s %s %3.0f %%  %s", what, bar, 100 * done, note);
    fflush(stderr);
    a->bar_stands = true;
}

static void stamp(int64_t ms, char out[16])
{
    const time_t s = ms / 1000;
    struct tm tm;

    if (!localtime_r(&s, &tm) || !strftime(out, 16, "%H:%M:%S", &tm))
        out[0] = '\0';
}

static const char *paint(const struct announcer *a, const char *code)
{
    return a->colour ? code : "";
}

void announce_break(struct announcer *a)
{
    if (!begin(a))
        return;
    clear_bar(a);
    fflush(stderr);
    end(a);
}

void announce_serving(struct announcer *a, const char *host, uint16_t port)
{
    char page[320], metrics[320];

    snprintf(page, sizeof page, "http://%s:%u/", host, port);
    snprintf(metrics, sizeof metrics, "http://%s:%u/metrics", host, port);
    if (!a->pretty) {
        log_event(LOG_INFO, "serving", "page", page, "metrics", metrics, NULL);
        return;
    }
    if (!begin(a))
        return;
    clear_bar(a);
    fprintf(stderr, "\n  page      %s%s%s\n  metrics   %s%s%s\n\n", paint(a, "\033[1m"), page,
            paint(a, "\033[0m"), paint(a, "\033[1m"), metrics, paint(a, "\033[0m"));
    end(a);
}

/* One of a fleet at a time: the progress of many would make the bar jump, and fill the log. Another
 * follows when it has learned, or is not heard of any more. */
static bool is_learner(struct announcer *a, const char *instance, bool done)
{
    enum { PATIENCE_MS = 60 * 1000 };
    const int64_t now_ms = clock_mono_ms();

    if (strcmp(a->learner, instance) != 0) {
        if (done || (a->learner[0] && now_ms - a->learner_mono_ms < PATIENCE_MS))
            return false;
        (void)snprintf(a->learner, sizeof a->learner, "%s", instance);
    }
    a->learner_mono_ms = now_ms;
    if (done)
        a->learner[0] = '\0';
    return true;
}

void announce_learning(struct announcer *a, const char *instance, uint64_t rows, uint64_t wanted,
                       int64_t interval_ms, bool new_tenth)
{
    char left[STR_DURATION_MAX], note[STR_DURATION_MAX + 16], percent[8];
    const uint64_t tenth = rows >= wanted ? 10 : rows * 10 / wanted;
    const uint64_t missing = rows >= wanted ? 0 : wanted - rows;

    if (!is_learner(a, instance, rows >= wanted))
        return;
    str_from_duration_ms((int64_t)missing * interval_ms / 1000 * 1000, left);
    if (a->pretty) {
        snprintf(note, sizeof note, "%s left", left);
        if (begin(a)) {
            draw_bar(a, "learning", rows >= wanted ? 1 : (double)rows / (double)wanted, note);
            end(a);
        }
        return;
    }
    if (!new_tenth)
        return;
    snprintf(percent, sizeof percent, "%u%%", (unsigned)tenth * 10);
    log_event(LOG_INFO, "learning", "instance", instance, "progress", percent, "left", left, NULL);
}

void announce_training(struct announcer *a, const char *instance, uint32_t epoch, uint32_t of)
{
    if (a->pretty) {
        if (begin(a)) {
            draw_bar(a, "training", of ? (double)epoch / of : 1, "");
            end(a);
        }
    } else if (epoch == 0) {
        log_event(LOG_INFO, "training", "instance", instance, NULL);
    }
}

void announce_watching(struct announcer *a, const char *instance, size_t features, uint64_t rows,
                       float threshold, float widening, bool restored)
{
    char f[24], r[24], t[24], w[24];

    snprintf(f, sizeof f, "%zu", features);
    snprintf(r, sizeof r, "%llu", (unsigned long long)rows);
    snprintf(t, sizeof t, "%.4g", (double)threshold);
    snprintf(w, sizeof w, "%.2g", (double)widening);
    if (!a->pretty) {
        log_event(LOG_INFO, "watching", "instance", instance, "features", f, "learned_frames", r,
                  "threshold", t, "widening", w, "model", restored ? "restored" : "new", NULL);
        return;
    }
    if (!begin(a))
        return;
    clear_bar(a);
    fprintf(stderr,
            "  %swatching%s  %s: %s features, %s from %s frames; rings over a score of %s\n",
            paint(a, "\033[32m"), paint(a, "\033[0m"), instance, f,
            restored ? "model restored, learned" : "learned", r, t);
    if (widening > 1)
        fprintf(stderr, "            the history is short, so the threshold is %s times wider\n",
                w);
    end(a);
}

/* "cpu_busy 98 % (expected 3 %), load1 4.1 (expected 0.2)" */
static void list_causes(const struct schema *schema, const struct incident *in, char *out,
                        size_t size)
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < in->n_causes && i < CAUSES_SHOWN; i++) {
        const struct feature *f = &schema->f[in->causes[i].feature];
        char value[UNITS_MAX], expected[UNITS_MAX];
        units_format((double)in->causes[i].value, f->unit, value);
        units_format((double)in->causes[i].expected, f->unit, expected);
        const int n = snprintf(out + at, size - at, "%s%s %s (expected %s)", i ? ", " : "", f->name,
                               value, expected);
        if (n < 0 || (size_t)n >= size - at)
            return;
        at += (size_t)n;
    }
}

/* "cpu_user, load1": what would have silenced it; "" when no few features would. */
static void list_restored(const struct schema *schema, const struct incident *in, char *out,
                          size_t size)
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < in->n_causes; i++) {
        if (!in->causes[i].restore)
            continue;
        const int n = snprintf(out + at, size - at, "%s%s", at ? ", " : "",
                               schema->f[in->causes[i].feature].name);
        if (n < 0 || (size_t)n >= size - at)
            return;
        at += (size_t)n;
    }
}

void announce_opened(struct announcer *a, const char *instance, const struct schema *schema,
                     const struct incident *in)
{
    char causes[512], restored[512], score[24], threshold[24], at[16];

    list_causes(schema, in, causes, sizeof causes);
    list_restored(schema, in, restored, sizeof restored);
    snprintf(score, sizeof score, "%.4g", (double)in->peak_score);
    snprintf(threshold, sizeof threshold, "%.4g", (double)in->threshold);
    if (!a->pretty) {
        log_event(LOG_WARN, "incident opened", "instance", instance, "score", score, "threshold",
                  threshold, "causes", causes, "restoring_silences", restored, NULL);
        return;
    }
    stamp(in->start_ms, at);
    if (!begin(a))
        return;
    clear_bar(a);
    fprintf(stderr, "%s%s  RING%s  %s  score %s over %s\n                because of %s\n",
            paint(a, "\033[1;31m"), at, paint(a, "\033[0m"), instance, score, threshold, causes);
    if (restored[0])
        fprintf(stderr, "                restoring %s would silence it\n", restored);
    end(a);
}

void announce_closed(struct announcer *a, const char *instance, const struct schema *schema,
                     const struct incident *in)
{
    char span[STR_DURATION_MAX], peak[24], at[16], causes[512];

    str_from_duration_ms((in->end_ms - in->start_ms) / 1000 * 1000, span);
    snprintf(peak, sizeof peak, "%.4g", (double)in->peak_score);
    list_causes(schema, in, causes, sizeof causes);
    if (!a->pretty) {
        log_event(LOG_INFO, "incident closed", "instance", instance, "lasted", span, "peak_score",
                  peak, "causes", causes, NULL);
        return;
    }
    stamp(in->end_ms, at);
    if (!begin(a))
        return;
    clear_bar(a);
    fprintf(stderr, "%s%s  over%s  %s  after %s, peak score %s\n", paint(a, "\033[32m"), at,
            paint(a, "\033[0m"), instance, span, peak);
    end(a);
}

void announce_feature(struct announcer *a, const char *instance, const char *feature,
                      const char *state)
{
    announce_break(a);
    log_event(LOG_WARN, "feature", "instance", instance, "feature", feature, "state", state, NULL);
}
