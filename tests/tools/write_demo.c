/* SPDX-License-Identifier: Apache-2.0 */
/* write_demo - writes scores back by remote write, for tests
 *
 *   write_demo URL [LABEL=VALUE]...
 *
 * Reads a score a line: INSTANCE MS SCORE THRESHOLD DETECTED ENDED; "wait" waits a second. Prints
 * what the writer says of its troubles as it comes, and at the end of its input what became of the
 * samples: sent, refused, dropped, and requests sent again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "writeback/score_writer.h"

enum { LABELS_MAX = 40 };

static struct telemetry telemetry;

static void on_trouble(void *arg, const char *sentence)
{
    (void)arg;
    printf("trouble: %s\n", sentence);
    fflush(stdout);
}

static void fail(const char *sentence)
{
    fprintf(stderr, "write_demo: %s\n", sentence);
    exit(1);
}

int main(int argc, char **argv)
{
    static struct label_text labels[LABELS_MAX];
    struct write_spec spec = {.labels = labels};
    struct score_writer *w = NULL;
    char line[512];
    struct err err;

    if (argc < 2)
        return 2;
    spec.url = argv[1];
    for (int i = 2; i < argc && spec.n_labels < LABELS_MAX; i++) {
        char *equals = strchr(argv[i], '=');
        if (!equals)
            return 2;
        *equals = '\0';
        labels[spec.n_labels++] = (struct label_text){argv[i], equals + 1};
    }
    const struct score_writer_options o = {&spec, &telemetry, on_trouble, NULL};
    if (score_writer_start(&o, &w, &err) != OK)
        fail(err.msg);
    while (fgets(line, sizeof line, stdin)) {
        struct written_score s = {0};
        int detected, ended;
        if (strcmp(line, "wait\n") == 0) {
            sleep(1);
            continue;
        }
        if (sscanf(line, "%127s %" SCNd64 " %lf %lf %d %d", s.instance, &s.ts_ms, &s.score,
                   &s.threshold, &detected, &ended) != 6)
            fail("a line of six words is expected");
        s.detected = detected;
        s.ended = ended;
        (void)score_writer_push(w, &s);
    }
    score_writer_stop(w);
    printf("sent %" PRIu64 " refused %" PRIu64 " dropped %" PRIu64 " retries %" PRIu64 "\n",
           telemetry_get(&telemetry, TEL_WRITTEN), telemetry_get(&telemetry, TEL_WRITTEN_REFUSED),
           telemetry_get(&telemetry, TEL_WRITTEN_DROPPED),
           telemetry_get(&telemetry, TEL_WRITE_RETRIES));
    return 0;
}
