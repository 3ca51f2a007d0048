/* SPDX-License-Identifier: Apache-2.0 */
/* push_demo - a receiver of remote writes on the real HTTP server, with an intake that writes the
 * ticks down, for tests of both
 *
 *   push_demo [--listen HOST:PORT] [--interval MS] [--profile NAME] [--limit BYTES]
 *             [--full FILE] [--show METRIC]... OUT
 *
 * Appends to OUT, a line at once for each call of the intake:
 *   tick<TAB>INSTANCE<TAB>MS<TAB>SERIES THAT LIVE<TAB>METRIC=VALUE...
 *   stale<TAB>INSTANCE<TAB>MS<TAB>WHY
 * With --profile only the series that its features read are taken. While FILE is there, the intake
 * is full. Prints the port; ends when standard input does, so that it never outlives a test. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "feature/profile.h"
#include "serve/serve.h"
#include "source/remote_write.h"

enum { SHOWN_MAX = 16, LINE_MAX_BYTES = 1 << 20 };

static struct telemetry telemetry;

struct out {
    int fd;
    const char *full;
    const char *shown[SHOWN_MAX];
    size_t n_shown;
};

static void must(enum rc rc, const struct err *err)
{
    if (rc == OK)
        return;
    fprintf(stderr, "push_demo: %s\n", err->msg);
    exit(1);
}

/* One write, so that a kill leaves whole lines. */
static void write_line(const struct out *o, struct buf *line)
{
    if (line->failed || write(o->fd, line->p, line->n) != (ssize_t)line->n) {
        fprintf(stderr, "push_demo: a line was not written\n");
        exit(1);
    }
    buf_done(line);
}

static void show(const struct out *o, const struct snapshot *s, struct buf *line)
{
    for (size_t k = 0; k < o->n_shown; k++)
        for (uint32_t id = 0; id < s->n; id++) {
            if (series_is_stale(s->v[id]) ||
                !str_eq(series_set_at(s->set, id)->name, str_of(o->shown[k])))
                continue;
            buf_printf(line, "\t%s=", o->shown[k]);
            buf_double(line, s->v[id]);
        }
}

static enum rc on_tick(void *arg, const char *instance, struct snapshot *s, struct err *err)
{
    const struct out *o = arg;
    struct buf line;
    size_t live = 0;

    if (o->full && access(o->full, F_OK) == 0)
        return err_set(err, E_LIMIT, "full");
    for (size_t id = 0; id < s->n; id++)
        live += !series_is_stale(s->v[id]);
    buf_init(&line, LINE_MAX_BYTES);
    buf_printf(&line, "tick\t%s\t%" PRId64 "\t%zu", instance, s->ts_ms, live);
    show(o, s, &line);
    buf_puts(&line, "\n");
    write_line(o, &line);
    snapshot_free(s);
    return OK;
}

static void on_stale(void *arg, const char *instance, int64_t ts_ms, const char *why)
{
    struct buf line;

    buf_init(&line, LINE_MAX_BYTES);
    buf_printf(&line, "stale\t%s\t%" PRId64 "\t%s\n", instance, ts_ms, why);
    write_line(arg, &line);
}

static bool wants(void *arg, const struct series *s)
{
    return profile_wants(arg, s);
}

struct arguments {
    const char *listen, *profile;
    int64_t interval_ms;
    uint64_t limit;
    struct out out;
};

static void read_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
                                            {"interval", required_argument, NULL, 'i'},
                                            {"profile", required_argument, NULL, 'p'},
                                            {"limit", required_argument, NULL, 'b'},
                                            {"full", required_argument, NULL, 'f'},
                                            {"show", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    bool good = true;

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'l')
            a->listen = optarg;
        else if (c == 'i')
            good = good && str_to_i64(str_of(optarg), &a->interval_ms) && a->interval_ms > 0;
        else if (c == 'p')
            a->profile = optarg;
        else if (c == 'b')
            good = good && str_to_u64(str_of(optarg), &a->limit);
        else if (c == 'f')
            a->out.full = optarg;
        else if (c == 's' && a->out.n_shown < SHOWN_MAX)
            a->out.shown[a->out.n_shown++] = optarg;
        else
            good = false;
    }
    if (!good || optind + 1 != argc)
        exit(2);
    a->out.fd = open(argv[optind], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (a->out.fd < 0) {
        fprintf(stderr, "push_demo: %s: %s\n", argv[optind], strerror(errno));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static char instance[] = "instance";
    struct arguments a = {.listen = "127.0.0.1:0", .interval_ms = 1000, .limit = 64 << 20};
    struct profile *profile = NULL;
    struct remote_write *receiver;
    struct server *server;
    struct board *board;
    struct err err;

    read_arguments(argc, argv, &a);
    if (a.profile)
        must(profile_load(a.profile, a.interval_ms, &profile, &err), &err);
    const struct remote_write_spec spec = {true, a.interval_ms, instance, a.limit};
    const struct intake intake = {.arg = &a.out, .tick = on_tick, .stale = on_stale};
    const struct remote_write_options o = {.spec = &spec,
                                           .intake = &intake,
                                           .telemetry = &telemetry,
                                           .wants = profile ? wants : NULL,
                                           .wants_arg = profile,
                                           .seed = 1};
    must(remote_write_new(&o, &receiver, &err), &err);
    must(remote_write_start(receiver, &err), &err);
    must(board_new(&telemetry, &board, &err), &err);
    const struct serve_options serve = {.listen = a.listen,
                                        .version = "0.0-demo",
                                        .receiver = {receiver, remote_write_take, a.limit}};
    must(serve_start(&serve, board, &server, &err), &err);
    printf("%u\n", serve_port(server));
    fflush(stdout);
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&in, 1, -1) < 0 && errno == EINTR)
        ;
    serve_stop(server);
    remote_write_free(receiver);
    board_free(board);
    profile_free(profile);
    return 0;
}
