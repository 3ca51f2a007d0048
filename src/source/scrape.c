/* SPDX-License-Identifier: Apache-2.0 */
#include "source/scrape.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "data/verdict.h"
#include "source/scrape_private.h"

enum {
    POLL_MAX_MS = 1000,   /* a missed wake-up costs no more */
    SPARE_MAX = 256,      /* transfers that are kept for later */
    FILES_PER_TARGET = 2, /* descriptors: a connection, and one that is being replaced */
    FILES_OTHER = 256,    /* of the rest of the program */
    CONNECTIONS_MIN = 16,
};

struct scrape {
    struct scrape_job *jobs;
    struct file_sd **files; /* by job; NULL where it has none */
    size_t n_jobs;
    void (*say)(void *arg, const char *sentence);
    void *say_arg;

    CURLM *multi;
    struct exposition_parser *parser;
    struct scrape_table table;
    struct scrape_board board;
    struct scrape_transfer *spare;
    size_t n_spare;
    int64_t files_due_ms;

    pthread_t thread;
    bool started;
    atomic_bool stop;
};

static void say_nothing(void *arg, const char *sentence)
{
    (void)arg;
    (void)sentence;
}

static void say(struct scrape *s, const struct scrape_job *job, const char *what)
{
    char sentence[ERR_MSG_MAX + 128];

    (void)snprintf(sentence, sizeof sentence, "scrape '%.64s': %s", job->spec->job, what);
    s->say(s->say_arg, sentence);
}

/* -- one scrape -- */

static void put_back(struct scrape *s, struct scrape_transfer *x)
{
    scrape_transfer_clear(x);
    if (s->n_spare == SPARE_MAX) {
        scrape_transfer_free(x);
        return;
    }
    x->next = s->spare;
    s->spare = x;
    s->n_spare++;
}

static enum rc take_out(struct scrape *s, struct scrape_transfer **ret, struct err *err)
{
    if (!s->spare)
        return scrape_transfer_new(ret, err);
    *ret = s->spare;
    s->spare = s->spare->next;
    s->n_spare--;
    return OK;
}

/* Once, until its ticks are taken again. */
static void tell(struct scrape *s, struct scrape_target *t, const char *why)
{
    char shown[HTTP_SHOWN_MAX], sentence[ERR_MSG_MAX + HTTP_SHOWN_MAX];

    if (t->told)
        return;
    t->told = true;
    http_url_shown(t->url, shown);
    (void)snprintf(sentence, sizeof sentence, "%s: %s", shown, why);
    say(s, &s->jobs[t->job], sentence);
}

static void fail(struct scrape *s, struct scrape_target *t, struct scrape_outcome *o,
                 const char *why)
{
    const struct intake *in = s->jobs[t->job].intake;

    o->error = why;
    in->stale(in->arg, t->instance, o->wall_ms, why);
    scrape_board_put(&s->board, t, o);
}

static enum rc parse(struct scrape *s, struct scrape_target *t, const struct scrape_transfer *x,
                     enum exposition_format format, struct snapshot **ret,
                     struct exposition_counts *counts, struct err *err)
{
    const struct scrape_job *job = &s->jobs[t->job];
    const struct exposition_rules rules = {.labels = t->labels,
                                           .n_labels = t->n_labels,
                                           .honor_labels = job->spec->honor_labels,
                                           .add_up = true,
                                           .wants = job->wants,
                                           .wants_arg = job->wants_arg};

    if (!t->layout && exposition_layout_new(&rules, &t->layout, err) != OK)
        return err->rc;
    return exposition_parse(s->parser, t->layout, format, (struct str){x->body.p, x->body.n},
                            x->wall_ms, ret, counts, err);
}

/* Whom the target is like: what is known already costs a look-up. A line that is full is so for the
 * tick as well, which tells. */
static void tell_group(const struct scrape *s, struct scrape_target *t)
{
    const struct scrape_job *job = &s->jobs[t->job];
    char name[GROUP_NAME_MAX + 1] = "";
    struct err err;

    if (!job->share)
        return;
    for (size_t i = 0; i < t->n_labels; i++)
        if (str_eq(t->labels[i].name, str_of(job->share)))
            (void)snprintf(name, sizeof name, "%.*s", (int)t->labels[i].value.n,
                           t->labels[i].value.p);
    (void)job->intake->group(job->intake->arg, t->instance, name, &err);
}

/* Hand on what came. */
static void give(struct scrape *s, struct scrape_target *t, struct snapshot *snapshot,
                 struct scrape_outcome *o, struct err *err)
{
    const struct intake *in = s->jobs[t->job].intake;

    tell_group(s, t);
    const enum rc rc = in->tick(in->arg, t->instance, snapshot, err);
    if (rc == OK) {
        t->told = false;
        return;
    }
    if (rc == E_LIMIT) {
        snapshot_free(snapshot);
        o->error = "dropped: more comes than is worked off";
    } else {
        o->error = err->msg;
    }
    o->dropped = true;
    tell(s, t, o->error);
}

static void finish(struct scrape *s, struct scrape_transfer *x, CURLcode code)
{
    struct scrape_target *t = x->target;
    struct scrape_outcome o = {.wall_ms = x->wall_ms, .error = ""};
    struct exposition_counts counts = {0};
    enum exposition_format format = EXPOSITION_TEXT;
    struct snapshot *snapshot = NULL;
    struct err err;

    enum rc rc = scrape_transfer_result(x, code, &format, &err);
    if (rc == OK)
        rc = parse(s, t, x, format, &snapshot, &counts, &err);
    o.duration_s = (double)(clock_mono_ns() - x->start_ns) / 1e9;
    if (rc != OK) {
        fail(s, t, &o, err.msg);
    } else {
        assert(snapshot);
        o.up = true;
        o.samples = counts.samples;
        o.taken = counts.taken;
        give(s, t, snapshot, &o, &err);
        scrape_board_put(&s->board, t, &o);
    }
    t->transfer = NULL;
    put_back(s, x);
}

/* The time stamp of a scrape that begins now: what was planned, when that is near enough, so that
 * stamps are evenly spaced (Prometheus's alignScrapeTimestamps). A clock that was set is followed.
 */
static int64_t stamp(struct scrape_target *t, int64_t wall_ms, int64_t mono_ms)
{
    const int64_t off = wall_ms - t->due_wall_ms;

    if (off < -SCRAPE_ALIGN_MS || off >= t->interval_ms) {
        scrape_target_plan(t, wall_ms, mono_ms);
        return wall_ms;
    }
    const int64_t planned = t->due_wall_ms;
    t->due_wall_ms += t->interval_ms;
    t->due_mono_ms += t->interval_ms;
    if (t->due_mono_ms <= mono_ms)
        scrape_target_plan(t, wall_ms, mono_ms);
    return off <= SCRAPE_ALIGN_MS && t->interval_ms > 100 * SCRAPE_ALIGN_MS ? planned : wall_ms;
}

static void begin(struct scrape *s, struct scrape_target *t, int64_t wall_ms)
{
    struct scrape_outcome o = {.wall_ms = wall_ms, .error = ""};
    struct scrape_transfer *x = NULL;
    struct err err;

    if (t->transfer) {
        telemetry_add(s->board.telemetry, TEL_SCRAPES_LATE, 1);
        return;
    }
    enum rc rc = take_out(s, &x, &err);
    if (rc == OK)
        rc = scrape_transfer_set(x, t, s->jobs[t->job].spec, &err);
    if (rc == OK && curl_multi_add_handle(s->multi, x->curl) != CURLM_OK)
        rc = err_set(&err, E_NOMEM, "no memory for a request");
    if (rc != OK) {
        if (x)
            put_back(s, x);
        fail(s, t, &o, err.msg);
        return;
    }
    x->wall_ms = wall_ms;
    x->start_ns = clock_mono_ns();
    t->transfer = x;
}

/* -- targets -- */

static void on_twice(void *arg, const struct scrape_target *t)
{
    struct scrape *s = arg;
    char shown[HTTP_SHOWN_MAX], sentence[ERR_MSG_MAX];

    http_url_shown(t->url, shown);
    (void)snprintf(sentence, sizeof sentence,
                   "the target %.200s is left out: another one has the instance '%.128s'", shown,
                   t->instance);
    say(s, &s->jobs[t->job], sentence);
}

static void on_come(void *arg, struct scrape_target *t)
{
    (void)arg;
    scrape_target_plan(t, clock_wall_ms(), clock_mono_ms());
}

static void give_up(struct scrape *s, struct scrape_target *t)
{
    if (!t->transfer)
        return;
    (void)curl_multi_remove_handle(s->multi, t->transfer->curl);
    put_back(s, t->transfer);
    t->transfer = NULL;
}

static void on_gone(void *arg, struct scrape_target *t, bool replaced)
{
    struct scrape *s = arg;
    const struct intake *in = s->jobs[t->job].intake;

    give_up(s, t);
    if (!replaced)
        in->stale(in->arg, t->instance, clock_wall_ms(), "no longer a target");
}

static void on_wrong(void *arg, size_t job, const char *sentence)
{
    struct scrape *s = arg;
    say(s, &s->jobs[job], sentence);
}

static enum rc set_targets(struct scrape *s, struct err *err)
{
    const struct scrape_table_events events = {s, on_twice, on_come, on_gone};
    const struct scrape_listing listing = {s->jobs, s->files, s->n_jobs, on_wrong, s};
    struct scrape_target **v;
    size_t n;

    if (scrape_list(&listing, &v, &n, err) != OK ||
        scrape_table_set(&s->table, v, n, &s->board.lock, &events, err) != OK)
        return err->rc;
    /* one connection a target is kept, so that none is made anew for each scrape */
    const long kept = s->table.n > CONNECTIONS_MIN ? (long)s->table.n : CONNECTIONS_MIN;
    (void)curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, kept);
    return OK;
}

struct file_saying {
    struct scrape *s;
    size_t job;
};

static void on_file(void *arg, const char *sentence)
{
    const struct file_saying *f = arg;
    say(f->s, &f->s->jobs[f->job], sentence);
}

/* True when some may name other targets now. */
static bool look_at_files(struct scrape *s)
{
    bool changed = false;

    for (size_t job = 0; job < s->n_jobs; job++) {
        struct file_saying f = {s, job};
        if (s->files[job])
            changed |= file_sd_poll(s->files[job], on_file, &f);
    }
    return changed;
}

/* -- the thread -- */

static void start_due(struct scrape *s)
{
    const int64_t mono_ms = clock_mono_ms();

    while (s->table.n && s->table.heap[0]->due_mono_ms <= mono_ms) {
        struct scrape_target *t = s->table.heap[0];
        const int64_t wall_ms = stamp(t, clock_wall_ms(), mono_ms);
        scrape_table_sift(&s->table);
        begin(s, t, wall_ms);
    }
}

static void finish_done(struct scrape *s)
{
    int left;

    for (CURLMsg *m; (m = curl_multi_info_read(s->multi, &left));) {
        const CURLcode code = m->data.result;
        char *private = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        struct scrape_transfer *x = (void *)private;
        assert(x);
        (void)curl_multi_remove_handle(s->multi, x->curl); /* m is gone with it */
        finish(s, x, code);
    }
}

static int until_next(const struct scrape *s)
{
    const int64_t now_ms = clock_mono_ms();
    int64_t wait = s->files_due_ms - now_ms;

    if (s->table.n && s->table.heap[0]->due_mono_ms - now_ms < wait)
        wait = s->table.heap[0]->due_mono_ms - now_ms;
    return wait < 0 ? 0 : wait > POLL_MAX_MS ? POLL_MAX_MS : (int)wait;
}

static void *run(void *arg)
{
    struct scrape *s = arg;
    struct err err;
    int running;

    while (!atomic_load(&s->stop)) {
        if (clock_mono_ms() >= s->files_due_ms) {
            s->files_due_ms = clock_mono_ms() + SCRAPE_FILES_EVERY_MS;
            if (look_at_files(s) && set_targets(s, &err) != OK)
                s->say(s->say_arg, err.msg);
        }
        start_due(s);
        (void)curl_multi_perform(s->multi, &running);
        finish_done(s);
        (void)curl_multi_poll(s->multi, NULL, 0, until_next(s), NULL);
    }
    return NULL;
}

/* -- opening and closing -- */

/* Thousands of targets have thousands of connections; Go's programs do the same. */
static void raise_file_limit(size_t targets)
{
    const rlim_t wanted = FILES_PER_TARGET * targets + FILES_OTHER;
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= wanted)
        return;
    r.rlim_cur = r.rlim_max < wanted ? r.rlim_max : wanted;
    (void)setrlimit(RLIMIT_NOFILE, &r); /* else a target says that there are too many files */
}

static enum rc open_jobs(struct scrape *s, const struct scrape_options *o, struct err *err)
{
    if (o->n_jobs > SCRAPE_JOBS_MAX)
        return err_set(err, E_CONFIG, "more than %d jobs to scrape", SCRAPE_JOBS_MAX);
    s->jobs = mem_array(o->n_jobs, sizeof *s->jobs);
    s->files = mem_array(o->n_jobs, sizeof(void *));
    if (!s->jobs || !s->files)
        return err_set(err, E_NOMEM, "scrape: no memory");
    if (o->n_jobs)
        memcpy(s->jobs, o->jobs, o->n_jobs * sizeof *s->jobs);
    for (; s->n_jobs < o->n_jobs; s->n_jobs++) {
        const struct scrape_spec *spec = o->jobs[s->n_jobs].spec;
        if (scrape_check(spec, err) != OK)
            return err->rc;
        if (spec->file_sd.n && file_sd_open(&spec->file_sd, &s->files[s->n_jobs], err) != OK)
            return err_wrap(err, "scrape '%.64s'", spec->job);
    }
    return OK;
}

static void closep(struct scrape **s)
{
    scrape_close(*s);
}

enum rc scrape_open(const struct scrape_options *options, struct scrape **ret, struct err *err)
{
    CLEANUP(closep) struct scrape *s = mem_alloc(sizeof *s);

    if (!s)
        return err_set(err, E_NOMEM, "scrape: no memory");
    (void)pthread_mutex_init(&s->board.lock, NULL);
    s->say = options->say ? options->say : say_nothing;
    s->say_arg = options->say_arg;
    http_init();
    if (open_jobs(s, options, err) != OK || exposition_parser_new(&s->parser, err) != OK)
        return err->rc;
    s->board.jobs = s->jobs;
    s->board.table = &s->table;
    s->board.telemetry = options->telemetry;
    s->multi = curl_multi_init();
    if (!s->multi)
        return err_set(err, E_NOMEM, "scrape: libcurl could not be started");
    (void)look_at_files(s);
    if (set_targets(s, err) != OK)
        return err->rc;
    for (size_t job = 0; job < s->n_jobs; job++)
        if (s->files[job] && file_sd_files(s->files[job]) == 0)
            say(s, &s->jobs[job], "file_sd: there is no such file yet");
    raise_file_limit(s->table.n);
    s->files_due_ms = clock_mono_ms() + SCRAPE_FILES_EVERY_MS;
    errno = pthread_create(&s->thread, NULL, run, s);
    if (errno)
        return err_set(err, E_IO, "scrape: no thread: %m");
    (void)pthread_setname_np(s->thread, "scrape");
    s->started = true;
    *ret = TAKE(s);
    return OK;
}

void scrape_close(struct scrape *s)
{
    if (!s)
        return;
    if (s->started) {
        atomic_store(&s->stop, true);
        (void)curl_multi_wakeup(s->multi);
        (void)pthread_join(s->thread, NULL);
    }
    for (size_t i = 0; i < s->table.n; i++)
        give_up(s, s->table.v[i]);
    scrape_table_done(&s->table);
    while (s->spare) {
        struct scrape_transfer *next = s->spare->next;
        scrape_transfer_free(s->spare);
        s->spare = next;
    }
    if (s->multi)
        (void)curl_multi_cleanup(s->multi);
    for (size_t i = 0; s->files && i < s->n_jobs; i++)
        file_sd_close(s->files[i]);
    exposition_parser_free(s->parser);
    (void)pthread_mutex_destroy(&s->board.lock);
    mem_free(s->files);
    mem_free(s->jobs);
    mem_free(s);
}

struct target_list *scrape_targets(struct scrape *s)
{
    return scrape_board_view(&s->board);
}
