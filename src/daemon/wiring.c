/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/wiring.h"

#include <assert.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/adopt.h"
#include "daemon/alerting.h"
#include "daemon/announce.h"
#include "daemon/collector.h"
#include "daemon/fleet.h"
#include "daemon/restore.h"
#include "daemon/shard.h"
#include "daemon/sources.h"
#include "daemon/storekeeper.h"
#include "daemon/trainer.h"
#include "feature/profile.h"
#include "serve/serve.h"
#include "source/host.h"
#include "writeback/score_writer.h"

enum { SWEEP_EVERY_S = 2 };

/* Fields in the order in which they are made; daemon_done undoes them from the end. */
struct daemon {
    struct config config; /* in force */
    char database[CONFIG_TEXT_MAX + 32], models_dir[CONFIG_TEXT_MAX + 32];
    char boot_file[CONFIG_TEXT_MAX + 32];
    char page[CONFIG_TEXT_MAX + 32]; /* where a browser finds the page */
    char instance[INSTANCE_MAX];
    size_t slot; /* of this machine */
    bool pretty;
    const struct peers *peers; /* lent */
    struct telemetry telemetry;
    struct profile *profile;
    struct host *host; /* NULL: this machine is not watched */
    struct announcer *announcer;
    struct board *board;
    struct storekeeper *storekeeper;
    struct trainer *trainer;
    struct alerting alerting;
    struct alertmanager *alertmanager; /* NULL: nobody is told */
    struct score_writer *writer;       /* NULL: scores are written nowhere */
    struct shard *shard;
    struct fleet *fleet;
    struct sources *sources;
    struct server *server;
    struct collector *collector;
};

/* Along the line: each stage has stopped sending when the next one works off its queue. The server
 * goes before the store: the last connection to close tidies the database. */
static void daemon_done(struct daemon **daemon)
{
    struct daemon *d = *daemon;

    if (!d)
        return;
    collector_stop(d->collector);
    fleet_close(d->fleet);
    sources_stop(d->sources);
    trainer_stop(d->trainer);
    storekeeper_tell_marks(d->storekeeper, NULL, NULL); /* the shard's queue goes */
    shard_stop(d->shard);
    score_writer_stop(d->writer);
    alertmanager_stop(d->alertmanager);
    fleet_free(d->fleet);
    trainer_free(d->trainer);
    serve_stop(d->server);
    storekeeper_stop(d->storekeeper);
    board_free(d->board);
    announcer_free(d->announcer);
    host_close(d->host);
    sources_free(d->sources);
    profile_free(d->profile);
    mem_free(d);
}

static enum rc open_host(struct daemon *d, struct err *err)
{
    const struct config *c = &d->config;
    const struct host_paths paths = {c->host.procfs, c->host.sysfs, c->host.rootfs};

    if (host_open(&paths, &d->host, err) != OK)
        return err->rc;
    const char *name = c->host.instance[0] ? c->host.instance : host_nodename(d->host);
    if ((size_t)snprintf(d->instance, sizeof d->instance, "%s", name) >= sizeof d->instance)
        return err_set(err, E_LIMIT, "instance '%.40s…': longer than %zu bytes", name,
                       sizeof d->instance - 1);
    return OK;
}

static enum rc open_store(struct daemon *d, bool relearn, struct err *err)
{
    const struct storekeeper_options o = {d->board, &d->telemetry, d->config.retention.max_age_ms,
                                          d->config.retention.max_size_bytes};
    struct store *store = NULL;

    snprintf(d->database, sizeof d->database, "%s/tocsin.db", d->config.data_dir);
    snprintf(d->models_dir, sizeof d->models_dir, "%s/models", d->config.data_dir);
    snprintf(d->boot_file, sizeof d->boot_file, "%s/boot_id", d->config.data_dir);
    if (file_mkdirs(d->config.data_dir, err) != OK)
        return err_wrap(err, "data_dir");
    if (store_open(d->database, &store, err) != OK)
        return err->rc;
    if (store_close_orphans(store, err) != OK ||
        (relearn && store_forget(store, NULL, err) != OK) ||
        storekeeper_new(&o, store, &d->storekeeper, err) != OK) {
        store_close(store);
        return err->rc;
    }
    const struct alertmanager_spec *spec = &d->peers->alertmanager;
    const struct alerting_options alerts = {.alertmanager = spec->urls.n ? spec : NULL,
                                            .page = d->page,
                                            .telemetry = &d->telemetry,
                                            .store = storekeeper_queue(d->storekeeper),
                                            .announcer = d->announcer};
    return alerting_open(&d->alerting, &alerts, store, d->database, &d->alertmanager, err);
}

/* What alarms are confirmed by is a part of what their number means. */
static struct threshold_spec threshold_of(const struct config *c)
{
    struct threshold_spec t = c->threshold;

    t.confirm = c->confirm;
    return t;
}

static void writer_says(void *arg, const char *sentence)
{
    announce_break(arg);
    if (sentence[0])
        log_event(LOG_WARN, "scores are not written", "err", sentence, NULL);
    else
        log_event(LOG_INFO, "scores are written again", NULL);
}

static enum rc start_writer(struct daemon *d, struct err *err)
{
    const struct score_writer_options o = {.spec = &d->peers->write,
                                           .telemetry = &d->telemetry,
                                           .trouble = writer_says,
                                           .arg = d->announcer};

    return d->peers->write.url ? score_writer_start(&o, &d->writer, err) : OK;
}

static enum rc make_stages(struct daemon *d, struct err *err)
{
    const struct trainer_options trainer = {d->config.learn, d->models_dir,
                                            d->database,     storekeeper_queue(d->storekeeper),
                                            &d->telemetry,   d->announcer};
    if (trainer_new(&trainer, &d->trainer, err) != OK || start_writer(d, err) != OK)
        return err->rc;
    const struct shard_options shard = {d->board,
                                        &d->telemetry,
                                        trainer_queue(d->trainer),
                                        storekeeper_queue(d->storekeeper),
                                        d->announcer,
                                        d->alertmanager,
                                        d->writer,
                                        threshold_of(&d->config),
                                        d->config.confirm,
                                        d->config.retrain};
    return shard_new(&shard, &d->shard, err);
}

/* A reboot since the last run is worth a line: counters start at zero, and nobody need wonder. */
static void note_boot(struct daemon *d)
{
    const char *now = host_boot_id(d->host);
    CLEANUP(mem_freep) char *before = NULL;
    size_t n = 0;
    struct err err;

    if (!now[0])
        return;
    const bool known = file_read(d->boot_file, 256, &before, &n, &err) == OK;
    if (known && strcmp(before, now) == 0)
        return;
    if (known) {
        telemetry_add(&d->telemetry, TEL_REBOOTED, 1);
        log_event(LOG_INFO, "the machine has rebooted since the last run", NULL);
    }
    if (file_write(d->boot_file, now, strlen(now), &err) != OK)
        log_event(LOG_WARN, "the boot's identity was not kept", "err", err.msg, NULL);
}

static enum rc make_fleet(struct daemon *d, struct err *err)
{
    const struct restore_options restore = {
        .database = d->database, .models_dir = d->models_dir, .now_ms = clock_wall_ms()};
    const struct fleet_options o = {d->shard,
                                    storekeeper_queue(d->storekeeper),
                                    d->announcer,
                                    &d->telemetry,
                                    d->database,
                                    d->models_dir,
                                    threshold_of(&d->config),
                                    d->config.confirm,
                                    d->config.learn,
                                    d->config.expire_ms,
                                    d->config.share[0] != '\0'};

    restore_sweep(&restore);
    return fleet_new(&o, &d->fleet, err);
}

/* This machine is an entity from the start; others are when they are heard of. */
static enum rc add_host(struct daemon *d, struct err *err)
{
    const int64_t interval_ms = d->config.host.interval_ms;
    struct intake door;

    if (profile_load(d->config.profile, interval_ms, &d->profile, err) != OK)
        return err->rc;
    const struct fleet_source s = {d->profile, interval_ms, .stays = true};
    if (fleet_intake(d->fleet, &s, &door, err) != OK)
        return err->rc;
    return fleet_add(&door, d->instance, &d->slot, err);
}

static enum rc open_sources(struct daemon *d, struct err *err)
{
    const struct sources_options o = {d->peers,     d->config.profile,
                                      d->fleet,     &d->telemetry,
                                      d->announcer, d->config.share[0] ? d->config.share : NULL};

    return sources_open(&o, &d->sources, err);
}

/* "HOST" of "HOST:PORT", for a URL that a browser can open. */
static void url_host(const char *listen, char *out, size_t size)
{
    const char *colon = strrchr(listen, ':');
    const int n = colon ? (int)(colon - listen) : (int)strlen(listen);

    if (n == 0 || strncmp(listen, "0.0.0.0:", 8) == 0 || strncmp(listen, "[::]:", 5) == 0)
        snprintf(out, size, "localhost");
    else
        snprintf(out, size, "%.*s", n, listen);
}

static enum rc start(struct daemon *d, struct err *err)
{
    struct serve_options serve = {
        .listen = d->config.listen, .database = d->database, .version = TOCSIN_VERSION};
    const struct collector_options collector = {d->host, d->config.host.interval_ms, d->slot,
                                                shard_queue(d->shard), &d->telemetry};
    char host[CONFIG_TEXT_MAX];

    storekeeper_tell_marks(d->storekeeper, d->database, shard_queue(d->shard));
    sources_receiver(d->sources, &serve.receiver);
    sources_lister(d->sources, &serve.targets);
    if (serve_start(&serve, d->board, &d->server, err) != OK)
        return err->rc;
    url_host(d->config.listen, host, sizeof host);
    (void)snprintf(d->page, sizeof d->page, "http://%s:%u", host, serve_port(d->server));
    if (storekeeper_start(d->storekeeper, err) != OK ||
        (d->alertmanager && alertmanager_start(d->alertmanager, err) != OK) ||
        trainer_start(d->trainer, shard_queue(d->shard), err) != OK ||
        shard_start(d->shard, err) != OK ||
        (d->host && collector_start(&collector, &d->collector, err) != OK) ||
        sources_start(d->sources, err) != OK)
        return err->rc;
    announce_serving(d->announcer, host, serve_port(d->server));
    return OK;
}

static enum rc daemon_start(const struct daemon_options *o, struct daemon **ret, struct err *err)
{
    CLEANUP(daemon_done) struct daemon *d = mem_alloc(sizeof *d);

    if (!d)
        return err_set(err, E_NOMEM, "daemon: no memory");
    d->config = o->config;
    d->pretty = o->pretty;
    d->peers = o->peers;
    if ((d->peers->host && open_host(d, err) != OK) ||
        announcer_new(o->pretty, &d->announcer, err) != OK ||
        board_new(&d->telemetry, &d->board, err) != OK || open_store(d, o->relearn, err) != OK ||
        make_stages(d, err) != OK || make_fleet(d, err) != OK || open_sources(d, err) != OK)
        return err->rc;
    if (d->host) {
        note_boot(d);
        if (add_host(d, err) != OK)
            return err->rc;
        shard_settle(d->shard);
    }
    if (start(d, err) != OK)
        return err->rc;
    *ret = TAKE(d);
    return OK;
}

/* Keys that only a restart can change, named when they were changed in the file. */
static void tell_what_waits(const struct config *old, const struct config *new,
                            const struct peers *old_peers, const struct peers *new_peers)
{
    const struct {
        const char *key;
        bool changed;
    } keys[] = {
        {"listen", strcmp(old->listen, new->listen) != 0},
        {"data_dir", strcmp(old->data_dir, new->data_dir) != 0},
        {"profile", strcmp(old->profile, new->profile) != 0},
        {"sources, alerts or write", memcmp(&old->host, &new->host, sizeof old->host) != 0 ||
                                         old_peers->hash != new_peers->hash},
        {"model.share", strcmp(old->share, new->share) != 0},
        {"expire", old->expire_ms != new->expire_ms},
        {"learn or model (at the next training: --relearn)",
         settings_learn_hash(&old->learn) != settings_learn_hash(&new->learn)},
    };

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i].changed)
            log_event(LOG_WARN, "this change waits for a restart", "key", keys[i].key, NULL);
}

static void apply_config(struct daemon *d, const struct config *c)
{
    const struct threshold_spec threshold = threshold_of(c);
    struct shard_message *s = shard_message_new(SHARD_SETTINGS, 0, NULL, 0);
    struct storekeeper_message *k = storekeeper_message_new(KEEP_RETENTION, 0, NULL, 0);

    if (s && k) {
        s->confirm = c->confirm;
        s->threshold = threshold;
        s->retrain = c->retrain;
        k->max_age_ms = c->retention.max_age_ms;
        k->max_size_bytes = c->retention.max_size_bytes;
    }
    /* Before the shard hears of it: who is made now is in its line before that or has the new. */
    fleet_settings(d->fleet, &threshold, c->confirm);
    const bool to_shard = s && queue_push(shard_queue(d->shard), s);
    const bool to_store = k && queue_push(storekeeper_queue(d->storekeeper), k);
    if (!to_shard)
        mem_free(s);
    if (!to_store)
        mem_free(k);
    if (!to_shard || !to_store)
        log_event(LOG_ERROR, "the new configuration was taken in part only; send SIGHUP again",
                  NULL);
    log_init(c->log.level, d->pretty ? LOG_PLAIN : c->log.format);
    d->config.confirm = c->confirm;
    d->config.threshold = c->threshold;
    d->config.retrain = c->retrain;
    d->config.retention = c->retention;
    d->config.log = c->log;
}

/* A configuration that the next start would refuse is not taken. */
static enum rc read_again(const struct daemon_options *o, struct config *ret,
                          struct peers **ret_peers, struct err *err)
{
    CLEANUP(profile_freep) struct profile *p = NULL;

    if (o->reload(o->arg, ret, ret_peers, err) != OK)
        return err->rc;
    return profile_load(ret->profile, ret->host.interval_ms, &p, err);
}

static void reload(struct daemon *d, const struct daemon_options *o)
{
    CLEANUP(peers_freep) struct peers *peers = NULL;
    struct config fresh;
    struct err err;

    announce_break(d->announcer);
    if (read_again(o, &fresh, &peers, &err) != OK) {
        telemetry_add(&d->telemetry, TEL_RELOADS_FAILED, 1);
        log_event(LOG_ERROR, "the configuration was not read again; the old one stays", "err",
                  err.msg, NULL);
        return;
    }
    tell_what_waits(&d->config, &fresh, d->peers, peers);
    apply_config(d, &fresh);
    telemetry_add(&d->telemetry, TEL_RELOADS, 1);
    log_event(LOG_INFO, "the configuration was read again", NULL);
}

/* SIGHUP because the terminal is gone, not because somebody asks to read the configuration again.
 */
static bool is_hangup(const struct daemon_options *o, const siginfo_t *info)
{
    return info->si_code == SI_KERNEL || (o->terminal && !isatty(STDERR_FILENO));
}

enum rc daemon_run(const struct daemon_options *o, struct err *err)
{
    CLEANUP(daemon_done) struct daemon *d = NULL;
    sigset_t signals;

    /* A few threads that allocate little: one arena each would only cost memory. */
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the only thread so far */
    (void)mallopt(M_ARENA_MAX, 1);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before threads: they inherit it */
    (void)signal(SIGPIPE, SIG_IGN);
    /* A file-size limit must be an error of the store, not the end of the daemon. */
    (void)signal(SIGXFSZ, SIG_IGN);

    log_init(o->config.log.level, o->pretty ? LOG_PLAIN : o->config.log.format);
    if (daemon_start(o, &d, err) != OK)
        return err->rc;
    assert(d);
    for (;;) {
        siginfo_t info;
        /* -1: nobody said anything for so long, or a handler ran */
        const int sig = sigtimedwait(&signals, &info, &(struct timespec){.tv_sec = SWEEP_EVERY_S});
        if (sig == SIGTERM || sig == SIGINT || (sig == SIGHUP && is_hangup(o, &info)))
            break;
        if (sig == SIGHUP) {
            reload(d, o);
            adopt_all(d->fleet, d->board, shard_queue(d->shard), d->database, d->models_dir);
        }
        if (sig == SIGUSR1 && !fleet_retrain(d->fleet, "asked"))
            log_event(LOG_ERROR, "not all is learned anew: the queue is full", NULL);
        if (sig < 0)
            fleet_sweep(d->fleet, clock_wall_ms(), clock_mono_ms());
    }
    announce_break(d->announcer);
    log_event(LOG_INFO, "stopping", NULL);
    return OK;
}
