/* SPDX-License-Identifier: Apache-2.0 */
/* slow_state - puts into a store that nobody holds what a daemon would know of slow change after
 * weeks: two of an ordinary machine, then days in which one feature stood elsewhere
 *
 *   slow_state DATABASE INSTANCE PROFILE INTERVAL_MS NOW_MS
 *
 * Prints the name of that feature, and since when it is told, in ms. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "detect/reference.h"
#include "feature/profile.h"
#include "store/store.h"

enum { STEP_MS = 300 * 1000, DAYS = 18, STEADY_DAYS = 15, MOVED = 0 };
static const int64_t DAY_MS = 24 * INT64_C(3600) * 1000;

/* Every feature at one level, but the one that moves far from its own. */
static void live(struct reference *r, const struct schema *schema, int64_t now_ms, float *frame)
{
    struct slow_change unheard;

    for (int64_t ts = now_ms - DAYS * DAY_MS; ts < now_ms; ts += STEP_MS) {
        for (size_t i = 0; i < schema->n; i++)
            frame[i] = (float)(1 + i % 7);
        if (ts >= now_ms - (DAYS - STEADY_DAYS) * DAY_MS)
            frame[MOVED] += 1000;
        (void)reference_push(r, ts, frame, true, &unheard);
    }
}

static enum rc put(struct store *s, const char *instance, const struct reference *r,
                   const struct schema *schema, int64_t now_ms, struct err *err)
{
    CLEANUP(buf_done) struct buf state;
    int64_t entity;

    buf_init(&state, STORE_STATE_MAX);
    reference_encode(r, &state);
    if (state.failed)
        return err_set(err, E_NOMEM, "no memory");
    if (store_put_schema(s, schema, err) != OK || store_entity(s, instance, &entity, err) != OK)
        return err->rc;
    return store_put_state(s, entity, "reference", schema->hash, now_ms, state.p, state.n, err);
}

static enum rc run(char **word, int64_t interval_ms, int64_t now_ms, struct err *err)
{
    CLEANUP(profile_freep) struct profile *p = NULL;
    CLEANUP(reference_freep) struct reference *r = NULL;
    CLEANUP(mem_freep) float *frame = NULL;
    struct store *s = NULL;
    struct slow_change slow;

    if (profile_load(word[3], interval_ms, &p, err) != OK ||
        reference_new(profile_schema(p), &r, err) != OK)
        return err->rc;
    const struct schema *schema = profile_schema(p);
    if (!(frame = mem_array(schema->n, sizeof *frame)))
        return err_set(err, E_NOMEM, "no memory");
    live(r, schema, now_ms, frame);
    if (!reference_open(r, &slow))
        return err_set(err, E_STATE, "nothing opened");
    if (store_open(word[1], &s, err) != OK)
        return err->rc;
    const enum rc rc = put(s, word[2], r, schema, now_ms, err);
    store_close(s);
    if (rc == OK)
        printf("%s %" PRId64 "\n", schema->f[slow.incident.causes[0].feature].name,
               slow.incident.start_ms);
    return rc;
}

int main(int argc, char **argv)
{
    int64_t interval_ms, now_ms;
    struct err err;

    if (argc != 6 || !str_to_i64(str_of(argv[4]), &interval_ms) ||
        !str_to_i64(str_of(argv[5]), &now_ms)) {
        fprintf(stderr, "usage: slow_state DATABASE INSTANCE PROFILE INTERVAL_MS NOW_MS\n");
        return EXIT_FAILURE;
    }
    if (run(argv, interval_ms, now_ms, &err) == OK)
        return EXIT_SUCCESS;
    fprintf(stderr, "slow_state: %s\n", err.msg);
    return EXIT_FAILURE;
}
