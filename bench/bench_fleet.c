/* SPDX-License-Identifier: Apache-2.0 */
/* Many hosts on one core: the text of a Node Exporter, with values that move, from the answer of
 * the scrape to the score, for HOSTS entities in turn (each with layout, series, windows and state
 * of its own; the model is shared, its size is told). CPU time of the thread and resident memory.
 *   bench-fleet BODY [HOSTS]    BODY: an answer of a Node Exporter */
#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "bench.h"
#include "daemon/entity.h"
#include "source/exposition.h"

enum {
    INTERVAL_MS = 15000,
    LEARN = 240, /* ticks of the one host that is learned: an hour */
    FILL = 8,    /* ticks until the windows of a new host are full */
    ROUNDS = 20, /* that are measured */
    HOSTS = 1000,
    BODY_MAX = 16 << 20,
    VALUE_ROOM = 32, /* bytes that a value may grow to */
};

static void must(enum rc rc, const struct err *err)
{
    if (rc != OK) {
        fprintf(stderr, "bench_fleet: %s\n", err->msg);
        exit(1);
    }
}

/* -- a body whose values move -- */

struct sample {
    size_t end; /* of the line's bytes before its value */
    double value;
    double step; /* a counter's a tick; 0: a gauge, which wavers */
};

struct template
{
    char *text;
    size_t n, n_samples;
    struct sample *samples;
    struct rng rng;
    int64_t tick;
    char *body; /* [n + n_samples * VALUE_ROOM] */
};

static void template_open(const char *path, struct template *t)
{
    struct err err;

    must(file_read(path, BODY_MAX, &t->text, &t->n, &err), &err);
    t->samples = mem_array(t->n, sizeof *t->samples);
    rng_init(&t->rng, 1);
    bool counter = false;
    for (char *line = t->text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (strncmp(line, "# TYPE ", 7) == 0)
            counter = strstr(line, " counter") != NULL;
        char *value = line[0] == '#' ? NULL : strrchr(line, ' ');
        if (value) {
            struct sample *s = &t->samples[t->n_samples++];
            s->end = (size_t)(value + 1 - t->text);
            s->value = strtod(value + 1, NULL);
            s->step = counter ? 1 + s->value / 1e5 : 0;
        }
        *end = '\n';
    }
    t->body = mem_alloc(t->n + t->n_samples * VALUE_ROOM + 1);
}

/* The next tick's body, in t->body. A load that comes and goes moves all; each value wavers too. */
static struct str template_next(struct template *t)
{
    const double load = 1 + 0.5 * ((double)(t->tick++ % 20) / 20);
    const char *from = t->text;
    char *to = t->body;

    for (size_t i = 0; i < t->n_samples; i++) {
        struct sample *s = &t->samples[i];
        const double waver = 0.9 + 0.2 * (double)rng_float(&t->rng);
        const size_t n = (size_t)(t->text + s->end - from);
        memcpy(to, from, n);
        to += n;
        s->value += s->step * load * waver;
        to += snprintf(to, VALUE_ROOM, "%.12g", s->step > 0 ? s->value : s->value * load * waver);
        from = strchr(t->text + s->end, '\n');
    }
    const size_t rest = (size_t)(t->text + t->n - from);
    memcpy(to, from, rest);
    return (struct str){t->body, (size_t)(to - t->body) + rest};
}

/* -- hosts -- */

struct machine {
    struct exposition_layout *layout;
    struct entity *entity;
};

static bool wants(void *arg, struct str name, const struct label *labels, size_t n)
{
    const struct series s = {.name = name, .labels = labels, .n_labels = (uint16_t)n};

    return profile_wants(arg, &s);
}

static void machine_open(struct machine *m, struct profile *p, size_t number)
{
    char name[32];
    struct err err;

    (void)snprintf(name, sizeof name, "host%zu:9100", number);
    const struct label labels[] = {{STR("instance"), str_of(name)}, {STR("job"), STR("node")}};
    const struct exposition_rules rules = {
        .labels = labels, .n_labels = 2, .wants = wants, .wants_arg = p};
    const struct entity_options o = {name, p, INTERVAL_MS, LEARN, {3, 5}, true};
    must(exposition_layout_new(&rules, &m->layout, &err), &err);
    must(entity_new(&o, &m->entity, &err), &err);
}

/* One scrape's answer to a verdict; true: a training is due. */
static bool machine_tick(struct machine *m, struct exposition_parser *parser, struct str body,
                         int64_t ts_ms, bool *ret_scored)
{
    const struct continuity_clocks clocks = {ts_ms, ts_ms, ts_ms};
    struct exposition_counts counts;
    struct snapshot *snapshot = NULL;
    struct entity_step step;
    struct err err;

    must(
        exposition_parse(parser, m->layout, EXPOSITION_TEXT, body, ts_ms, &snapshot, &counts, &err),
        &err);
    must(entity_tick(m->entity, snapshot, &clocks, &step, &err), &err);
    snapshot_free(snapshot);
    *ret_scored = step.scored;
    return step.training_due;
}

static struct model *learn(struct template *t, struct profile *p, struct exposition_parser *parser,
                           int64_t *ts_ms)
{
    const struct model_provenance provenance = {.instance = "host", .profile = "node"};
    struct learn_spec spec;
    struct threshold_spec threshold;
    struct machine m;
    struct model *model = NULL;
    bool scored;
    struct err err;

    settings_learn_defaults(&spec);
    settings_threshold_defaults(&threshold);
    machine_open(&m, p, 0);
    while (!machine_tick(&m, parser, template_next(t), *ts_ms += INTERVAL_MS, &scored))
        ;
    struct dataset *d = entity_take_training(m.entity);
    must(model_train(d, NULL, profile_schema(p), &spec, &threshold, &provenance, NULL, NULL, &model,
                     &err),
         &err);
    dataset_free(d);
    entity_free(m.entity);
    exposition_layout_free(m.layout);
    return model;
}

static double resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2) /* NOLINT(cert-err34-c) */
        resident = 0;
    if (f)
        (void)fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* One tick of each host with the same body; returns the thread's CPU time. */
static double round_of(struct machine *machines, size_t n, struct template *t,
                       struct exposition_parser *parser, int64_t ts_ms, size_t *ret_scored)
{
    const struct str body = template_next(t);
    const uint64_t start = clock_thread_cpu_ns();

    for (size_t i = 0; i < n; i++) {
        bool scored;
        (void)machine_tick(&machines[i], parser, body, ts_ms, &scored);
        *ret_scored += scored;
    }
    return (double)(clock_thread_cpu_ns() - start);
}

int main(int argc, char **argv)
{
    const size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : HOSTS;
    struct template t = {0};
    struct exposition_parser *parser = NULL;
    struct profile *p = NULL;
    int64_t ts_ms = INT64_C(1740000000000);
    double per_host[ROUNDS];
    size_t scored = 0;
    struct err err;

    if (argc < 2 || n == 0) {
        fprintf(stderr, "usage: bench-fleet BODY [HOSTS]\n");
        return 2;
    }
    template_open(argv[1], &t);
    must(profile_load("node", INTERVAL_MS, &p, &err), &err);
    must(exposition_parser_new(&parser, &err), &err);
    struct model *model = learn(&t, p, parser, &ts_ms);

    struct machine *machines = mem_array(n, sizeof *machines);
    const double before = resident_bytes();
    for (size_t i = 0; i < n; i++) {
        machine_open(&machines[i], p, i);
        must(entity_set_model(machines[i].entity, model, 1, &err), &err);
    }
    for (int i = 0; i < FILL; i++)
        (void)round_of(machines, n, &t, parser, ts_ms += INTERVAL_MS, &scored);
    scored = 0;
    for (int i = 0; i < ROUNDS; i++)
        per_host[i] = round_of(machines, n, &t, parser, ts_ms += INTERVAL_MS, &scored) / (double)n;
    if (scored != n * ROUNDS) {
        fprintf(stderr, "bench_fleet: %zu of %zu ticks were scored\n", scored, n * ROUNDS);
        return 1;
    }
    const double ns = bench_median(per_host, ROUNDS);
    bench_print("fleet: a host's tick", ns / 1000, "us");
    bench_print("fleet: hosts on a core at 15 s", INTERVAL_MS * 1e6 / ns, "hosts");
    bench_print("fleet: memory a host", (resident_bytes() - before) / (double)n / 1024, "KiB");
    return 0;
}
