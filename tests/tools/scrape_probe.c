/* SPDX-License-Identifier: Apache-2.0 */
/* Scrapes, and says as JSON lines what it hands on, until standard input ends:
 *   {"event": "tick", "instance", "ts_ms", "samples": [{"name", "labels", "value"}]}
 *   {"event": "stale", "instance", "ts_ms", "why"}     {"event": "say", "sentence"}
 *   {"event": "view", "targets": [...]}                once a second
 * scrape_probe [KEY=VALUE...], keys as below; targets and file_sd may come again. */
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "source/scrape.h"

enum { LIST_MAX = 8192 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of standard output */
static struct telemetry telemetry;
static bool full;             /* the intake refuses every tick */
static bool foreign;          /* and every entity, for good */
static const char *only = ""; /* prefix of what is wanted */

static void print(json_t *o)
{
    (void)pthread_mutex_lock(&lock);
    (void)json_dumpf(o, stdout, JSON_COMPACT);
    (void)putchar('\n');
    (void)fflush(stdout);
    (void)pthread_mutex_unlock(&lock);
    json_decref(o);
}

static json_t *sample(const struct series *s, double v)
{
    json_t *labels = json_object();

    for (size_t i = 0; i < s->n_labels; i++) {
        char *name = mem_strndup(s->labels[i].name.p, s->labels[i].name.n);
        (void)json_object_set_new(labels, name,
                                  json_stringn(s->labels[i].value.p, s->labels[i].value.n));
        mem_free(name);
    }
    return json_pack("{s:s%, s:o, s:f}", "name", s->name.p, s->name.n, "labels", labels, "value",
                     isfinite(v) ? v : -1);
}

static enum rc on_tick(void *arg, const char *instance, struct snapshot *s, struct err *err)
{
    json_t *samples = json_array();

    (void)arg;
    if (full) {
        json_decref(samples);
        return err_set(err, E_LIMIT, "full");
    }
    if (foreign) {
        json_decref(samples);
        snapshot_free(s);
        return err_set(err, E_CONFIG, "entity '%s' comes from another source already", instance);
    }
    for (uint32_t id = 0; id < s->n; id++)
        if (!series_is_stale(s->v[id]))
            (void)json_array_append_new(samples, sample(series_set_at(s->set, id), s->v[id]));
    print(json_pack("{s:s, s:s, s:I, s:o}", "event", "tick", "instance", instance, "ts_ms",
                    (json_int_t)s->ts_ms, "samples", samples));
    snapshot_free(s);
    return OK;
}

static void on_stale(void *arg, const char *instance, int64_t ts_ms, const char *why)
{
    (void)arg;
    print(json_pack("{s:s, s:s, s:I, s:s}", "event", "stale", "instance", instance, "ts_ms",
                    (json_int_t)ts_ms, "why", why));
}

static void on_say(void *arg, const char *sentence)
{
    (void)arg;
    print(json_pack("{s:s, s:s}", "event", "say", "sentence", sentence));
}

static bool wants(void *arg, struct str name, const struct label *labels, size_t n_labels)
{
    (void)arg;
    (void)labels;
    (void)n_labels;
    return str_starts(name, str_of(only));
}

static void print_view(struct scrape *s)
{
    struct target_list *view = scrape_targets(s);
    json_t *targets = json_array();

    for (size_t i = 0; view && i < view->n; i++) {
        const struct target_view *t = &view->v[i];
        (void)json_array_append_new(
            targets,
            json_pack("{s:s, s:s, s:s, s:b, s:b, s:f, s:I, s:I, s:I, s:I, s:I, s:s}", "job", t->job,
                      "instance", t->instance, "url", t->url, "asked", t->asked, "up", t->up,
                      "duration_s", t->duration_s, "scrapes", (json_int_t)t->scrapes, "failures",
                      (json_int_t)t->failures, "dropped", (json_int_t)t->dropped, "samples",
                      (json_int_t)t->samples, "taken", (json_int_t)t->taken, "error", t->error));
    }
    print(json_pack("{s:s, s:o}", "event", "view", "targets", targets));
    target_list_free(view);
}

static void set(struct scrape_spec *spec, char *word)
{
    static char *targets[LIST_MAX], *files[LIST_MAX];
    char *value = strchr(word, '=');
    const struct {
        const char *key;
        char **text;
    } texts[] = {
        {"job", &spec->job},
        {"scheme", &spec->scheme},
        {"path", &spec->path},
        {"params", &spec->params},
        {"username", &spec->access.username},
        {"password", &spec->access.password},
        {"password_file", &spec->access.password_file},
        {"bearer_token", &spec->access.bearer_token},
        {"ca_file", &spec->access.ca_file},
        {"server_name", &spec->access.server_name},
    };

    spec->targets.v = targets;
    spec->file_sd.v = files;
    if (!value)
        exit(2);
    *value++ = '\0';
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(word, texts[i].key) == 0) {
            *texts[i].text = value;
            return;
        }
    if (strcmp(word, "target") == 0 && spec->targets.n < LIST_MAX)
        targets[spec->targets.n++] = value;
    else if (strcmp(word, "file_sd") == 0 && spec->file_sd.n < LIST_MAX)
        files[spec->file_sd.n++] = value;
    else if (strcmp(word, "interval_ms") == 0)
        spec->interval_ms = strtoll(value, NULL, 10);
    else if (strcmp(word, "timeout_ms") == 0)
        spec->access.timeout_ms = strtoll(value, NULL, 10);
    else if (strcmp(word, "body_limit") == 0)
        spec->body_limit = strtoull(value, NULL, 10);
    else if (strcmp(word, "honor_labels") == 0)
        spec->honor_labels = true;
    else if (strcmp(word, "full") == 0)
        full = true;
    else if (strcmp(word, "foreign") == 0)
        foreign = true;
    else if (strcmp(word, "only") == 0)
        only = value;
    else
        exit(2);
}

int main(int argc, char **argv)
{
    static char job[] = "test";
    struct scrape_spec spec = {.job = job, .interval_ms = 1000};
    const struct intake intake = {.tick = on_tick, .stale = on_stale};
    const struct scrape_job jobs[] = {{&spec, &intake, wants, NULL, NULL}};
    const struct scrape_options options = {jobs, 1, on_say, NULL, &telemetry};
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    struct scrape *s;
    struct err err;

    for (int i = 1; i < argc; i++)
        set(&spec, argv[i]);
    if (scrape_open(&options, &s, &err) != OK) {
        fprintf(stderr, "scrape_probe: %s\n", err.msg);
        return 1;
    }
    while (poll(&input, 1, 1000) == 0)
        print_view(s);
    scrape_close(s);
    return 0;
}
