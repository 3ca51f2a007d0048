/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/member.h"

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

struct member {
    struct member_options o;
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
    bool failing;      /* was said */
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

static void set_up(struct member *m, const struct member_options *o)
{
    pthread_condattr_t monotonic;

    m->o = *o;
    m->o.url = m->o.name = NULL;
    m->access = o->postable.spec->access;
    if (m->access.timeout_ms <= 0)
        m->access.timeout_ms = TIMEOUT_DEFAULT_MS;
    m->batch = LEDGER_BATCH;
    rng_init(&m->rng, o->seed);
    buf_init(&m->body, BODY_MAX);
    (void)pthread_mutex_init(&m->lock, NULL); /* cannot fail with default attributes */
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&m->news, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

static void member_freep(struct member **m)
{
    member_free(*m);
}

enum rc member_new(const struct member_options *o, struct member **ret, struct err *err)
{
    CLEANUP(member_freep) struct member *m = mem_alloc(sizeof *m);
    CLEANUP(mem_freep) char *base = mem_strndup(o->url, strlen(o->url));

    if (!m || !base)
        return err_set(err, E_NOMEM, "alerts: no memory");
    set_up(m, o);
    for (size_t n = strlen(base); n && base[n - 1] == '/'; n--)
        base[n - 1] = '\0';
    m->url = join(base, "/api/v2/alerts");
    m->name = join(o->name, "");
    if (!m->url || !m->name)
        return err_set(err, E_NOMEM, "alerts: no memory");
    if (ledger_new(postable_resend_ms(o->postable.spec), &m->ledger, err) != OK ||
        http_client_new(&m->http, err) != OK)
        return err->rc;
    *ret = TAKE(m);
    return OK;
}

const char *member_name(const struct member *m)
{
    return m->name;
}

void member_tell(struct member *m, const struct alert *a)
{
    struct err err;

    pthread_mutex_lock(&m->lock);
    const enum rc rc = ledger_take(m->ledger, a, clock_mono_ms(), &err);
    pthread_cond_signal(&m->news);
    pthread_mutex_unlock(&m->lock);
    telemetry_add(m->o.telemetry, TEL_NOTIFY_DROPPED, rc != OK);
}

static void say_trouble(struct member *m, const char *why)
{
    if (m->failing == (why[0] != '\0'))
        return;
    m->failing = why[0] != '\0';
    if (m->o.listener.trouble)
        m->o.listener.trouble(m->o.listener.arg, m->name, why);
}

/* Nothing is sent for a while. */
static void back_off(struct member *m, size_t n, int64_t retry_after_ms, const char *why)
{
    telemetry_add(m->o.telemetry, TEL_NOTIFY_FAILED, n);
    m->backoff_ms = m->backoff_ms ? 2 * m->backoff_ms : BACKOFF_MIN_MS;
    if (m->backoff_ms > BACKOFF_MAX_MS)
        m->backoff_ms = BACKOFF_MAX_MS;
    /* between a half and the whole, so that many that were cut off do not come back as one */
    int64_t wait_ms = m->backoff_ms / 2;
    wait_ms += rng_below(&m->rng, (uint32_t)wait_ms + 1);
    if (retry_after_ms > wait_ms)
        wait_ms = retry_after_ms < RETRY_AFTER_MAX_MS ? retry_after_ms : RETRY_AFTER_MAX_MS;
    m->not_before_ms = clock_mono_ms() + wait_ms;
    say_trouble(m, why);
}

static void settle(struct member *m, size_t n, bool taken)
{
    enum ledger_news told[LEDGER_BATCH];

    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < n; i++)
        told[i] = ledger_settle(m->ledger, &m->loans[i], taken, clock_mono_ms());
    pthread_mutex_unlock(&m->lock);
    telemetry_add(m->o.telemetry, taken ? TEL_NOTIFIED : TEL_NOTIFY_REFUSED, n);
    for (size_t i = 0; i < n && m->o.listener.told; i++)
        if (told[i] != LEDGER_NOTHING)
            m->o.listener.told(m->o.listener.arg, m->o.receiver, &m->loans[i].alert,
                               told[i] == LEDGER_OVER);
}

/* The n loans as one request; whether to go on with the next ones. */
static bool on_answer(struct member *m, size_t n, const struct http_answer *a)
{
    char quote[HTTP_QUOTE_MAX], why[ERR_MSG_MAX];

    if (a->status >= 200 && a->status < 300) {
        m->backoff_ms = 0;
        m->refusals = 0;
        m->batch = 2 * m->batch < LEDGER_BATCH ? 2 * m->batch : LEDGER_BATCH;
        settle(m, n, true);
        say_trouble(m, "");
        return true;
    }
    http_answer_quote(a, quote);
    const bool refused = a->status == 400 || a->status == 413 || a->status == 422;
    if (refused && n > 1) {
        m->batch = n / 2;
        return true;
    }
    (void)snprintf(why, sizeof why, "%s answers with status %ld%s%s", m->url, a->status,
                   quote[0] ? ": " : "", quote);
    if (refused) { /* it stands alone now, and the next one has its turn */
        settle(m, n, false);
        say_trouble(m, why);
        if (++m->refusals < REFUSALS_MAX)
            return true;
    }
    back_off(m, refused ? 0 : n, a->retry_after_ms, why);
    return false;
}

static bool format(struct member *m, size_t n)
{
    buf_clear(&m->body);
    for (size_t i = 0; i < n; i++)
        postable_add(&m->o.postable, &m->loans[i].alert, clock_wall_ms(), i == 0, &m->body);
    buf_puts(&m->body, "]");
    return !m->body.failed;
}

static bool post(struct member *m, size_t n, const atomic_bool *stop)
{
    static const char *const headers[] = {"Content-Type: application/json"};
    const struct http_answer *answer;
    struct err err;

    if (!format(m, n)) {
        back_off(m, n, 0, "no memory for a request");
        return false;
    }
    const struct http_call call = {.url = m->url,
                                   .body = m->body.p,
                                   .body_n = m->body.n,
                                   .headers = headers,
                                   .n_headers = 1,
                                   .limit = ANSWER_MAX,
                                   .access = &m->access,
                                   .stop = stop};
    const enum rc rc = http_client_call(m->http, &call, &answer, &err);
    if (rc == OK)
        return on_answer(m, n, answer);
    if (rc != E_STATE) /* else it was told to stop: no failure of theirs */
        back_off(m, n, 0, err.msg);
    return false;
}

/* All that is due, in batches; stop may be NULL. */
static void send_due(struct member *m, const atomic_bool *stop)
{
    bool more = true;

    while (more && !(stop && atomic_load(stop))) {
        pthread_mutex_lock(&m->lock);
        const size_t n = ledger_due(m->ledger, clock_mono_ms(), m->loans, m->batch);
        pthread_mutex_unlock(&m->lock);
        more = n > 0 && post(m, n, stop);
    }
}

static void forget_old(struct member *m)
{
    struct alert a;
    bool taken = false, any = true;

    while (any) {
        pthread_mutex_lock(&m->lock);
        any = ledger_forget(m->ledger, clock_mono_ms(), &a, &taken);
        pthread_mutex_unlock(&m->lock);
        if (!any || taken)
            continue;
        /* By now the receiver, which nobody refreshed, has ended the alert by itself. */
        telemetry_add(m->o.telemetry, TEL_NOTIFY_DROPPED, 1);
        if (m->o.listener.told)
            m->o.listener.told(m->o.listener.arg, m->o.receiver, &a, true);
    }
}

/* Until something is due and may be sent; false: it is to end. */
static bool wait_for_work(struct member *m)
{
    pthread_mutex_lock(&m->lock);
    for (;;) {
        if (atomic_load(&m->ending))
            break;
        const int64_t now_ms = clock_mono_ms();
        int64_t next_ms = ledger_next_ms(m->ledger, now_ms);
        if (next_ms >= 0 && next_ms < m->not_before_ms)
            next_ms = m->not_before_ms;
        if (next_ms >= 0 && next_ms <= now_ms)
            break;
        if (next_ms < 0) {
            (void)pthread_cond_wait(&m->news, &m->lock);
            continue;
        }
        const struct timespec until = {.tv_sec = next_ms / 1000,
                                       .tv_nsec = next_ms % 1000 * 1000000};
        (void)pthread_cond_timedwait(&m->news, &m->lock, &until);
    }
    pthread_mutex_unlock(&m->lock);
    return !atomic_load(&m->ending);
}

static void *run(void *arg)
{
    struct member *m = arg;

    (void)pthread_setname_np(pthread_self(), "deliver");
    while (wait_for_work(m)) {
        send_due(m, &m->ending);
        forget_old(m);
    }
    if (m->access.timeout_ms > MEMBER_GOODBYE_MS)
        m->access.timeout_ms = MEMBER_GOODBYE_MS;
    send_due(m, NULL);
    return NULL;
}

enum rc member_start(struct member *m, struct err *err)
{
    errno = pthread_create(&m->thread, NULL, run, m);
    if (errno)
        return err_set(err, E_IO, "alerts: thread: %m");
    m->started = true;
    return OK;
}

void member_end(struct member *m)
{
    pthread_mutex_lock(&m->lock);
    atomic_store(&m->ending, true);
    pthread_cond_signal(&m->news);
    pthread_mutex_unlock(&m->lock);
}

void member_free(struct member *m)
{
    if (!m)
        return;
    if (m->started) {
        member_end(m);
        pthread_join(m->thread, NULL);
    }
    http_client_free(m->http);
    ledger_free(m->ledger);
    buf_done(&m->body);
    mem_free(m->url);
    mem_free(m->name);
    (void)pthread_cond_destroy(&m->news);
    (void)pthread_mutex_destroy(&m->lock);
    mem_free(m);
}
