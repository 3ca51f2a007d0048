/* SPDX-License-Identifier: Apache-2.0 */
#include "writeback/score_writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/queue.h"
#include "http/http_access.h"
#include "http/http_call.h"

enum {
    SECOND_MS = 1000,
    BACKOFF_MAX_MS = 30 * 1000,
    RETRY_AFTER_MAX_MS = 5 * 60 * 1000, /* a store that says more is asked again then */
    LAST_MS = 3000,                     /* of the one request at the end */
    BODY_MAX = 16 << 20,
    ANSWER_MAX = 64 << 10,
};

struct score_writer {
    struct score_writer_options o;
    struct http_access access; /* the settings', with another time-out at the end */
    struct queue *queue;       /* of struct written_score */
    struct write_encoder *encoder;
    struct http_client *http;
    struct written_score *waiting; /* ring; the thread's, like all below */
    size_t first, n, capacity;
    struct buf body; /* of the request that is on its way */
    size_t in_body;  /* scores of it: the first of waiting */
    int64_t backoff_ms;
    bool troubled, last; /* last: the thread is about to end */
    atomic_bool stopping;
    pthread_t thread;
};

static void writer_free(struct score_writer *w)
{
    if (!w)
        return;
    queue_free(w->queue, mem_free);
    write_encoder_free(w->encoder);
    http_client_free(w->http);
    mem_free(w->waiting);
    buf_done(&w->body);
    mem_free(w);
}

static void writer_freep(struct score_writer **w)
{
    writer_free(*w);
}

bool score_writer_push(struct score_writer *w, const struct written_score *s)
{
    struct written_score *copy = mem_alloc(sizeof *copy);

    if (copy) {
        *copy = *s;
        if (queue_push(w->queue, copy))
            return true;
        mem_free(copy);
    }
    telemetry_add(w->o.telemetry, TEL_WRITTEN_DROPPED, WRITTEN_SERIES);
    return false;
}

/* The oldest go first; those of a request that is on its way are not waiting any more. */
static void drop_oldest(struct score_writer *w, size_t n)
{
    w->first = (w->first + n) % w->capacity;
    w->n -= n;
    w->in_body = 0;
}

static bool grow(struct score_writer *w)
{
    const size_t capacity = w->capacity ? 2 * w->capacity : 1024;
    struct written_score *v = mem_array(capacity, sizeof *v);

    if (!v)
        return false;
    for (size_t i = 0; i < w->n; i++)
        v[i] = w->waiting[(w->first + i) % w->capacity];
    mem_free(w->waiting);
    w->waiting = v;
    w->first = 0;
    w->capacity = capacity;
    return true;
}

static void keep(struct score_writer *w, struct written_score *s)
{
    const bool full = w->n == w->capacity && (w->capacity >= SCORE_WRITER_WAITING_MAX || !grow(w));

    if (full) {
        telemetry_add(w->o.telemetry, TEL_WRITTEN_DROPPED, WRITTEN_SERIES);
        if (w->capacity) {
            drop_oldest(w, 1);
            w->body.n = 0; /* the request that is on its way is made anew */
        }
    }
    if (w->capacity)
        w->waiting[(w->first + w->n++) % w->capacity] = *s;
    mem_free(s);
}

static void drain(struct score_writer *w, struct written_score *s)
{
    for (; s; s = queue_pop(w->queue))
        keep(w, s);
}

static void tell(struct score_writer *w, const char *sentence)
{
    const bool troubled = sentence[0] != '\0';

    if (w->o.trouble && troubled != w->troubled)
        w->o.trouble(w->o.arg, sentence);
    w->troubled = troubled;
}

/* The next request of what waits, in one piece of the ring. */
static enum rc make_body(struct score_writer *w, struct err *err)
{
    size_t n = w->n < SCORE_WRITER_BATCH ? w->n : SCORE_WRITER_BATCH;

    if (n > w->capacity - w->first)
        n = w->capacity - w->first;
    w->in_body = n;
    return write_encoder_format(w->encoder, w->waiting + w->first, n, &w->body, err);
}

static enum rc post(struct score_writer *w, const struct http_answer **ret, struct err *err)
{
    static const char *const headers[] = {
        "Content-Type: application/x-protobuf",
        "Content-Encoding: snappy",
        "X-Prometheus-Remote-Write-Version: 0.1.0",
    };
    const struct http_call call = {.url = w->o.spec->url,
                                   .body = w->body.p,
                                   .body_n = w->body.n,
                                   .headers = headers,
                                   .n_headers = sizeof headers / sizeof headers[0],
                                   .limit = ANSWER_MAX,
                                   .access = &w->access,
                                   .stop = w->last ? NULL : &w->stopping};

    return http_client_call(w->http, &call, ret, err);
}

/* What a store's answer means. True: this request is done with. */
static bool settle(struct score_writer *w, const struct http_answer *a, struct err *err)
{
    char quote[HTTP_QUOTE_MAX], shown[HTTP_SHOWN_MAX];
    const size_t samples = w->in_body * WRITTEN_SERIES;

    if (a->status >= 200 && a->status < 300) {
        telemetry_add(w->o.telemetry, TEL_WRITTEN, samples);
        tell(w, "");
        return true;
    }
    http_answer_quote(a, quote);
    http_url_shown(w->o.spec->url, shown);
    (void)err_set(err, E_IO, "write: %s: status %ld: %s", shown, a->status, quote);
    tell(w, err->msg);
    if (a->status >= 500 || a->status == 429)
        return false;
    telemetry_add(w->o.telemetry, TEL_WRITTEN_REFUSED, samples);
    return true;
}

/* Send the first of what waits. False: to be sent again, after w->backoff_ms. */
static bool send_one(struct score_writer *w)
{
    const struct http_answer *a = NULL;
    struct err err;
    int64_t asked_ms = -1;

    if (w->body.n == 0 && make_body(w, &err) != OK) {
        tell(w, err.msg);
    } else if (post(w, &a, &err) != OK) {
        (void)err_wrap(&err, "write");
        tell(w, err.msg);
    } else if (settle(w, a, &err)) {
        drop_oldest(w, w->in_body);
        buf_clear(&w->body);
        w->backoff_ms = 0;
        return true;
    } else {
        asked_ms = a->retry_after_ms;
    }
    telemetry_add(w->o.telemetry, TEL_WRITE_RETRIES, 1);
    w->backoff_ms = w->backoff_ms ? 2 * w->backoff_ms : SECOND_MS;
    if (w->backoff_ms > BACKOFF_MAX_MS)
        w->backoff_ms = BACKOFF_MAX_MS;
    if (asked_ms > w->backoff_ms)
        w->backoff_ms = asked_ms < RETRY_AFTER_MAX_MS ? asked_ms : RETRY_AFTER_MAX_MS;
    return false;
}

/* Gather what comes for so long, or until told to stop. */
static void gather(struct score_writer *w, int64_t ms)
{
    const int64_t end_ms = clock_mono_ms() + ms;

    while (!atomic_load(&w->stopping)) {
        const int64_t left_ms = end_ms - clock_mono_ms();
        if (left_ms <= 0)
            return;
        drain(w, queue_wait(w->queue, (int)left_ms));
    }
}

static void *run(void *arg)
{
    struct score_writer *w = arg;

    (void)pthread_setname_np(pthread_self(), "write"); /* only for ps and top */
    while (!atomic_load(&w->stopping)) {
        gather(w, w->backoff_ms ? w->backoff_ms : SECOND_MS);
        while (w->n && !atomic_load(&w->stopping) && send_one(w))
            ;
    }
    drain(w, queue_pop(w->queue));
    w->last = true;
    w->access.timeout_ms = LAST_MS;
    while (w->n && send_one(w))
        ;
    telemetry_add(w->o.telemetry, TEL_WRITTEN_DROPPED, w->n * WRITTEN_SERIES);
    return NULL;
}

enum rc score_writer_start(const struct score_writer_options *o, struct score_writer **ret,
                           struct err *err)
{
    CLEANUP(writer_freep) struct score_writer *w = mem_alloc(sizeof *w);

    if (!w)
        return err_set(err, E_NOMEM, "write: no memory");
    w->o = *o;
    w->access = o->spec->access;
    buf_init(&w->body, BODY_MAX);
    if (http_url_check(o->spec->url, err) != OK)
        return err_wrap(err, "write");
    if (queue_new(SCORE_WRITER_WAITING_MAX, &w->queue, err) != OK ||
        write_encoder_new(o->spec, &w->encoder, err) != OK || http_client_new(&w->http, err) != OK)
        return err->rc;
    errno = pthread_create(&w->thread, NULL, run, w);
    if (errno)
        return err_set(err, E_IO, "write: thread: %m");
    *ret = TAKE(w);
    return OK;
}

void score_writer_stop(struct score_writer *w)
{
    if (!w)
        return;
    atomic_store(&w->stopping, true);
    queue_close(w->queue);
    pthread_join(w->thread, NULL);
    writer_free(w);
}
