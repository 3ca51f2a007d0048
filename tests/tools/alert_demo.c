/* SPDX-License-Identifier: Apache-2.0 */
/* alert_demo - the receivers of alerts without the watching, for tests with a real Alertmanager
 *
 *   alert_demo --data FOLDER [--resend DURATION] [--label NAME=VALUE]... [--external-url URL]
 *              [--user USER:PASSWORD] [--timeout DURATION] --url URL... INSTANCE...
 *
 * Store, storekeeper and alerting as the daemon has them. Reads lines from standard input:
 *
 *   open INSTANCE departure|slow SCORE      an incident begins, with two causes
 *   update INSTANCE departure|slow SCORE
 *   close INSTANCE departure|slow
 *   counters                                answers "sent N failed N refused N dropped N"
 *
 * and answers "done" to the others once they are told. Ends when standard input does; open
 * incidents stay open in the store, as after a crash. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/alerting.h"
#include "daemon/storekeeper.h"

enum { INSTANCES_MAX = 1000, LIST_MAX = 32 };

static struct telemetry telemetry;
static struct schema *schema;
static struct storekeeper *keeper;
static struct alertmanager *receivers;
static struct incident incidents[INSTANCES_MAX][2]; /* by kind */
static const char *names[INSTANCES_MAX];
static size_t n_names;

static _Noreturn void die(const char *sentence)
{
    fprintf(stderr, "alert_demo: %s\n", sentence);
    exit(1);
}

static void must(enum rc rc, const struct err *err)
{
    if (rc != OK)
        die(err->msg);
}

static int64_t duration(const char *text)
{
    int64_t ms;

    if (!str_to_duration_ms(str_of(text), &ms))
        die("not a duration");
    return ms;
}

static void keep(struct storekeeper_message *m)
{
    if (!m || !queue_push(storekeeper_queue(keeper), m))
        die("the store's queue is full");
}

/* As the fleet does it. */
static void introduce(size_t slot)
{
    struct storekeeper_message *m = storekeeper_message_new(KEEP_ENTITY, slot, NULL, 0);

    if (!m)
        die("no memory");
    (void)snprintf(m->instance, sizeof m->instance, "%s", names[slot]);
    m->schema = schema;
    keep(m);
}

/* As the shard does it. */
static void tell(size_t slot, const struct incident *in)
{
    keep(storekeeper_incident_new(slot, in, ""));
    alertmanager_tell(receivers, names[slot], schema, in, "");
}

static size_t slot_of(const char *instance)
{
    for (size_t i = 0; i < n_names; i++)
        if (strcmp(names[i], instance) == 0)
            return i;
    die("no such instance");
}

static void act(const char *verb, const char *instance, const char *kind, float score)
{
    const size_t slot = slot_of(instance);
    const bool slow = strcmp(kind, "slow") == 0;
    struct incident *in = &incidents[slot][slow];
    const int64_t now_ms = clock_wall_ms();

    if (strcmp(verb, "open") == 0)
        *in = (struct incident){
            .kind = slow ? INCIDENT_SLOW : INCIDENT_DEPARTURE,
            .start_ms = now_ms,
            .threshold = slow ? 1 : 6.42f,
            .n_causes = 2,
            .causes = {{0, true, 0.973f, 0.121f, 0.583f, 1}, {1, false, 36805016, 1e6f, 0.2f, 1}}};
    if (strcmp(verb, "close") == 0) {
        in->end_ms = now_ms;
    } else {
        in->peak_ms = now_ms;
        in->peak_score = score;
    }
    tell(slot, in);
}

static void counters(void)
{
    printf("sent %" PRIu64 " failed %" PRIu64 " refused %" PRIu64 " dropped %" PRIu64 "\n",
           telemetry_get(&telemetry, TEL_NOTIFIED), telemetry_get(&telemetry, TEL_NOTIFY_FAILED),
           telemetry_get(&telemetry, TEL_NOTIFY_REFUSED),
           telemetry_get(&telemetry, TEL_NOTIFY_DROPPED));
}

static void serve(void)
{
    char line[512];

    while (fgets(line, sizeof line, stdin)) {
        char verb[16] = "", instance[INSTANCE_MAX] = "", kind[16] = "";
        double score = 0;
        char number[32] = "";
        (void)sscanf(line, "%15s %127s %15s %31s", verb, instance, kind, number);
        (void)str_to_double(str_of(number), &score);
        if (strcmp(verb, "counters") == 0) {
            counters();
        } else {
            act(verb, instance, kind, (float)score);
            puts("done");
        }
        fflush(stdout);
    }
}

static void parse(int argc, char **argv, struct alertmanager_spec *spec, const char **ret_data)
{
    static const struct option options[] = {
        {"data", required_argument, NULL, 'd'},    {"resend", required_argument, NULL, 'r'},
        {"label", required_argument, NULL, 'l'},   {"external-url", required_argument, NULL, 'e'},
        {"user", required_argument, NULL, 'u'},    {"url", required_argument, NULL, 'U'},
        {"timeout", required_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
    static char *urls[LIST_MAX];
    static struct label_text labels[LIST_MAX];
    char *cut;

    spec->urls.v = urls;
    spec->labels = labels;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        cut = optarg ? strpbrk(optarg, c == 'l' ? "=" : ":") : NULL;
        if (c == 'd') {
            *ret_data = optarg;
        } else if (c == 'r') {
            spec->resend_ms = duration(optarg);
        } else if (c == 't') {
            spec->access.timeout_ms = duration(optarg);
        } else if (c == 'e') {
            spec->external_url = optarg;
        } else if (c == 'U' && spec->urls.n < LIST_MAX) {
            urls[spec->urls.n++] = optarg;
        } else if (c == 'l' && cut && spec->n_labels < LIST_MAX) {
            *cut = '\0';
            labels[spec->n_labels++] = (struct label_text){optarg, cut + 1};
        } else if (c == 'u' && cut) {
            *cut = '\0';
            spec->access.username = optarg;
            spec->access.password = cut + 1;
        } else {
            exit(2);
        }
    }
    for (; optind < argc && n_names < INSTANCES_MAX; optind++)
        names[n_names++] = argv[optind];
    if (!*ret_data)
        exit(2);
}

int main(int argc, char **argv)
{
    static const struct feature features[] = {{"cpu_busy_ratio", "ratio", "cpu", 0, false},
                                              {"disk_write_bytes", "bytes/s", "disk", 0, false}};
    struct alertmanager_spec spec = {0};
    struct alerting alerting;
    struct announcer *announcer;
    struct board *board;
    struct store *store;
    const char *data = NULL;
    char database[512];
    struct err err;

    parse(argc, argv, &spec, &data);
    (void)snprintf(database, sizeof database, "%s/tocsin.db", data);
    must(file_mkdirs(data, &err), &err);
    must(schema_new(features, 2, &schema, &err), &err);
    must(announcer_new(false, &announcer, &err), &err);
    must(board_new(&telemetry, &board, &err), &err);
    must(store_open(database, &store, &err), &err);
    must(store_close_orphans(store, &err), &err);
    const struct storekeeper_options keep = {board, &telemetry, INT64_C(86400000), 1 << 30};
    must(storekeeper_new(&keep, store, &keeper, &err), &err);
    for (size_t i = 0; i < n_names; i++)
        introduce(i);
    const struct alerting_options o = {&spec, "http://tocsin.example:8001", &telemetry,
                                       storekeeper_queue(keeper), announcer};
    must(alerting_open(&alerting, &o, store, database, &receivers, &err), &err);
    must(storekeeper_start(keeper, &err), &err);
    must(alertmanager_start(receivers, &err), &err);
    serve();
    alertmanager_stop(receivers);
    storekeeper_stop(keeper);
    board_free(board);
    announcer_free(announcer);
    schema_free(schema);
    return 0;
}
