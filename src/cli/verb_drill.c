/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/drill_fault.h"
#include "cli/drill_report.h"
#include "cli/drill_watch.h"
#include "cli/http.h"
#include "cli/report.h"
#include "cli/verb.h"

static const char help[] =
    "usage: tocsin drill --fault NAME [OPTION...]\n"
    "       tocsin drill --all [OPTION...]\n"
    "\n"
    "A fire drill: makes a real, harmless disturbance on this machine, waits for the running\n"
    "tocsin to ring, and says how long that took and which causes it named.\n"
    "\n"
    "      --fault NAME      cpu      spin two threads on each core\n"
    "                        memory   hold up to half of the free memory, at most 4 GiB\n"
    "                        disk     write, sync and read back a temporary file\n"
    "                        network  flood TCP connections over 127.0.0.1\n"
    "                        forks    start 1000 short processes a second\n"
    "                        files    hold tens of thousands of files open\n"
    "      --all             each of them in turn; waits for quiet in between\n"
    "      --rest DURATION   how long it must be quiet after an open incident, and between\n"
    "                        two of --all (default 10s)\n"
    "      --for DURATION    end the fault after this time, rung or not (default 20s)\n"
    "      --url URL         the running tocsin (default http://127.0.0.1:8001)\n"
    "      --instance NAME   the entity that is this machine, when it watches several\n"
    "      --dir DIR         where the disk fault's file goes (default: the data folder,\n"
    "                        $TMPDIR, /var/tmp or $HOME: the first that is on a disk)\n"
    "      --json            the results as JSON\n"
    "  -h, --help            this text\n"
    "\n"
    "The fault ends at the ring, at the end of its time, and whenever the drill ends for any\n"
    "reason; nothing of it stays.\n"
    "\n"
    "Exit code: 0 it rang; 1 the drill could not be made (no tocsin answers, it is learning, or\n"
    "an incident is open and does not end within 5 minutes, or one opens just before the fault\n"
    "three times); 2 the command line is wrong; 3 it did not ring.\n"
    "\n"
    "Example:\n"
    "  tocsin drill --fault memory --for 30s\n";

enum {
    POLL_MS = 200,
    CLOCK_SLACK_MS = 1000,         /* between a frame's time and ours */
    QUIET_WAIT_MS = 5 * 60 * 1000, /* for an incident to close */
    TRIES = 3,                     /* of a fault that something else rings before */
    DURATION_MOST_MS = 60 * 60 * 1000,
    PROGRESS_MAX = 128,
};

struct drill_options {
    const char *url, *instance, *dir;
    const struct drill_fault *fault; /* NULL: all */
    int64_t for_ms, rest_ms;
    bool all, json;
};

static const struct option long_options[] = {
    {"fault", required_argument, NULL, 'f'}, {"all", no_argument, NULL, 'a'},
    {"for", required_argument, NULL, 't'},   {"rest", required_argument, NULL, 'r'},
    {"url", required_argument, NULL, 'u'},   {"instance", required_argument, NULL, 'i'},
    {"dir", required_argument, NULL, 'd'},   {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
};

/* -- the command line -- */

static int parse_fault(const char *name, struct drill_options *o)
{
    const char *names[16];

    o->fault = drill_fault_find(str_of(name));
    if (o->fault)
        return -1;
    for (size_t i = 0; i < drill_n_faults; i++)
        names[i] = drill_faults[i].name;
    const int near = str_nearest(str_of(name), names, drill_n_faults);
    return verb_usage(&verb_drill,
                      "there is no fault '%s'%s%s; there are cpu, memory, disk, "
                      "network, forks, files",
                      name, near >= 0 ? ", did you mean " : "", near >= 0 ? names[near] : "");
}

static int parse_duration(const char *option, const char *value, int64_t *ret_ms)
{
    if (str_to_duration_ms(str_of(value), ret_ms) && *ret_ms >= 1000 && *ret_ms <= DURATION_MOST_MS)
        return -1;
    return verb_usage(&verb_drill, "%s: expected a duration from 1s to 1h, found '%s'", option,
                      value);
}

static int take_option(int c, const char *value, struct drill_options *o)
{
    switch (c) {
    case 'f':
        return parse_fault(value, o);
    case 'a':
        o->all = true;
        return -1;
    case 't':
        return parse_duration("--for", value, &o->for_ms);
    case 'r':
        return parse_duration("--rest", value, &o->rest_ms);
    case 'u':
        o->url = value;
        return -1;
    case 'i':
        o->instance = value;
        return -1;
    case 'd':
        o->dir = value;
        return -1;
    case 'j':
        o->json = true;
        return -1;
    case 'h':
        fputs(help, stdout);
        return EXIT_FINE;
    default:
        return EXIT_USAGE; /* refused, with a sentence */
    }
}

/* Fills o; an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct drill_options *o)
{
    struct verb_words words = {&verb_drill, argc, argv, ":h", long_options, {0}};
    int c;

    while ((c = verb_option(&words, NULL)) != -1) {
        const int code = take_option(c, optarg, o);
        if (code >= 0)
            return code;
    }
    if (optind < argc)
        return verb_usage(&verb_drill, "expected no more words, found '%s'", argv[optind]);
    if (o->fault && o->all)
        return verb_usage(&verb_drill, "expected --fault NAME or --all, found both");
    if (!o->fault && !o->all)
        return verb_usage(&verb_drill, "expected --fault NAME or --all");
    if (strlen(o->dir) >= DRILL_DIR_MAX)
        return verb_usage(&verb_drill, "--dir: expected a path under %d bytes", DRILL_DIR_MAX);
    return -1;
}

/* -- one drill -- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void catch_signals(void)
{
    const struct sigaction a = {.sa_handler = on_signal}; /* sleeps are cut short */

    (void)sigaction(SIGINT, &a, NULL);
    (void)sigaction(SIGTERM, &a, NULL);
    (void)sigaction(SIGHUP, &a, NULL);
}

static enum rc stopped(struct err *err)
{
    return err_set(err, E_STATE, "interrupted");
}

static void sleep_ms(int64_t ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&t, NULL);
}

__attribute__((format(printf, 1, 2))) static void show_progress(const char *fmt, ...)
{
    char line[PROGRESS_MAX];
    va_list ap;

    if (!isatty(STDERR_FILENO))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\r%.*s\x1b[K", (int)report_terminal_width() - 1, line);
}

/* Nothing is disturbed unless somebody is there to notice. */
static enum rc expect_watching(const struct drill_options *o, const struct drill_view *v,
                               struct err *err)
{
    if (strcmp(v->phase, "watching") != 0)
        return err_set(err, E_STATE,
                       "the tocsin at %s is still %s (%.0f %%): drill again when it watches",
                       o->url, v->phase, 100 * (isnan(v->progress) ? 0 : v->progress));
    return OK;
}

static enum rc ask(const struct drill_options *o, struct http *h, struct drill_view *ret,
                   struct err *err)
{
    if (drill_watch(h, o->instance, ret, err) != OK)
        return err->rc == E_STATE ? err_wrap(err, "the tocsin at %s", o->url) : err->rc;
    return OK;
}

static const char *first_cause(const struct drill_view *v)
{
    return v->n_causes ? v->causes[0].feature : "cause not known";
}

/* Until it rings or the time is over. A question that fails is asked again: the machine is under
 * strain; the last one must be answered. An incident that began before wall_ms, seen only now, is
 * not the fault's: r->view rings, and r->rang is false. */
static enum rc await_ring(const struct drill_options *o, struct http *h,
                          const struct drill_process *process, int64_t wall_ms,
                          struct drill_result *r, struct err *err)
{
    const int64_t started = clock_mono_ms();
    const double earliest = (double)(wall_ms - CLOCK_SLACK_MS) / 1000;

    for (;;) {
        sleep_ms(POLL_MS);
        if (interrupted)
            return stopped(err);
        if (drill_process_check(process, err) != OK)
            return err_wrap(err, "fault %s", r->fault->name);
        const enum rc rc = ask(o, h, &r->view, err);
        r->seconds = (double)(clock_mono_ms() - started) / 1000;
        if (rc == OK && r->view.ringing) {
            r->rang = r->view.start >= earliest;
            return OK;
        }
        if (rc == OK)
            r->highest = fmax(r->highest, r->view.score); /* fmax passes over NaN */
        if (clock_mono_ms() - started >= o->for_ms)
            return rc;
        show_progress("%s: %.0f s, score %.3g, threshold %.3g", r->fault->name, r->seconds,
                      r->view.score, r->view.threshold);
    }
}

/* Until the open incident, a drill's or a real one, is over and the machine at rest: the bell must
 * be silent to be heard. */
static enum rc await_quiet(const struct drill_options *o, struct http *h, struct err *err)
{
    const int64_t started = clock_mono_ms();
    int64_t quiet_since = started;
    struct drill_view v;

    for (;;) {
        if (interrupted)
            return stopped(err);
        if (ask(o, h, &v, err) != OK)
            return err->rc;
        const int64_t now = clock_mono_ms();
        if (v.ringing || v.score > v.threshold)
            quiet_since = now;
        if (now - quiet_since >= o->rest_ms)
            return OK;
        if (now - started >= QUIET_WAIT_MS)
            return err_set(
                err, E_STATE,
                "the tocsin at %s still rings after %d minutes, %s first: drill again when it is "
                "over",
                o->url, QUIET_WAIT_MS / 60000, first_cause(&v));
        show_progress("an incident is open; waiting for quiet: score %.3g, threshold %.3g", v.score,
                      v.threshold);
        sleep_ms(POLL_MS);
    }
}

/* One fault, at a time when nothing rings; again: who drills knows of what rang before. */
static enum rc try_fault(const struct drill_options *o, struct http *h, bool again,
                         struct drill_result *r, struct err *err)
{
    struct drill_plan plan = {0};
    struct drill_process process = {.complaint = -1};

    (void)snprintf(plan.dir, sizeof plan.dir, "%s", o->dir);
    r->highest = (double)NAN;
    if (ask(o, h, &r->view, err) != OK || expect_watching(o, &r->view, err) != OK)
        return err->rc;
    if (r->view.ringing) {
        if (!again)
            fprintf(stderr,
                    "tocsin drill: an incident is open, %s first: waiting until it is over\n",
                    first_cause(&r->view));
        if (await_quiet(o, h, err) != OK)
            return err->rc;
    }
    if (r->fault->prepare(&plan, err) != OK)
        return err->rc;
    if (!o->json)
        printf("%s: %s, for at most %.0f s\n", r->fault->name, plan.what, (double)o->for_ms / 1000);
    const int64_t wall = clock_wall_ms();
    if (drill_process_start(r->fault, &plan, &process, err) != OK)
        return err->rc;
    const enum rc rc = await_ring(o, h, &process, wall, r, err);
    drill_process_stop(&process);
    show_progress("%s", "");
    return rc;
}

static enum rc drill(const struct drill_options *o, struct http *h, const struct drill_fault *f,
                     struct drill_result *ret, struct err *err)
{
    *ret = (struct drill_result){.fault = f};
    for (int i = 1;; i++) {
        if (try_fault(o, h, i > 1, ret, err) != OK)
            return err->rc;
        if (ret->rang || !ret->view.ringing)
            return OK;
        if (interrupted)
            return stopped(err);
        if (i == TRIES)
            return err_set(err, E_STATE,
                           "an incident opened just before the fault, %d times, now %s first: "
                           "drill again when this machine is quieter",
                           TRIES, first_cause(&ret->view));
        fprintf(stderr,
                "tocsin drill: an incident opened just before the fault, %s first: again when it "
                "is over\n",
                first_cause(&ret->view));
    }
}

/* -- the verb -- */

static enum rc drill_each(const struct drill_options *o, struct http *h, struct drill_result *r,
                          size_t *ret_n, struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < drill_n_faults; i++) {
        const struct drill_fault *f = &drill_faults[i];

        if (o->fault && f != o->fault)
            continue;
        if (n > 0 && await_quiet(o, h, err) != OK)
            return err->rc;
        if (drill(o, h, f, &r[n], err) != OK)
            return err->rc;
        if (!o->json)
            drill_report_text(&r[n], stdout);
        *ret_n = ++n;
        if (report_flush(err) != OK)
            return err->rc;
    }
    return OK;
}

static enum rc print_json(const struct drill_options *o, const struct drill_result *r, size_t n,
                          struct err *err)
{
    CLEANUP(json_decrefp) json_t *list = json_array();
    int bad = 0;

    for (size_t i = 0; i < n; i++)
        bad |= json_array_append_new(list, drill_report_json(&r[i]));
    json_t *answer = o->all ? list : json_array_get(list, 0);
    return report_json(bad ? NULL : json_incref(answer), err);
}

static int run(int argc, char **argv)
{
    struct drill_options o = {.url = "http://127.0.0.1:8001",
                              .instance = "",
                              .dir = "",
                              .for_ms = 20000,
                              .rest_ms = 10000};
    CLEANUP(http_closep) struct http *h = NULL;
    struct drill_result results[16] = {0};
    size_t n = 0, rang = 0;
    struct err err, unwritten;

    const int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    if (http_open(o.url, &h, &err) != OK) {
        (void)err_wrap(&err, "--url");
        return verb_fail(&err);
    }
    catch_signals();
    const enum rc rc = drill_each(&o, h, results, &n, &err);
    for (size_t i = 0; i < n; i++)
        rang += results[i].rang;
    if (o.json && n > 0 && print_json(&o, results, n, &unwritten) != OK)
        return verb_fail(&unwritten);
    if (rc != OK)
        return verb_fail(&err);
    if (o.all && !o.json)
        printf("%zu of %zu faults rang\n", rang, n);
    return rang == n ? EXIT_FINE : EXIT_SILENT;
}

const struct verb verb_drill = {.name = "drill",
                                .summary = "make a harmless fault and wait for the bell",
                                .help = help,
                                .run = run};
