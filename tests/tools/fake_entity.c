/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_entity.h"

#include <stdio.h>
#include <string.h>

bool fake_state_parse(const char *name, enum fake_state *ret)
{
    static const char *const names[] = {"learning", "training", "quiet",
                                        "unusual",  "ringing",  "creeping"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0) {
            *ret = (enum fake_state)i;
            return true;
        }
    return false;
}

static void score(struct entity_view *v, float score)
{
    static const struct cause_view causes[] = {
        {"cpu_busy_ratio", "cpu", "ratio", 0.973f, 0.121f, 0.583f, 0, true},
        {"load1_per_core", "cpu", "", 3.42f, 0.31f, 0.214f, 0, false},
        {"disk_write_bytes", "disk", "bytes/s", 73400320, 1258291, 0.092f, 0, false},
        {"memory_used_bytes", "memory", "bytes", 9126805504.0f, 3221225472.0f, 0.047f, 0, false},
        {"disk_time_per_operation", "disk", "s", 0.0431f, 0.0012f, 0.021f, 0, false},
        {"context_switches", "kernel", "ops/s", 184320, 2210, 0.013f, 0, false},
    };

    v->scored = true;
    v->score = score;
    v->reconstruction = score / 8;
    v->threshold = 0.0342f;
    v->confidence = 0.956f;
    v->anomalous = score > v->threshold;
    v->n_causes = sizeof causes / sizeof causes[0];
    memcpy(v->causes, causes, sizeof causes);
    for (size_t i = 0; i < v->n_causes; i++) {
        struct cause_view *c = &v->causes[i];
        c->error = c->share * score;
        if (!v->anomalous) /* a frame as it should be is near what was expected */
            c->value = 1.08f * c->expected;
    }
}

static void ring(struct entity_view *v, int64_t now_ms)
{
    struct incident_view *in = &v->incident;

    v->ringing = true;
    in->start_ms = now_ms - 133 * 1000;
    in->peak_ms = now_ms - 40 * 1000;
    in->peak_score = 0.412f;
    in->threshold = v->threshold;
    in->n_causes = v->n_causes;
    memcpy(in->causes, v->causes, sizeof in->causes);
    v->n_absent = 2;
    (void)snprintf(v->absent[0], sizeof v->absent[0], "pressure_cpu_waiting_ratio");
    (void)snprintf(v->absent[1], sizeof v->absent[1], "pressure_io_stalled_ratio");
    v->n_frozen = 1;
    (void)snprintf(v->frozen[0], sizeof v->frozen[0], "network_receive_bytes");
}

void fake_entity(enum fake_state state, int64_t now_ms, struct entity_view *ret)
{
    struct entity_view v = {.phase = PHASE_WATCHING,
                            .learned_rows = 600,
                            .wanted_rows = 600,
                            .ts_ms = now_ms,
                            .n_features = 45,
                            .widening = 1};

    if (state == FAKE_LEARNING || state == FAKE_TRAINING) {
        v.phase = state == FAKE_LEARNING ? PHASE_LEARNING : PHASE_TRAINING;
        v.learned_rows = state == FAKE_LEARNING ? 252 : 600;
        *ret = v;
        return;
    }
    v.model_id = 0x9f3a6c21b04de587;
    v.model_rows = 600;
    v.model_created_ms = now_ms - 3 * 3600 * 1000;
    v.widening = 1.25f;
    v.alarm_budget = 2;
    v.alarm_rate = 3;
    v.alarm_rate_lower = 0.5;
    v.alarm_rate_upper = 8.75;
    score(&v, state == FAKE_QUIET || state == FAKE_CREEPING ? 0.00713f
              : state == FAKE_UNUSUAL                       ? 0.0519f
                                                            : 0.2871f);
    if (state == FAKE_RINGING)
        ring(&v, now_ms);
    if (state == FAKE_CREEPING) {
        v.slow_since_ms = now_ms - INT64_C(3) * 24 * 3600 * 1000;
        v.slow_ratio = 2.5f;
        (void)snprintf(v.slow_words, sizeof v.slow_words,
                       "slow change: memory_used 34.0 %% where 18.0 %% was learned on 2025-05-03; "
                       "+0.22 %%/h for 3d");
    }
    *ret = v;
}
