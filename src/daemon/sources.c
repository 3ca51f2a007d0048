/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/sources.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "feature/profile.h"
#include "feature/profile_by.h"
#include "http/http_access.h"
#include "source/prometheus.h"
#include "source/remote_write.h"
#include "source/scrape.h"

/* What every source has: what its entities are made with, and the fleet's door for them. */
struct opened {
    struct sources *all;
    struct profile *profile;
    struct intake door;
};

struct server { /* one Prometheus */
    struct opened o;
    const struct prometheus_spec *spec;
    struct profile_queries queries;
    struct prom_features features;
    struct prometheus_source *source;
    unsigned told; /* tenths of the past that the log has */
};

struct sources {
    struct sources_options o;
    size_t n_jobs, n_servers;
    struct opened *jobs; /* [n_jobs] */
    struct scrape_job *scrape_jobs;
    pthread_mutex_t scrape_lock; /* of the pointer: it is asked from the server's thread */
    struct scrape *scrape;
    struct server *servers; /* [n_servers] */
    struct opened pushed;
    struct remote_write *remote_write;
};

static enum rc open_door(struct sources *s, int64_t interval_ms, bool our_clock, struct opened *ret,
                         struct err *err)
{
    ret->all = s;
    if (profile_load(s->o.profile, interval_ms, &ret->profile, err) != OK)
        return err->rc;
    const struct fleet_source source = {ret->profile, interval_ms, .our_clock = our_clock};
    return fleet_intake(s->o.fleet, &source, &ret->door, err);
}

/* -- scrape -- */

static bool wants_labels(void *arg, struct str name, const struct label *labels, size_t n)
{
    const struct series s = {.name = name, .labels = labels, .n_labels = (uint16_t)n};

    return profile_wants(arg, &s);
}

static void scrape_says(void *arg, const char *sentence)
{
    struct sources *s = arg;

    announce_break(s->o.announcer);
    log_event(LOG_WARN, "scrape", "note", sentence, NULL);
}

static enum rc open_jobs(struct sources *s, struct err *err)
{
    const struct peers *p = s->o.peers;

    s->jobs = mem_array(p->n_scrape, sizeof *s->jobs);
    s->scrape_jobs = mem_array(p->n_scrape, sizeof *s->scrape_jobs);
    if (!s->jobs || !s->scrape_jobs)
        return err_set(err, E_NOMEM, "scrape: no memory");
    for (size_t i = 0; i < p->n_scrape; i++) {
        struct opened *job = &s->jobs[s->n_jobs++];
        if (open_door(s, p->scrape[i].interval_ms, true, job, err) != OK)
            return err_wrap(err, "scrape job '%s'", p->scrape[i].job);
        s->scrape_jobs[i] =
            (struct scrape_job){&p->scrape[i], &job->door, wants_labels, job->profile, s->o.share};
    }
    return OK;
}

/* -- a Prometheus server -- */

/* A bar would be in the way of the learning's: a line each tenth. */
static void filled(void *arg, uint64_t done, uint64_t of)
{
    struct server *s = arg;
    const unsigned tenths = of ? (unsigned)(done * 10 / of) : 10;
    char percent[24];

    if (tenths == s->told)
        return;
    s->told = tenths;
    (void)snprintf(percent, sizeof percent, "%u %%", tenths * 10);
    announce_break(s->o.all->o.announcer);
    log_event(LOG_INFO, "asking for the past", "server", s->spec->url, "done", percent, NULL);
}

static void server_says(void *arg, enum rc rc, const char *sentence)
{
    const struct server *s = arg;

    announce_break(s->o.all->o.announcer);
    log_event(rc == OK ? LOG_INFO : LOG_WARN, "prometheus", "server", s->spec->url, "note",
              sentence, NULL);
}

static int64_t last_ms(void *arg, const char *instance)
{
    const struct server *s = arg;
    int64_t ms = 0;
    struct err err;

    /* An entity that cannot be made now has no past; its first frame says why. */
    return s->o.door.last_ms(s->o.door.arg, instance, &ms, &err) == OK ? ms : 0;
}

static enum rc of_server(const struct server *v, struct err *err)
{
    char shown[HTTP_SHOWN_MAX];

    http_url_shown(v->spec->url, shown);
    return err_wrap(err, "prometheus '%s'", shown);
}

static enum rc open_servers(struct sources *s, struct err *err)
{
    const struct peers *p = s->o.peers;

    s->servers = mem_array(p->n_prometheus, sizeof *s->servers);
    if (!s->servers)
        return err_set(err, E_NOMEM, "prometheus: no memory");
    for (size_t i = 0; i < p->n_prometheus; i++) {
        struct server *v = &s->servers[s->n_servers++];
        v->spec = &p->prometheus[i];
        const struct expr_by by = {v->spec->entity_label, v->spec->match};
        if (open_door(s, v->spec->interval_ms, false, &v->o, err) != OK ||
            profile_queries(v->o.profile, &by, &v->queries, err) != OK)
            return of_server(v, err);
        v->features = (struct prom_features){.n = v->queries.n,
                                             .names = (const char *const *)v->queries.names,
                                             .promql = (const char *const *)v->queries.promql,
                                             .age = v->queries.age,
                                             .age_most_ms = v->queries.age_most_ms};
    }
    return OK;
}

/* -- what is pushed -- */

static bool wants_series(void *arg, const struct series *s)
{
    return profile_wants(arg, s);
}

/* What no sender can know; the clock where the kernel has nothing better yet. */
static uint64_t secret(void)
{
    uint64_t seed;

    return getrandom(&seed, sizeof seed, GRND_NONBLOCK) == sizeof seed ? seed : clock_mono_ns();
}

static enum rc open_pushed(struct sources *s, struct err *err)
{
    const struct remote_write_spec *spec = &s->o.peers->remote_write;

    if (open_door(s, spec->interval_ms, false, &s->pushed, err) != OK)
        return err_wrap(err, "remote_write");
    const struct remote_write_options o = {.spec = spec,
                                           .intake = &s->pushed.door,
                                           .telemetry = s->o.telemetry,
                                           .wants = wants_series,
                                           .wants_arg = s->pushed.profile,
                                           .share = s->o.share,
                                           .seed = secret()};
    return remote_write_new(&o, &s->remote_write, err);
}

/* -- all of them -- */

enum rc sources_open(const struct sources_options *o, struct sources **ret, struct err *err)
{
    struct sources *s = mem_alloc(sizeof *s);

    if (!s)
        return err_set(err, E_NOMEM, "sources: no memory");
    (void)pthread_mutex_init(&s->scrape_lock, NULL); /* of the default kind: cannot fail on Linux */
    s->o = *o;
    if ((o->peers->n_scrape && open_jobs(s, err) != OK) ||
        (o->peers->n_prometheus && open_servers(s, err) != OK) ||
        (o->peers->remote_write.enabled && open_pushed(s, err) != OK)) {
        sources_free(s);
        return err->rc;
    }
    *ret = s;
    return OK;
}

void sources_receiver(struct sources *s, struct push_receiver *ret)
{
    *ret = (struct push_receiver){0};
    if (s->remote_write)
        *ret = (struct push_receiver){s->remote_write, remote_write_take,
                                      s->o.peers->remote_write.body_limit};
}

static struct target_list *list_targets(void *arg)
{
    struct sources *s = arg;

    pthread_mutex_lock(&s->scrape_lock);
    struct target_list *list = s->scrape ? scrape_targets(s->scrape) : NULL;
    pthread_mutex_unlock(&s->scrape_lock);
    return list;
}

void sources_lister(struct sources *s, struct target_lister *ret)
{
    *ret = (struct target_lister){0};
    if (s->n_jobs)
        *ret = (struct target_lister){s, list_targets};
}

static enum rc start_scrape(struct sources *s, struct err *err)
{
    const struct scrape_options o = {s->scrape_jobs, s->n_jobs, scrape_says, s, s->o.telemetry};

    pthread_mutex_lock(&s->scrape_lock);
    const enum rc rc = scrape_open(&o, &s->scrape, err);
    pthread_mutex_unlock(&s->scrape_lock);
    return rc;
}

static void stop_scrape(struct sources *s)
{
    pthread_mutex_lock(&s->scrape_lock);
    struct scrape *scrape = TAKE(s->scrape);
    pthread_mutex_unlock(&s->scrape_lock);
    scrape_close(scrape);
}

enum rc sources_start(struct sources *s, struct err *err)
{
    if (s->remote_write && remote_write_start(s->remote_write, err) != OK)
        return err->rc;
    if (s->n_jobs && start_scrape(s, err) != OK)
        return err->rc;
    for (size_t i = 0; i < s->n_servers; i++) {
        struct server *v = &s->servers[i];
        const struct prometheus_hooks hooks = {v, s->o.share, filled, server_says, last_ms};
        if (prometheus_start(v->spec, &v->features, &v->o.door, &hooks, &v->source, err) != OK)
            return of_server(v, err);
    }
    return OK;
}

void sources_stop(struct sources *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_servers; i++) {
        prometheus_stop(s->servers[i].source);
        s->servers[i].source = NULL;
    }
    stop_scrape(s);
    if (s->remote_write)
        remote_write_stop(s->remote_write);
}

void sources_free(struct sources *s)
{
    if (!s)
        return;
    sources_stop(s);
    remote_write_free(s->remote_write);
    profile_free(s->pushed.profile);
    for (size_t i = 0; i < s->n_servers; i++) {
        profile_queries_done(&s->servers[i].queries);
        profile_free(s->servers[i].o.profile);
    }
    for (size_t i = 0; i < s->n_jobs; i++)
        profile_free(s->jobs[i].profile);
    mem_free(s->servers);
    mem_free(s->jobs);
    mem_free(s->scrape_jobs);
    (void)pthread_mutex_destroy(&s->scrape_lock);
    mem_free(s);
}
