/* SPDX-License-Identifier: Apache-2.0 */
/* Entities that come, are silent, go and come back, through the real shard and the store's thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/fleet.h"
#include "daemon/storekeeper.h"
#include "daemon/trainer.h"

enum { STEP = 1000, EXPIRE_MS = 3600000, PATIENCE_MS = 20000, BASE_MAX = 128 };

struct fixture {
    char folder[64], database[96];
    struct telemetry telemetry;
    struct board *board;
    struct announcer *announcer;
    struct storekeeper *storekeeper;
    struct queue *trainer;
    struct shard *shard;
    struct fleet *fleet;
    struct profile *profile;
    struct intake door;
    double base[BASE_MAX];
};

static void must(enum rc rc, const struct err *err)
{
    if (rc != OK)
        fail_msg("%s", err->msg);
}

static void make_fleet(struct fixture *x, struct err *err)
{
    const struct shard_options shard = {
        .board = x->board,
        .telemetry = &x->telemetry,
        .trainer = x->trainer,
        .store = storekeeper_queue(x->storekeeper),
        .announcer = x->announcer,
        .threshold = {.method = THRESHOLD_PERCENTILE, .value = 99.5, .confirm = {3, 5}},
        .confirm = {3, 5}};
    must(shard_new(&shard, &x->shard, err), err);
    struct fleet_options o = {.shard = x->shard,
                              .store = storekeeper_queue(x->storekeeper),
                              .announcer = x->announcer,
                              .telemetry = &x->telemetry,
                              .database = x->database,
                              .models_dir = x->folder,
                              .threshold = shard.threshold,
                              .confirm = shard.confirm,
                              .expire_ms = EXPIRE_MS};
    settings_learn_defaults(&o.learn);
    o.learn.for_ms = 50 * STEP;
    must(fleet_new(&o, &x->fleet, err), err);
    const struct fleet_source s = {x->profile, STEP, .stays = false};
    must(fleet_intake(x->fleet, &s, &x->door, err), err);
}

static int set_up(void **state)
{
    struct fixture *x = mem_alloc(sizeof *x);
    struct store *store = NULL;
    struct err err;

    log_init(LOG_ERROR, LOG_LOGFMT);
    *state = x;
    (void)snprintf(x->folder, sizeof x->folder, "/tmp/tocsin-fleet-XXXXXX");
    if (!mkdtemp(x->folder))
        return 1;
    (void)snprintf(x->database, sizeof x->database, "%s/t.db", x->folder);
    must(profile_load("node", STEP, &x->profile, &err), &err);
    assert_in_range(profile_base_count(x->profile), 1, BASE_MAX);
    must(board_new(&x->telemetry, &x->board, &err), &err);
    must(announcer_new(false, &x->announcer, &err), &err);
    must(store_open(x->database, &store, &err), &err);
    const struct storekeeper_options k = {x->board, &x->telemetry, INT64_C(1) << 50, 1 << 30};
    must(storekeeper_new(&k, store, &x->storekeeper, &err), &err);
    must(queue_new(64, &x->trainer, &err), &err);
    make_fleet(x, &err);
    return 0;
}

static void start(struct fixture *x)
{
    struct err err;

    must(storekeeper_start(x->storekeeper, &err), &err);
    must(shard_start(x->shard, &err), &err);
}

static int tear_down(void **state)
{
    struct fixture *x = *state;
    char command[96];

    shard_stop(x->shard);
    fleet_free(x->fleet);
    storekeeper_stop(x->storekeeper);
    queue_free(x->trainer, trainer_job_free);
    board_free(x->board);
    announcer_free(x->announcer);
    profile_free(x->profile);
    (void)snprintf(command, sizeof command, "rm -r %s", x->folder);
    mem_free(x);
    return system(command); /* NOLINT(concurrency-mt-unsafe,cert-env33-c) */
}

static void hand_on(struct fixture *x, const char *instance, int64_t ts_ms)
{
    struct err err;

    for (size_t i = 0; i < BASE_MAX; i++)
        x->base[i] = (double)((ts_ms / STEP + (int64_t)i) % 7);
    must(x->door.frame(x->door.arg, instance, ts_ms, x->base, profile_base_count(x->profile), &err),
         &err);
}

/* Waits for what another thread does; the test's own time limit ends what never comes. */
static void wait_for(const struct fixture *x, const char *instance,
                     bool (*done)(bool found, const struct entity_view *v))
{
    static struct entity_view v;

    for (;;) {
        const bool found = board_find(x->board, instance, &v);
        if (done(found, &v))
            return;
        usleep(1000);
    }
}

static bool is_there(bool found, const struct entity_view *v)
{
    return found && v->ts_ms > 0;
}
static bool is_gone(bool found, const struct entity_view *v)
{
    (void)v;
    return !found;
}
static bool is_stale(bool found, const struct entity_view *v)
{
    return found && v->stale[0];
}
static bool is_fresh(bool found, const struct entity_view *v)
{
    return found && !v->stale[0];
}
static bool is_training(bool found, const struct entity_view *v)
{
    return found && v->phase == PHASE_TRAINING;
}

static void an_entity_is_made_when_it_is_heard_of(void **state)
{
    struct fixture *x = *state;

    start(x);
    hand_on(x, "a", clock_wall_ms());
    hand_on(x, "b", clock_wall_ms());
    wait_for(x, "a", is_there);
    wait_for(x, "b", is_there);
    assert_int_equal(board_count(x->board), 2);
}

static void the_past_is_gathered_whole_before_it_is_learned_from(void **state)
{
    struct fixture *x = *state;
    const int64_t now = clock_wall_ms();
    struct trainer_job *job = NULL;
    struct err err;

    start(x);
    for (int i = 1000; i > 0; i--)
        hand_on(x, "a", now - (int64_t)i * STEP);
    wait_for(x, "a", is_there);
    assert_null(queue_pop(x->trainer));
    must(x->door.caught_up(x->door.arg, "a", &err), &err);
    wait_for(x, "a", is_training);
    job = queue_pop(x->trainer);
    assert_non_null(job);
    assert_int_equal(job->dataset->rows, 1000);
    trainer_job_free(job);
}

static void silence_is_stale_and_a_frame_ends_it(void **state)
{
    struct fixture *x = *state;
    const int64_t now = clock_wall_ms();
    static struct entity_view v;

    start(x);
    hand_on(x, "a", now);
    wait_for(x, "a", is_there);
    fleet_sweep(x->fleet, now, clock_mono_ms());
    wait_for(x, "a", is_fresh);
    x->door.stale(x->door.arg, "a", now, "connection refused");
    x->door.stale(x->door.arg, "never answers", now, "connection refused");
    wait_for(x, "never answers", is_stale);
    wait_for(x, "a", is_stale);
    assert_true(board_find(x->board, "a", &v));
    assert_string_equal(v.stale, "connection refused");
    hand_on(x, "a", now + STEP);
    wait_for(x, "a", is_fresh);
    fleet_sweep(x->fleet, now, clock_mono_ms() + PATIENCE_MS);
    wait_for(x, "a", is_stale);
    assert_int_equal(board_count(x->board), 2);
}

static void who_is_silent_for_long_is_forgotten_and_may_come_back(void **state)
{
    struct fixture *x = *state;
    int64_t now = clock_wall_ms(), last_ms = 0;
    char name[32];
    struct err err;

    start(x);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 10; i++) {
            (void)snprintf(name, sizeof name, "pod-%d-%d", round, i);
            hand_on(x, name, now);
            wait_for(x, name, is_there);
        }
        fleet_sweep(x->fleet, now, clock_mono_ms() + EXPIRE_MS + STEP);
        for (int i = 0; i < 10; i++) {
            (void)snprintf(name, sizeof name, "pod-%d-%d", round, i);
            wait_for(x, name, is_gone);
        }
        now += STEP;
    }
    assert_in_range(board_count(x->board), 1, 20); /* slots were used again */
    hand_on(x, "pod-0-0", now);
    wait_for(x, "pod-0-0", is_there);
    must(x->door.last_ms(x->door.arg, "pod-0-0", &last_ms, &err), &err);
    assert_int_equal(last_ms, now);
}

static void one_that_is_trained_goes_when_the_trainer_has_answered(void **state)
{
    struct fixture *x = *state;
    const int64_t now = clock_wall_ms();
    static struct entity_view v;

    start(x);
    for (int i = 200; i >= 0; i--)
        hand_on(x, "a", now - i);
    struct err err;
    must(x->door.caught_up(x->door.arg, "a", &err), &err);
    wait_for(x, "a", is_training);
    struct trainer_job *job = queue_pop(x->trainer);
    assert_non_null(job);
    fleet_sweep(x->fleet, now, clock_mono_ms() + EXPIRE_MS + STEP);
    hand_on(x, "b", now);
    wait_for(x, "b", is_there);
    assert_true(board_find(x->board, "a", &v));
    assert_int_equal(
        x->door.frame(x->door.arg, "a", now + STEP, x->base, profile_base_count(x->profile), &err),
        E_LIMIT);
    job->reply->kind = SHARD_TRAINING_FAILED;
    job->reply->slot = job->slot;
    job->reply->dataset = TAKE(job->dataset);
    assert_true(queue_push(shard_queue(x->shard), TAKE(job->reply)));
    trainer_job_free(job);
    wait_for(x, "a", is_gone);
}

static void a_full_line_refuses_and_loses_nothing(void **state)
{
    struct fixture *x = *state;
    const int64_t now = clock_wall_ms();
    struct err err;
    int64_t taken = 0;

    /* nobody works it off yet */
    while (x->door.frame(x->door.arg, "a", now + taken, x->base, profile_base_count(x->profile),
                         &err) == OK)
        taken++;
    assert_int_equal(err.rc, E_LIMIT);
    start(x);
    while (x->door.frame(x->door.arg, "a", now + taken, x->base, profile_base_count(x->profile),
                         &err) != OK)
        usleep(1000);
    taken++;
    while (telemetry_get(&x->telemetry, TEL_FRAMES) < (uint64_t)taken)
        usleep(1000);
    assert_int_equal(telemetry_get(&x->telemetry, TEL_FRAMES), taken);
    assert_int_equal(telemetry_get(&x->telemetry, TEL_DROPPED_OUT_OF_ORDER), 0);
}

static void a_wrong_name_is_refused(void **state)
{
    struct fixture *x = *state;
    char name[INSTANCE_MAX + 1];
    struct err err;
    const size_t n = profile_base_count(x->profile);

    memset(name, 'x', INSTANCE_MAX);
    name[INSTANCE_MAX] = '\0';
    assert_int_equal(x->door.frame(x->door.arg, name, 1, x->base, n, &err), E_CONFIG);
    assert_int_equal(x->door.frame(x->door.arg, "", 1, x->base, n, &err), E_CONFIG);
    assert_int_equal(x->door.frame(x->door.arg, "\xff", 1, x->base, n, &err), E_CONFIG);
    assert_int_equal(board_count(x->board), 0);
}

static void two_sources_do_not_share_an_entity(void **state)
{
    struct fixture *x = *state;
    const struct fleet_source s = {x->profile, STEP, .stays = false};
    struct intake other;
    struct err err;

    must(fleet_intake(x->fleet, &s, &other, &err), &err);
    hand_on(x, "a", clock_wall_ms());
    assert_int_equal(
        other.frame(other.arg, "a", clock_wall_ms(), x->base, profile_base_count(x->profile), &err),
        E_CONFIG);
}

static void tick(const struct intake *door, struct series_set *set, int64_t ts_ms)
{
    struct snapshot *s = snapshot_new(set, ts_ms);
    struct err err;

    assert_non_null(s);
    must(door->tick(door->arg, "ticking", s, &err), &err);
}

/* Its ticks are taken at once, and not when the clock has come again to where it was. */
static bool is_of_db(bool found, const struct entity_view *v)
{
    return found && strcmp(v->group, "db") == 0;
}

static bool is_of_none(bool found, const struct entity_view *v)
{
    return found && v->group[0] == '\0';
}

static void whom_an_entity_is_like_is_told_before_and_after_its_first_frame(void **state)
{
    struct fixture *x = *state;
    const size_t before = queue_length(shard_queue(x->shard));
    char longer[GROUP_NAME_MAX + 1];
    struct err err;

    must(x->door.group(x->door.arg, "a", "db", &err), &err);
    must(x->door.group(x->door.arg, "a", "db", &err), &err);
    /* the entity and its group: what is known is not said again */
    assert_int_equal(queue_length(shard_queue(x->shard)), before + 2);
    start(x);
    wait_for(x, "a", is_of_db);
    hand_on(x, "b", clock_wall_ms());
    must(x->door.group(x->door.arg, "b", "db", &err), &err);
    wait_for(x, "b", is_of_db);
    must(x->door.group(x->door.arg, "b", "", &err), &err);
    wait_for(x, "b", is_of_none);
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    must(x->door.group(x->door.arg, "a", longer, &err), &err); /* no name for a group: its own */
    wait_for(x, "a", is_of_none);
}

static void a_clock_that_was_set_back_is_named_and_followed(void **state)
{
    struct fixture *x = *state;
    const struct fleet_source s = {x->profile, STEP, .our_clock = true};
    const int64_t now = clock_wall_ms(), back = now - 3600 * 1000;
    struct series_set *set = NULL;
    struct intake door;
    struct err err;

    must(fleet_intake(x->fleet, &s, &door, &err), &err);
    must(series_set_new(&set, &err), &err);
    start(x);
    for (int i = 0; i < 3; i++)
        tick(&door, set, now + i * STEP);
    for (int i = 0; i < 3; i++)
        tick(&door, set, back + i * STEP);
    hand_on(x, "last in the line", now);
    wait_for(x, "last in the line", is_there);
    assert_int_equal(telemetry_get(&x->telemetry, TEL_TICKS), 6);
    assert_int_equal(telemetry_get(&x->telemetry, TEL_CLOCK_JUMP), 1);
    assert_int_equal(telemetry_get(&x->telemetry, TEL_DROPPED_OUT_OF_ORDER), 0);
    series_set_unref(set);
}

static void nobody_new_comes_when_all_is_ending(void **state)
{
    struct fixture *x = *state;
    struct err err;

    hand_on(x, "known", clock_wall_ms());
    fleet_close(x->fleet);
    hand_on(x, "known", clock_wall_ms() + STEP);
    assert_int_equal(x->door.frame(x->door.arg, "new", clock_wall_ms(), x->base,
                                   profile_base_count(x->profile), &err),
                     E_LIMIT);
}

/* The board has one of that name already: its slot must come back, or the name is lost for ever. */
static void one_that_could_not_be_added_may_come_again(void **state)
{
    struct fixture *x = *state;
    const int64_t now = clock_wall_ms();
    const size_t n = profile_base_count(x->profile);
    size_t slot = 0;
    struct err err;

    must(board_add(x->board, "a", &slot, &err), &err);
    start(x);
    hand_on(x, "a", now);
    hand_on(x, "b", now);
    wait_for(x, "b", is_there); /* so that the shard is done with the first */
    board_remove(x->board, slot);
    fleet_sweep(x->fleet, now, clock_mono_ms() + EXPIRE_MS + STEP);
    while (x->door.frame(x->door.arg, "a", now + STEP, x->base, n, &err) != OK)
        usleep(1000);
    wait_for(x, "a", is_there);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_entity_is_made_when_it_is_heard_of, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_past_is_gathered_whole_before_it_is_learned_from,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(silence_is_stale_and_a_frame_ends_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_silent_for_long_is_forgotten_and_may_come_back,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_trained_goes_when_the_trainer_has_answered,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_line_refuses_and_loses_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_name_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_sources_do_not_share_an_entity, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_could_not_be_added_may_come_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            whom_an_entity_is_like_is_told_before_and_after_its_first_frame, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_clock_that_was_set_back_is_named_and_followed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nobody_new_comes_when_all_is_ending, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
