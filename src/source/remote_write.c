/* SPDX-License-Identifier: Apache-2.0 */
#include "source/remote_write.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <snappy-c.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "source/assembler.h"
#include "source/known_series.h"
#include "source/push_type.h"
#include "source/write_request.h"

enum {
    /* Snappy's densest element is a copy of 64 bytes in 3 (format_description.txt, 2.2.2). */
    SNAPPY_RATIO_MAX = 22,
    KEPT_BYTES = 4 << 20,       /* of scratch memory, from one body to the next */
    CELL_BYTES_MAX = 256 << 20, /* what waits for others of its time, of all entities */
    STEP_MS = 10 * 60 * 1000,   /* of known_series_age: an hour in KNOWN_STEPS */
    RETRY_AFTER_S = 1,
    POLL_MS = 1000,
    BREATH_MS = 5,                      /* the lock is free for pushes while much is due */
    KNOWN_REFUSED = KNOWN_UNWANTED - 1, /* as entity: its name cannot be one */
};

struct remote_write {
    struct remote_write_options o;
    pthread_mutex_t lock; /* over all below but the thread's */
    struct write_request *request;
    struct known_series *known;
    struct assembler *assembler;
    char *body; /* unpacked */
    size_t body_capacity;
    struct assembler_sample *samples; /* of one body */
    size_t n_samples, samples_capacity;
    int64_t step_ms; /* mono: when known_series_age was called last */
    bool stopped;

    pthread_t thread;
    bool thread_runs;
    int stop_fd;
};

/* Of one body: samples that are not in remote_write.samples. */
struct tally {
    size_t unwanted, refused, histograms;
    size_t invalid;    /* of series whose labels are no labels; a series without samples is one */
    struct err reason; /* of the first of those */
};

enum rc remote_write_new(const struct remote_write_options *o, struct remote_write **ret,
                         struct err *err)
{
    const struct assembler_options assembler = {o->intake, o->spec->interval_ms, CELL_BYTES_MAX};
    CLEANUP(remote_write_freep) struct remote_write *r = mem_alloc(sizeof *r);

    if (!r)
        return err_set(err, E_NOMEM, "remote write: no memory");
    r->o = *o;
    (void)pthread_mutex_init(&r->lock, NULL); /* cannot fail with default attributes */
    r->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (r->stop_fd < 0)
        return err_set(err, E_IO, "remote write: eventfd: %m");
    if (write_request_new(&r->request, err) != OK ||
        known_series_new(o->seed, &r->known, err) != OK ||
        assembler_new(&assembler, &r->assembler, err) != OK)
        return err->rc;
    *ret = TAKE(r);
    return OK;
}

void remote_write_free(struct remote_write *r)
{
    if (!r)
        return;
    remote_write_stop(r);
    write_request_free(r->request);
    known_series_free(r->known);
    assembler_free(r->assembler);
    mem_free(r->body);
    mem_free(r->samples);
    if (r->stop_fd >= 0)
        (void)close(r->stop_fd);
    (void)pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

/* The body as the sender had it before Snappy. What it claims to unpack to is believed only up to
 * what Snappy can do and to the limit. */
static enum rc unpack(struct remote_write *r, const struct push *p, size_t *ret_n, struct err *err)
{
    size_t n = 0;

    if (snappy_uncompressed_length(p->body, p->n, &n) != SNAPPY_OK)
        return err_set(err, E_PARSE, "the body is not Snappy's block format");
    if (n > r->o.spec->body_limit)
        return err_set(err, E_LIMIT,
                       "the body unpacks to %zu bytes, where at most %llu are taken: send smaller "
                       "batches (max_samples_per_send)",
                       n, (unsigned long long)r->o.spec->body_limit);
    if (n / SNAPPY_RATIO_MAX > p->n)
        return err_set(err, E_PARSE, "a body of %zu bytes cannot unpack to %zu", p->n, n);
    if (n > r->body_capacity || !r->body) {
        char *body = mem_grow(NULL, n, 1);
        if (!body)
            return err_set(err, E_NOMEM, "no memory for a body of %zu bytes", n);
        mem_free(r->body);
        r->body = body;
        r->body_capacity = n;
    }
    if (snappy_uncompress(p->body, p->n, r->body, &n) != SNAPPY_OK)
        return err_set(err, E_PARSE, "the body is cut off or not Snappy's block format");
    *ret_n = n;
    return OK;
}

/* A series that comes first, or whose number is no longer good: which entity's it is, and which
 * number it has there. E_PARSE: no series that may be sent. E_LIMIT: none that there is room for.
 */
static enum rc meet(struct remote_write *r, const struct write_series *s, struct known *e,
                    struct err *err)
{
    struct label labels[SERIES_LABELS_MAX];
    struct series series = {.labels = labels, .type = s->type};
    uint32_t entity = KNOWN_UNWANTED, number = 0;
    size_t n = 0;

    if (write_labels_parse(s->labels, &series.name, labels, &n, err) != OK)
        return err->rc;
    series.n_labels = (uint16_t)n;
    const struct str instance = series_label(&series, str_of(r->o.spec->entity_label));
    if (series.name.n && instance.n && (!r->o.wants || r->o.wants(r->o.wants_arg, &series))) {
        enum rc rc = assembler_entity(r->assembler, instance, &entity, err);
        if (rc == OK)
            rc = assembler_series(r->assembler, entity, series.name, labels, n, s->type, &number,
                                  err);
        if (rc == OK && r->o.share)
            assembler_set_group(r->assembler, entity, series_label(&series, str_of(r->o.share)));
        if (rc != OK && rc != E_CONFIG)
            return rc;
        if (rc == E_CONFIG)
            entity = KNOWN_REFUSED;
        else
            e->generation = assembler_generation(r->assembler, entity);
    }
    e->entity = entity;
    e->series = (uint16_t)number;
    return OK;
}

static bool is_good(const struct remote_write *r, const struct known *e)
{
    return e->entity >= KNOWN_REFUSED ||
           e->generation == assembler_generation(r->assembler, e->entity);
}

static enum rc add_samples(struct remote_write *r, const struct known *e,
                           const struct write_series *s, struct err *err)
{
    if (s->n_samples > r->samples_capacity - r->n_samples) {
        size_t capacity = r->samples_capacity ? 2 * r->samples_capacity : 1024;
        while (capacity - r->n_samples < s->n_samples)
            capacity *= 2;
        struct assembler_sample *samples = mem_grow(r->samples, capacity, sizeof *samples);
        if (!samples)
            return err_set(err, E_NOMEM, "no memory for %zu samples", capacity);
        r->samples = samples;
        r->samples_capacity = capacity;
    }
    for (size_t i = 0; i < s->n_samples; i++)
        r->samples[r->n_samples++] = (struct assembler_sample){
            e->entity, e->series, s->samples[i].ts_ms, s->samples[i].value, NULL};
    return OK;
}

static enum rc select_samples(struct remote_write *r, const struct write_series *s,
                              struct tally *tally, struct err *err)
{
    struct known *e = NULL;
    bool new = false;

    tally->histograms += s->n_histograms;
    enum rc rc = known_series_find(r->known, s->labels, &e, &new, err);
    if (rc == OK && (new || !is_good(r, e))) {
        rc = meet(r, s, e, err);
        if (rc != OK && new)
            known_series_take_back(r->known, e);
    }
    if (rc == E_LIMIT) { /* of entities, of series: this sample alone cannot be taken */
        tally->refused += s->n_samples;
        return OK;
    }
    if (rc == E_PARSE) { /* one target's bad label must not cost the samples of others */
        if (tally->invalid == 0)
            tally->reason = *err;
        tally->invalid += s->n_samples ? s->n_samples : 1;
        return OK;
    }
    if (rc != OK)
        return rc;
    if (e->entity == KNOWN_UNWANTED)
        tally->unwanted += s->n_samples;
    else if (e->entity == KNOWN_REFUSED)
        tally->refused += s->n_samples;
    else
        return add_samples(r, e, s, err);
    return OK;
}

/* All of a body into r->samples and *tally. */
static enum rc decode(struct remote_write *r, const struct push *p, enum write_protocol protocol,
                      struct tally *tally, struct err *err)
{
    struct write_series s;
    bool more = true;
    size_t n = 0;

    r->n_samples = 0;
    if (unpack(r, p, &n, err) != OK ||
        write_request_begin(r->request, protocol, r->body, n, err) != OK)
        return err->rc;
    for (;;) {
        if (write_request_next(r->request, &s, &more, err) != OK)
            return err->rc;
        if (!more)
            return OK;
        if (select_samples(r, &s, tally, err) != OK)
            return err->rc;
    }
}

/* Scratch that only an unusual body needs is given back. */
static void trim(struct remote_write *r)
{
    if (r->body_capacity > KEPT_BYTES) {
        mem_free(r->body);
        r->body = NULL;
        r->body_capacity = 0;
    }
    if (r->samples_capacity > KEPT_BYTES / sizeof *r->samples) {
        mem_free(r->samples);
        r->samples = NULL;
        r->samples_capacity = 0;
    }
}

static void refuse(struct push_reply *ret, unsigned status, const struct err *err)
{
    ret->status = status;
    ret->retry_after_s = status == 503 ? RETRY_AFTER_S : 0;
    (void)snprintf(ret->message, sizeof ret->message, "remote write: %s", err->msg);
}

/* Why some samples were not taken, for who reads the sender's log. */
static void explain(struct push_reply *ret, const struct assembler_result *a,
                    const struct tally *tally)
{
    const struct {
        size_t n;
        const char *what;
    } reasons[] = {
        {a->late, "older than what was handed on already"},
        {a->conflicting, "of another value at a time that their series has already"},
        {a->future, "more than 10m in the future"},
        {a->refused + tally->refused, "of entities or series that cannot be watched"},
        {tally->histograms, "native histograms, which no feature reads (send_native_histograms)"},
    };
    size_t at = 0;

    at += (size_t)snprintf(
        ret->message, sizeof ret->message,
        "remote write: %llu samples were taken, and these not:", (unsigned long long)ret->samples);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].n && at < sizeof ret->message)
            at += (size_t)snprintf(ret->message + at, sizeof ret->message - at, "%s %zu %s",
                                   ret->message[at - 1] == ':' ? "" : ",", reasons[i].n,
                                   reasons[i].what);
    if (tally->invalid && at < sizeof ret->message)
        (void)snprintf(ret->message + at, sizeof ret->message - at, "%s %zu of invalid series: %s",
                       ret->message[at - 1] == ':' ? "" : ",", tally->invalid, tally->reason.msg);
}

static void count(struct telemetry *t, const struct push_reply *reply,
                  const struct assembler_result *a, const struct tally *tally)
{
    telemetry_add(t, reply->status == 204 ? TEL_PUSHES : TEL_PUSHES_PARTLY, 1);
    telemetry_add(t, TEL_PUSHED, a->taken);
    telemetry_add(t, TEL_PUSHED_UNWANTED, tally->unwanted);
    telemetry_add(t, TEL_PUSHED_LATE, a->late);
    telemetry_add(t, TEL_PUSHED_CONFLICTING, a->conflicting);
    telemetry_add(t, TEL_PUSHED_FUTURE, a->future);
    telemetry_add(t, TEL_PUSHED_REFUSED, a->refused + tally->refused);
    telemetry_add(t, TEL_PUSHED_INVALID, tally->invalid);
    telemetry_add(t, TEL_PUSHED_HISTOGRAMS, tally->histograms);
}

static void take(struct remote_write *r, const struct push *p, struct push_reply *ret)
{
    struct assembler_result a = {0};
    struct tally tally = {0};
    enum write_protocol protocol;
    struct err err;

    if (!push_type_protocol(p->content_type, &protocol) ||
        !push_type_is_snappy(p->content_encoding)) {
        err_record(&err, E_PARSE,
                   "application/x-protobuf (prometheus.WriteRequest or "
                   "io.prometheus.write.v2.Request) with Content-Encoding: snappy is expected");
        refuse(ret, 415, &err);
        telemetry_add(r->o.telemetry, TEL_PUSHES_REFUSED, 1);
        return;
    }
    enum rc rc = decode(r, p, protocol, &tally, &err);
    const bool decoded = rc == OK;
    if (decoded)
        rc = assembler_take(r->assembler, r->samples, r->n_samples, p->wall_ms, p->mono_ms, &a,
                            &err);
    if (rc != OK) {
        /* Too much in a body will be too much the next time too; a full assembler will not be. */
        const bool again = rc == E_NOMEM || decoded;
        ret->counted = !again;
        refuse(ret, again ? 503 : 400, &err);
        telemetry_add(r->o.telemetry, again ? TEL_PUSHES_FULL : TEL_PUSHES_REFUSED, 1);
        return;
    }
    ret->counted = true;
    ret->samples = a.taken + tally.unwanted;
    const bool all = a.late + a.conflicting + a.future + a.refused + tally.refused + tally.invalid +
                         tally.histograms ==
                     0;
    ret->status = all ? 204 : 400;
    if (!all)
        explain(ret, &a, &tally);
    count(r->o.telemetry, ret, &a, &tally);
}

void remote_write_take(void *arg, const struct push *p, struct push_reply *ret)
{
    struct remote_write *r = arg;
    struct err err;

    *ret = (struct push_reply){0};
    pthread_mutex_lock(&r->lock);
    if (r->stopped) {
        err_record(&err, E_STATE, "stopping");
        refuse(ret, 503, &err);
    } else {
        take(r, p, ret);
        trim(r);
    }
    pthread_mutex_unlock(&r->lock);
}

bool remote_write_poll(struct remote_write *r, int64_t wall_ms, int64_t mono_ms)
{
    pthread_mutex_lock(&r->lock);
    const bool more = assembler_poll(r->assembler, wall_ms, mono_ms);
    if (r->step_ms == 0)
        r->step_ms = mono_ms;
    if (mono_ms - r->step_ms >= STEP_MS) {
        r->step_ms = mono_ms;
        assembler_expire(r->assembler, mono_ms);
        known_series_age(r->known);
    }
    pthread_mutex_unlock(&r->lock);
    return more;
}

static void *run(void *arg)
{
    struct remote_write *r = arg;
    struct pollfd p = {.fd = r->stop_fd, .events = POLLIN};
    bool more = false;

    (void)pthread_setname_np(pthread_self(), "receive"); /* only for ps and top */
    while (poll(&p, 1, more ? BREATH_MS : POLL_MS) <= 0)
        more = remote_write_poll(r, clock_wall_ms(), clock_mono_ms());
    return NULL;
}

enum rc remote_write_start(struct remote_write *r, struct err *err)
{
    errno = pthread_create(&r->thread, NULL, run, r);
    if (errno)
        return err_set(err, E_IO, "remote write: thread: %m");
    r->thread_runs = true;
    return OK;
}

void remote_write_stop(struct remote_write *r)
{
    const uint64_t one = 1;

    if (r->thread_runs) {
        const ssize_t n = write(r->stop_fd, &one, sizeof one);
        assert(n == sizeof one); /* an eventfd at 0 takes it */
        pthread_join(r->thread, NULL);
        r->thread_runs = false;
    }
    pthread_mutex_lock(&r->lock);
    if (!r->stopped && r->assembler)
        assembler_flush(r->assembler);
    r->stopped = true;
    pthread_mutex_unlock(&r->lock);
}
