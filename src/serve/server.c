/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "serve/api.h"
#include "serve/listen.h"
#include "serve/process.h"
#include "serve/rebind.h"
#include "serve/serve.h"
#include "serve/upload.h"

/* libmicrohttpd's own time-out counts from the last byte, so a client that sends one byte a second
 * would hold its place for hours. The loop is therefore ours (one thread, epoll), and once a second
 * it closes the connections that have been in one state for too long. */
enum {
    CONNECTIONS_MAX = 256,
    CONNECTIONS_PER_IP = 64,
    CONNECTION_MEMORY = 16 << 10, /* request line and headers; more is a 431 or 414 */
    SILENCE_MAX_S = 30,           /* libmicrohttpd's: no byte at all */
    ASKING_MAX_MS = 10 * 1000,    /* from connecting to the end of the first request's headers */
    IDLE_MAX_MS = 60 * 1000,      /* from an answer to the end of the next request's headers */
    UPLOADING_MAX_MS = 60 * 1000, /* to send a body */
    ANSWERING_MAX_MS = 60 * 1000, /* to take an answer */
    SWEEP_MS = 1000,
    UPLOADS_AT_ONCE = 4, /* bodies of the most bytes; of common size there is room for many more */
};

/* Where senders of Remote-Write expect it: prometheus.io/docs/specs/prw names no path, and all
 * known receivers have this one. */
static const char write_path[] = "/api/v1/write";

enum talk { FREE, ASKING, UPLOADING, ANSWERING, IDLE };

struct talker {
    enum talk state;
    int fd;
    int64_t since_ms; /* in this state, monotonic */
};

struct server {
    struct MHD_Daemon *http;
    struct api *api;
    struct telemetry *telemetry;
    pthread_t thread;
    bool thread_runs;
    int stop_fd; /* eventfd */
    uint16_t port;
    bool on_loopback;
    struct push_receiver receiver;
    struct upload_room room;
    bool closed_some;                       /* since the library last ran */
    struct talker talkers[CONNECTIONS_MAX]; /* the server thread's */
};

/* Addresses that mark a request in its context: its path hides a NUL; its headers were seen. Any
 * other address there is the request's struct upload. */
static char bad_path, seen;

static struct talker *talker_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static void set_state(struct talker *t, enum talk state)
{
    if (!t)
        return;
    t->state = state;
    t->since_ms = clock_mono_ms();
}

static void on_connection(void *arg, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct server *s = arg;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        set_state(*context, FREE);
        s->closed_some = true;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    for (size_t i = 0; info && i < CONNECTIONS_MAX; i++) {
        if (s->talkers[i].state != FREE)
            continue;
        s->talkers[i].fd = info->connect_fd;
        set_state(&s->talkers[i], ASKING);
        *context = &s->talkers[i];
        return;
    }
}

static void on_completed(void *arg, struct MHD_Connection *c, void **context,
                         enum MHD_RequestTerminationCode how)
{
    (void)arg, (void)how;
    if (*context && *context != &bad_path && *context != &seen)
        upload_free(*context);
    *context = NULL;
    set_state(talker_of(c), IDLE);
}

/* The library hands paths over as C strings after decoding: "/metrics%00x" would pass for
 * "/metrics". */
static void *on_uri(void *arg, const char *uri, struct MHD_Connection *c)
{
    (void)arg, (void)c;
    const char *query = strchr(uri, '?');
    const char *nul = strstr(uri, "%00");

    return nul && (!query || nul < query) ? &bad_path : NULL;
}

struct pair_list {
    struct param_pair v[PARAMS_PAIRS_MAX + 1]; /* one more, so that params_parse sees too many */
    size_t n;
};

static enum MHD_Result add_pair(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_n,
                                const char *value, size_t value_n)
{
    struct pair_list *list = arg;

    (void)kind;
    list->v[list->n++] =
        (struct param_pair){{key, key_n}, {value ? value : "", value ? value_n : 0}};
    return list->n < PARAMS_PAIRS_MAX + 1 ? MHD_YES : MHD_NO;
}

/* The headers that a pushed body's answer has beside the others; p NULL: it is another answer. */
static bool add_push_headers(struct MHD_Response *r, const struct push_reply *p)
{
    const struct {
        bool sent;
        const char *name;
        uint64_t value;
    } headers[] = {
        {p && p->retry_after_s, "Retry-After", p ? p->retry_after_s : 0},
        {p && p->counted, "X-Prometheus-Remote-Write-Samples-Written", p ? p->samples : 0},
        {p && p->counted, "X-Prometheus-Remote-Write-Histograms-Written", p ? p->histograms : 0},
        {p && p->counted, "X-Prometheus-Remote-Write-Exemplars-Written", p ? p->exemplars : 0},
    };
    char text[24];
    bool ok = true;

    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        (void)snprintf(text, sizeof text, "%" PRIu64, headers[i].value);
        if (headers[i].sent)
            ok = ok && MHD_add_response_header(r, headers[i].name, text) == MHD_YES;
    }
    return ok;
}

static enum MHD_Result send_answer(struct MHD_Connection *c, struct api_answer *answer,
                                   const struct push_reply *push)
{
    const size_t n = answer->body.n;
    char *body = buf_take(&answer->body);
    if (!body)
        return MHD_NO; /* no memory even for a sentence: the connection is closed */

    struct MHD_Response *r = MHD_create_response_from_buffer_with_free_callback(n, body, mem_free);
    if (!r) {
        mem_free(body);
        return MHD_NO;
    }
    bool ok = !answer->type || MHD_add_response_header(r, "Content-Type", answer->type) == MHD_YES;
    ok = ok && MHD_add_response_header(r, "Cache-Control", "no-store") == MHD_YES;
    ok = ok && MHD_add_response_header(r, "X-Content-Type-Options", "nosniff") == MHD_YES;
    ok = ok && MHD_add_response_header(r, "Referrer-Policy", "no-referrer") == MHD_YES;
    ok = ok && MHD_add_response_header(r, "Content-Security-Policy", answer->csp) == MHD_YES;
    if (answer->allow)
        ok = ok && MHD_add_response_header(r, "Allow", answer->allow) == MHD_YES;
    ok = ok && add_push_headers(r, push);
    const enum MHD_Result sent = ok ? MHD_queue_response(c, answer->status, r) : MHD_NO;
    MHD_destroy_response(r);
    return sent;
}

static bool has_body(struct MHD_Connection *c)
{
    const char *length = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");

    return (length && strcmp(length, "0") != 0) ||
           MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Transfer-Encoding");
}

/* A request without Host is HTTP/1.0: no browser's. */
static bool is_for_another_host(const struct server *s, struct MHD_Connection *c)
{
    const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host");

    return s->on_loopback && host && !rebind_host_is_plain(str_of(host));
}

static void answer_request(struct server *s, struct MHD_Connection *c, const char *path,
                           const char *method, struct api_answer *ret)
{
    struct pair_list pairs = {.n = 0};
    const char *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept");

    (void)MHD_get_connection_values_n(c, MHD_GET_ARGUMENT_KIND, add_pair, &pairs);
    const struct api_request q = {.method = method,
                                  .path = path,
                                  .accept = str_of(accept ? accept : ""),
                                  .pairs = pairs.v,
                                  .n_pairs = pairs.n,
                                  .now_ms = clock_wall_ms()};
    api_handle(s->api, &q, ret);
}

static enum MHD_Result send_refusal(struct server *s, struct MHD_Connection *c, unsigned status,
                                    const char *sentence, const struct push_reply *push)
{
    struct api_answer answer;

    telemetry_add(s->telemetry, TEL_HTTP_REFUSED, 1);
    api_refuse(&answer, status, sentence);
    return send_answer(c, &answer, push);
}

/* The headers of a POST to write_path were read: refused now, and the library closes the
 * connection; or its body is read. */
static enum MHD_Result begin_push(struct server *s, struct MHD_Connection *c, void **context)
{
    const struct push_reply later = {.retry_after_s = 1};
    struct upload *u;
    struct err err;
    unsigned status;

    if (upload_new(&s->room, MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length"),
                   MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Transfer-Encoding"),
                   s->receiver.body_max, &u, &status, &err) != OK) {
        telemetry_add(s->telemetry, TEL_HTTP_REQUESTS, 1);
        return send_refusal(s, c, status, err.msg, status == 503 ? &later : NULL);
    }
    *context = u;
    set_state(talker_of(c), UPLOADING);
    return MHD_YES;
}

static enum MHD_Result answer_push(struct server *s, struct MHD_Connection *c,
                                   const struct upload *u)
{
    const char *type = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Type");
    const char *encoding = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Encoding");
    const struct push p = {.content_type = str_of(type ? type : ""),
                           .content_encoding = str_of(encoding ? encoding : ""),
                           .body = u->body.n ? u->body.p : "",
                           .n = u->body.n,
                           .wall_ms = clock_wall_ms(),
                           .mono_ms = clock_mono_ms()};
    struct push_reply reply = {.status = 503, .retry_after_s = 1, .message = "no memory"};

    set_state(talker_of(c), ANSWERING);
    telemetry_add(s->telemetry, TEL_HTTP_REQUESTS, 1);
    if (upload_is_whole(u))
        s->receiver.take(s->receiver.arg, &p, &reply);
    if (reply.status >= 400)
        return send_refusal(s, c, reply.status, reply.message, &reply);
    struct api_answer answer;
    api_empty(&answer, reply.status);
    return send_answer(c, &answer, &reply);
}

/* More of a body, or its end: *upload_n is 0 then. */
static enum MHD_Result on_upload(struct server *s, struct MHD_Connection *c, struct upload *u,
                                 const char *bytes, size_t *upload_n)
{
    if (*upload_n == 0)
        return answer_push(s, c, u);
    upload_add(u, bytes, *upload_n);
    *upload_n = 0;
    return MHD_YES;
}

static void refuse_method(struct api_answer *ret)
{
    api_refuse(ret, 405, "only POST is answered here");
    ret->allow = "POST";
}

/* The library calls this once with the headers, and again when the body has been read. No body is
 * ever read but of a push: a request that has one is answered on the first call, and the library
 * then closes the connection; any other on the second, and the connection is kept. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_n, void **context)
{
    struct server *s = arg;
    struct api_answer answer;

    (void)version;
    if (*context && *context != &bad_path && *context != &seen)
        return on_upload(s, c, *context, upload, upload_n);
    const bool push = *context != &bad_path && strcmp(path, write_path) == 0;
    if (push && s->receiver.take && strcmp(method, "POST") == 0 && !is_for_another_host(s, c))
        return begin_push(s, c, context);
    set_state(talker_of(c), ANSWERING);
    if (!*context && !has_body(c)) {
        *context = &seen;
        return MHD_YES;
    }
    telemetry_add(s->telemetry, TEL_HTTP_REQUESTS, 1);
    if (*context == &bad_path)
        api_refuse(&answer, 400, "the path holds a NUL byte");
    else if (push && s->receiver.take && strcmp(method, "POST") != 0)
        refuse_method(&answer);
    else if (is_for_another_host(s, c))
        api_refuse(&answer, 421,
                   "on a loopback address only the Host localhost or an IP address is answered");
    else
        answer_request(s, c, path, method, &answer);
    if (answer.status >= 400)
        telemetry_add(s->telemetry, TEL_HTTP_REFUSED, 1);
    return send_answer(c, &answer, NULL);
}

/* True when t has waited for its peer for too long, or in vain: the peer will send no more. The
 * library misses an end of stream that comes together with the last bytes. */
static bool is_overdue(const struct talker *t, int64_t now_ms)
{
    static const int64_t most_ms[] = {
        [FREE] = INT64_MAX,
        [ASKING] = ASKING_MAX_MS,
        [UPLOADING] = UPLOADING_MAX_MS,
        [ANSWERING] = ANSWERING_MAX_MS,
        [IDLE] = IDLE_MAX_MS,
    };
    char next;

    if (now_ms - t->since_ms > most_ms[t->state])
        return true;
    return t->state != ANSWERING && recv(t->fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Shut down what is overdue; the library sees the end and closes it. True when there is any
 * connection at all. */
static bool sweep(struct server *s)
{
    const int64_t now_ms = clock_mono_ms();
    bool any = false;

    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        const struct talker *t = &s->talkers[i];
        if (t->state == FREE)
            continue;
        any = true;
        if (is_overdue(t, now_ms))
            (void)shutdown(t->fd, SHUT_RDWR); /* best effort: it may have gone by itself */
    }
    return any;
}

static void *run(void *arg)
{
    struct server *s = arg;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->http, MHD_DAEMON_INFO_EPOLL_FD);
    struct pollfd fds[2] = {{.fd = info->epoll_fd, .events = POLLIN},
                            {.fd = s->stop_fd, .events = POLLIN}};

    for (;;) {
        unsigned long long wait_ms;
        int timeout = sweep(s) ? SWEEP_MS : -1; /* nobody is connected: sleep until somebody is */
        if (MHD_get_timeout(s->http, &wait_ms) == MHD_YES && (timeout < 0 || wait_ms < SWEEP_MS))
            timeout = wait_ms < SWEEP_MS ? (int)wait_ms : SWEEP_MS;
        /* At its limit the library stops accepting, and begins again at the start of a run, not at
         * the end of the one that closed a connection. */
        if (s->closed_some)
            timeout = 0;
        s->closed_some = false;
        const int n = poll(fds, 2, timeout);
        assert(n >= 0 || errno == EINTR || errno == ENOMEM);
        if (fds[1].revents)
            return NULL;
        (void)MHD_run(s->http); /* the library closes the connection that an error belongs to */
    }
}

static enum rc start_http(struct server *s, int listen_fd, struct err *err)
{
    s->http = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, s, /**/
                               MHD_OPTION_LISTEN_SOCKET, listen_fd,         /**/
                               MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                               MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)CONNECTIONS_PER_IP,
                               MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                               MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_MAX_S,
                               MHD_OPTION_STRICT_FOR_CLIENT, 1, /* HTTP/1.1 without Host is a 400 */
                               MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, /**/
                               MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,   /**/
                               MHD_OPTION_URI_LOG_CALLBACK, on_uri, s,         /**/
                               MHD_OPTION_END);
    if (!s->http)
        return err_set(err, E_IO, "serve: libmicrohttpd %s would not start", MHD_get_version());
    return OK;
}

static enum rc start_thread(struct server *s, struct err *err)
{
    sigset_t all, before;

    /* signals are the main thread's business */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&s->thread, NULL, run, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        errno = failed;
        return err_set(err, E_IO, "serve: thread: %m");
    }
    s->thread_runs = true;
    (void)pthread_setname_np(s->thread, "serve"); /* only for ps and top */
    return OK;
}

static void server_freep(struct server **s)
{
    serve_stop(*s);
}

enum rc serve_start(const struct serve_options *o, struct board *board, struct server **ret,
                    struct err *err)
{
    CLEANUP(server_freep) struct server *s = mem_alloc(sizeof *s);
    CLEANUP(fd_closep) int listen_fd = -1;

    if (!s)
        return err_set(err, E_NOMEM, "serve: no memory");
    s->telemetry = board_telemetry(board);
    s->on_loopback = rebind_is_loopback(o->listen);
    s->receiver = o->receiver;
    s->room.max = o->receiver.body_max * UPLOADS_AT_ONCE;
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->stop_fd < 0)
        return err_set(err, E_IO, "serve: eventfd: %m");
    if (listen_open(o->listen, &listen_fd, &s->port, err) != OK ||
        api_new(board, o->database, o->version, process_start_ms(clock_wall_ms()), &s->api, err) !=
            OK ||
        start_http(s, listen_fd, err) != OK)
        return err->rc;
    api_set_targets(s->api, &o->targets);
    listen_fd = -1; /* the library's now */
    if (start_thread(s, err) != OK)
        return err->rc;
    *ret = TAKE(s);
    return OK;
}

uint16_t serve_port(const struct server *s)
{
    return s->port;
}

void serve_stop(struct server *s)
{
    if (!s)
        return;
    if (s->thread_runs) {
        const uint64_t one = 1;
        const ssize_t n = write(s->stop_fd, &one, sizeof one);
        assert(n == sizeof one); /* an eventfd at 0 takes it */
        pthread_join(s->thread, NULL);
    }
    if (s->http)
        MHD_stop_daemon(s->http);
    api_free(s->api);
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    mem_free(s);
}
