/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/receiver.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "alert/ledger.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "http/http_call.h"

enum {
    TIMEOUT_DEFAULT_MS = 10000, /* Prometheus: alertmanager_config, timeout */
    BACKOFF_MIN_MS = 1000,
    BACKOFF_MAX_MS = 30000,
    RETRY_AFTER_MAX_MS = 300000, /* a server that says "in a day" is asked again all the same */
    REFUSALS_MAX = 8,            /* alone, one after the other: then it is no Alertmanager */
    BODY_MAX = 4 << 20,          /* of LEDGER_BATCH alerts, each some 4 KB */
    ANSWER_MAX = 64 << 10,
};

struct receiver {
    struct receiver_options o;
    char *url, *name;
    struct http_access access;
    struct http_client *http;
    pthread_t thread;
    bool started;
    atomic_bool ending;

    pthread_mutex_t lock; /* over ledger */
    pthread_cond_t news;  /* the ledger has changed, or it is to end */
    struct ledger *ledger;

    /* the thread's own */
    struct rng rng;
    int64_t not_before_ms, backoff_ms;
    size_t batch;      /* alerts of the next request */
    unsigned refusals; /* one after the other */
    bool failing;      /* was said, until it works again */
    bool refuses;      /* was said, once */
    struct buf body;
    struct ledger_loan loans[LEDGER_BATCH];
};

static char *join(const char *a, const char *b)
{
    const size_t n = strlen(a) + strlen(b);
    char *z = mem_alloc(n + 1);

    if (z)
        (void)snprintf(z, n + 1, "%s%s", a, b);
    return z;
}

static void set_up(struct receiver *r, const struct receiver_options *o)
{
    pthread_condattr_t monotonic;

    r->o = *o;
    r->o.url = r->o.name = NULL;
    r->access = o->postable.spec->access;
    if (r->access.timeout_ms <= 0)
        r->access.timeout_ms = TIMEOUT_DEFAULT_MS;
    r->batch = LEDGER_BATCH;
    rng_init(&r->rng, o->seed);
    buf_init(&r->body, BODY_MAX);
    (void)pthread_mutex_init(&r->lock, NULL); /* cannot fail with default attributes */
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&r->news, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

static void receiver_freep(struct receiver **r)
{
    receiver_free(*r);
}

enum rc receiver_new(const struct receiver_options *o, struct receiver **ret, struct err *err)
{
    CLEANUP(receiver_freep) struct receiver *r = mem_alloc(sizeof *r);
    CLEANUP(mem_freep) char *base = mem_strndup(o->url, strlen(o->url));

    if (!r || !base)
        return err_set(err, E_NOMEM, "alerts: no memory");
    set_up(r, o);
    for (size_t n = strlen(base); n && base[n - 1] == '/'; n--)
        base[n - 1] = '\0';
    r->url = join(base, "/api/v2/alerts");
    r->name = join(o->name, "");
    if (!r->url || !r->name)
        return err_set(err, E_NOMEM, "alerts: no memory");
    if (ledger_new(postable_resend_ms(o->postable.spec), &r->ledger, err) != OK ||
        http_client_new(&r->http, err) != OK)
        return err->rc;
    *ret = TAKE(r);
    return OK;
}

const char *receiver_name(const struct receiver *r)
{
    return r->name;
}

void receiver_tell(struct receiver *r, const struct alert *a)
{
    struct err err;

    pthread_mutex_lock(&r->lock);
    const enum rc rc = ledger_take(r->ledger, a, clock_mono_ms(), &err);
    pthread_cond_signal(&r->news);
    pthread_mutex_unlock(&r->lock);
    telemetry_add(r->o.telemetry, TEL_NOTIFY_DROPPED, rc != OK);
}

void receiver_recall(struct receiver *r, const struct alert *a)
{
    struct err err;

    const enum rc rc = ledger_recall(r->ledger, a, clock_mono_ms(), &err);
    telemetry_add(r->o.telemetry, TEL_NOTIFY_DROPPED, rc != OK);
}

static void say_trouble(struct receiver *r, const char *why)
{
    if (r->failing == (why[0] != '\0'))
        return;
    r->failing = why[0] != '\0';
    if (r->o.listener.trouble)
        r->o.listener.trouble(r->o.listener.arg, r->name, why);
}

/* That others are taken does not end this trouble, so it is said once in all. */
static void say_refusal(struct receiver *r, const char *why)
{
    if (!r->refuses && r->o.listener.trouble)
        r->o.listener.trouble(r->o.listener.arg, r->name, why);
    r->refuses = true;
}

/* Nothing is sent for a while. */
static void back_off(struct receiver *r, size_t n, int64_t retry_after_ms, const char *why)
{
    telemetry_add(r->o.telemetry, TEL_NOTIFY_FAILED, n);
    r->backoff_ms = r->backoff_ms ? 2 * r->backoff_ms : BACKOFF_MIN_MS;
    if (r->backoff_ms > BACKOFF_MAX_MS)
        r->backoff_ms = BACKOFF_MAX_MS;
    /* between a half and the whole, so that many that were cut off do not come back as one */
    int64_t wait_ms = r->backoff_ms / 2;
    wait_ms += rng_below(&r->rng, (uint32_t)wait_ms + 1);
    if (retry_after_ms > wait_ms)
        wait_ms = retry_after_ms < RETRY_AFTER_MAX_MS ? retry_after_ms : RETRY_AFTER_MAX_MS;
    r->not_before_ms = clock_mono_ms() + wait_ms;
    say_trouble(r, why);
}

static void settle(struct receiver *r, size_t n, bool taken)
{
    enum ledger_news told[LEDGER_BATCH];

    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < n; i++)
        told[i] = ledger_settle(r->ledger, &r->loans[i], taken, clock_mono_ms());
    pthread_mutex_unlock(&r->lock);
    telemetry_add(r->o.telemetry, taken ? TEL_NOTIFIED : TEL_NOTIFY_REFUSED, n);
    for (size_t i = 0; i < n && r->o.listener.told; i++)
        if (told[i] != LEDGER_NOTHING)
            r->o.listener.told(r->o.listener.arg, r->o.receiver, &r->loans[i].alert,
                               told[i] == LEDGER_OVER);
}

/* The n loans as one request; whether to go on with the next ones. */
static bool on_answer(struct receiver *r, size_t n, const struct http_answer *a)
{
    char quote[HTTP_QUOTE_MAX], why[ERR_MSG_MAX];

    if (a->status >= 200 && a->status < 300) {
        r->backoff_ms = 0;
        r->refusals = 0;
        r->batch = 2 * r->batch < LEDGER_BATCH ? 2 * r->batch : LEDGER_BATCH;
        settle(r, n, true);
        say_trouble(r, "");
        return true;
    }
    http_answer_quote(a, quote);
    const bool refused = a->status == 400 || a->status == 413 || a->status == 422;
    if (refused && n > 1) {
        r->batch = n / 2;
        return true;
    }
    (void)snprintf(why, sizeof why, "%s answers with status %ld%s%s", r->url, a->status,
                   quote[0] ? ": " : "", quote);
    if (refused) { /* it stands alone now, and the next one has its turn */
        settle(r, n, false);
        say_refusal(r, why);
        if (++r->refusals < REFUSALS_MAX)
            return true;
    }
    back_off(r, refused ? 0 : n, a->retry_after_ms, why);
    return false;
}

static bool format(struct receiver *r, size_t n)
{
    buf_clear(&r->body);
    for (size_t i = 0; i < n; i++)
        postable_add(&r->o.postable, &r->loans[i].alert, clock_wall_ms(), i == 0, &r->body);
    buf_puts(&r->body, "]");
    return !r->body.failed;
}

static bool post(struct receiver *r, size_t n, const atomic_bool *stop)
{
    static const char *const headers[] = {"Content-Type: application/json"};
    const struct http_answer *answer;
    struct err err;

    if (!format(r, n)) {
        back_off(r, n, 0, "no memory for a request");
        return false;
    }
    const struct http_call call = {.url = r->url,
                                   .body = r->body.p,
                                   .body_n = r->body.n,
                                   .headers = headers,
                                   .n_headers = 1,
                                   .limit = ANSWER_MAX,
                                   .access = &r->access,
                                   .stop = stop};
    const enum rc rc = http_client_call(r->http, &call, &answer, &err);
    if (rc == OK)
        return on_answer(r, n, answer);
    if (rc != E_STATE) /* else it was told to stop: no failure of theirs */
        back_off(r, n, 0, err.msg);
    return false;
}

/* All that is due, in batches: until it is to end, or, as its goodbye, for a while. */
static void send_due(struct receiver *r, bool goodbye)
{
    const int64_t until_ms = clock_mono_ms() + RECEIVER_GOODBYE_MS;
    bool more = true;

    while (more && (goodbye ? clock_mono_ms() <= until_ms : !atomic_load(&r->ending))) {
        pthread_mutex_lock(&r->lock);
        const size_t n = ledger_due(r->ledger, clock_mono_ms(), r->loans, r->batch);
        pthread_mutex_unlock(&r->lock);
        more = n > 0 && post(r, n, goodbye ? NULL : &r->ending);
    }
}

static void forget_old(struct receiver *r)
{
    struct alert a;
    bool taken = false, any = true;

    while (any) {
        pthread_mutex_lock(&r->lock);
        any = ledger_forget(r->ledger, clock_mono_ms(), &a, &taken);
        pthread_mutex_unlock(&r->lock);
        if (!any || taken)
            continue;
        /* By now the receiver, which nobody refreshed, has ended the alert by itself. */
        telemetry_add(r->o.telemetry, TEL_NOTIFY_DROPPED, 1);
        if (r->o.listener.told)
            r->o.listener.told(r->o.listener.arg, r->o.receiver, &a, true);
    }
}

/* Until something is due and may be sent; false: it is to end. */
static bool wait_for_work(struct receiver *r)
{
    pthread_mutex_lock(&r->lock);
    for (;;) {
        if (atomic_load(&r->ending))
            break;
        const int64_t now_ms = clock_mono_ms();
        int64_t next_ms = ledger_next_ms(r->ledger, now_ms);
        if (next_ms >= 0 && next_ms < r->not_before_ms)
            next_ms = r->not_before_ms;
        if (next_ms >= 0 && next_ms <= now_ms)
            break;
        if (next_ms < 0) {
            (void)pthread_cond_wait(&r->news, &r->lock);
            continue;
        }
        const struct timespec until = {.tv_sec = next_ms / 1000,
                                       .tv_nsec = next_ms % 1000 * 1000000};
        (void)pthread_cond_timedwait(&r->news, &r->lock, &until);
    }
    pthread_mutex_unlock(&r->lock);
    return !atomic_load(&r->ending);
}

static void *run(void *arg)
{
    struct receiver *r = arg;

    (void)pthread_setname_np(pthread_self(), "deliver");
    while (wait_for_work(r)) {
        send_due(r, false);
        forget_old(r);
    }
    if (r->access.timeout_ms > RECEIVER_GOODBYE_MS)
        r->access.timeout_ms = RECEIVER_GOODBYE_MS;
    send_due(r, true);
    return NULL;
}

enum rc receiver_start(struct receiver *r, struct err *err)
{
    errno = pthread_create(&r->thread, NULL, run, r);
    if (errno)
        return err_set(err, E_IO, "alerts: thread: %m");
    r->started = true;
    return OK;
}

void receiver_end(struct receiver *r)
{
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->ending, true);
    pthread_cond_signal(&r->news);
    pthread_mutex_unlock(&r->lock);
}

void receiver_free(struct receiver *r)
{
    if (!r)
        return;
    if (r->started) {
        receiver_end(r);
        pthread_join(r->thread, NULL);
    }
    http_client_free(r->http);
    ledger_free(r->ledger);
    buf_done(&r->body);
    mem_free(r->url);
    mem_free(r->name);
    (void)pthread_cond_destroy(&r->news);
    (void)pthread_mutex_destroy(&r->lock);
    mem_free(r);
}
