/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/replay_result.h"

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

static void frame(struct replay_result *r, int64_t ts_ms, bool in_sample)
{
    const struct replay_step step = {.watched_ms = 1000,
                                     .line = {.verdict = {.ts_ms = ts_ms}, .event = WATCH_QUIET}};
    struct err err;

    assert_int_equal(replay_result_add(r, &step, in_sample, &err), OK);
}

static void tell(struct replay_result *r, enum watch_event event, int64_t ts_ms, int64_t start_ms,
                 int64_t end_ms)
{
    const struct replay_step step = {
        .watched_ms = 1000,
        .line = {.verdict = {.ts_ms = ts_ms},
                 .event = event,
                 .incident = {.start_ms = start_ms, .end_ms = end_ms}}};
    struct err err;

    assert_int_equal(replay_result_add(r, &step, false, &err), OK);
}

/* A page from start to end, with the frames that it takes. */
static void page(struct replay_result *r, int64_t start_ms, int64_t end_ms)
{
    frame(r, start_ms, false);
    tell(r, WATCH_OPENED, start_ms + 2000, start_ms, 0);
    tell(r, WATCH_CLOSED, end_ms + 5000, start_ms, end_ms);
}

static void a_page_belongs_to_the_day_on_which_it_starts(void **state)
{
    (void)state;
    struct replay_result r = {0};

    page(&r, DAY - 1000, DAY + 30000);
    frame(&r, 3 * DAY, false); /* the machine was off for a day */
    assert_int_equal(r.n_days, 3);
    assert_int_equal(r.day[0].day, 0);
    assert_int_equal(r.day[0].pages, 1);
    assert_int_equal(r.day[1].pages, 0);
    assert_int_equal(r.day[1].watched_ms, 2000);
    assert_int_equal(r.day[2].day, 3);
    replay_result_done(&r);
}

static void days_before_1970_are_days_too(void **state)
{
    (void)state;
    struct replay_result r = {0};

    frame(&r, -1, false);
    frame(&r, 0, false);
    assert_int_equal(r.n_days, 2);
    assert_int_equal(r.day[0].day, -1);
    replay_result_done(&r);
}

static void a_page_that_the_end_cuts_off_stays_open(void **state)
{
    (void)state;
    const struct incident last = {.start_ms = 1000, .end_ms = 9000};
    struct replay_result r = {0};

    frame(&r, 1000, false);
    tell(&r, WATCH_OPENED, 3000, 1000, 0);
    replay_result_end(&r, true, &last);
    assert_true(r.page[0].open);
    assert_int_equal(r.page[0].incident.end_ms, 9000);
    replay_result_done(&r);
}

static void in_sample_time_is_no_part_of_the_unseen_rate(void **state)
{
    (void)state;
    struct replay_result r = {0};
    double rate, low, high;

    for (int i = 0; i < 3600; i++)
        frame(&r, 1000 * i, true);
    assert_int_equal(r.in_sample_frames, 3600);
    replay_rate(&r.unseen, &rate, &low, &high);
    assert_true(isnan(rate));
    for (int i = 0; i < 3600; i++)
        frame(&r, HOUR + 1000 * i, false);
    page(&r, 2 * HOUR, 2 * HOUR + 60000);
    replay_rate(&r.unseen, &rate, &low, &high);
    assert_true(fabs(rate - 7 * 24 / (3603 / 3600.0)) < 1e-9);
    assert_true(fabs(low / rate - 0.0253) < 1e-4 && fabs(high / rate - 5.5716) < 1e-4);
    replay_rate(&r.all, &rate, &low, &high);
    assert_true(rate < 90);
    replay_result_done(&r);
}

static void more_pages_than_are_listed_are_counted(void **state)
{
    (void)state;
    struct replay_result r = {0};

    for (int i = 0; i < REPLAY_PAGES_MAX + 7; i++)
        page(&r, 60000 * i, 60000 * i + 10000);
    assert_int_equal(r.n_pages, REPLAY_PAGES_MAX);
    assert_int_equal(r.pages_unlisted, 7);
    assert_int_equal(r.all.pages, REPLAY_PAGES_MAX + 7);
    assert_int_equal(r.page[REPLAY_PAGES_MAX - 1].incident.end_ms,
                     60000 * (REPLAY_PAGES_MAX - 1) + 10000);
    replay_result_done(&r);
}

static void tell_held(struct replay_result *r, enum watch_event event, int64_t ts_ms,
                      bool maintenance)
{
    const struct replay_step step = {
        .line = {.verdict = {.ts_ms = ts_ms},
                 .event = event,
                 .incident = {.start_ms = 1000, .end_ms = ts_ms, .maintenance = maintenance}}};
    struct err err;

    assert_int_equal(replay_result_add(r, &step, false, &err), OK);
}

static void what_maintenance_did_is_listed_and_no_page(void **state)
{
    (void)state;
    struct replay_result r = {0};

    tell_held(&r, WATCH_OPENED, 3000, true);
    tell_held(&r, WATCH_CLOSED, 9000, true);
    assert_int_equal(r.n_pages, 1);
    assert_true(r.page[0].incident.maintenance && !r.page[0].open);
    assert_int_equal(r.all.pages + r.unseen.pages + r.day[0].pages, 0);
    assert_int_equal(r.held, 1);
    replay_result_done(&r);
}

static void what_outlasts_maintenance_is_a_page_once(void **state)
{
    (void)state;
    struct replay_result r = {0};

    tell_held(&r, WATCH_OPENED, 3000, true);
    tell_held(&r, WATCH_RAISED, 5000, false);
    tell_held(&r, WATCH_UPDATED, 7000, false);
    tell_held(&r, WATCH_CLOSED, 9000, false);
    assert_int_equal(r.n_pages, 1);
    assert_true(r.page[0].incident.end_ms == 9000 && !r.page[0].incident.maintenance);
    assert_int_equal(r.all.pages, 1);
    assert_int_equal(r.day[0].pages, 1);
    assert_int_equal(r.held, 0);
    replay_result_done(&r);
}

static void what_is_observed_is_counted_and_listed_when_asked(void **state)
{
    (void)state;
    const struct incident soft = {.tier = INCIDENT_OBSERVE, .start_ms = 1000},
                          hard = {.start_ms = 1000};

    for (int asked = 0; asked < 2; asked++) {
        struct replay_result r = {.list_observed = asked};
        struct replay_step step = {.line = {.event = WATCH_OPENED, .incident = soft}};
        struct err err;
        assert_int_equal(replay_result_add(&r, &step, false, &err), OK);
        assert_int_equal(r.n_pages, asked);
        assert_int_equal(r.all.pages, 0);
        assert_int_equal(r.observed, 1);
        step.line.event = WATCH_RAISED;
        step.line.incident = hard;
        assert_int_equal(replay_result_add(&r, &step, false, &err), OK);
        assert_int_equal(r.n_pages, 1);
        assert_int_equal(r.page[0].incident.tier, INCIDENT_PAGE);
        assert_int_equal(r.all.pages, 1);
        assert_int_equal(r.observed, 0);
        replay_result_done(&r);
    }
}

static void put(struct store *s, int64_t entity, const struct schema *schema, int64_t start_ms,
                int64_t end_ms)
{
    struct incident in = {.start_ms = start_ms, .peak_ms = start_ms, .end_ms = end_ms};
    struct err err;

    assert_int_equal(store_put_incident(s, entity, schema, &in, &err), OK);
}

static void records_are_met_where_they_overlap_a_page(void **state)
{
    (void)state;
    const struct feature f = {.name = "a"};
    struct replay_result r = {0};
    struct store_reader *reader = NULL;
    struct schema *schema;
    struct store *s;
    char folder[] = "/tmp/tocsin-replay-XXXXXX", path[64];
    int64_t entity;
    struct err err;

    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/t.db", folder);
    assert_int_equal(schema_new(&f, 1, &schema, &err), OK);
    assert_int_equal(store_open(path, &s, &err), OK);
    assert_int_equal(store_begin(s, &err), OK);
    assert_int_equal(store_entity(s, "m", &entity, &err), OK);
    put(s, entity, schema, 1 * HOUR, 1 * HOUR + 5000);        /* within the first page */
    put(s, entity, schema, 1 * HOUR + 8000, 1 * HOUR + 9000); /* and a second one within it */
    put(s, entity, schema, 3 * HOUR, 3 * HOUR + 1000);        /* no page */
    put(s, entity, schema, 5 * HOUR, 0);                      /* open, over the last page */
    assert_int_equal(store_commit(s, &err), OK);

    page(&r, 1 * HOUR - 1000, 1 * HOUR + 20000);
    page(&r, 2 * HOUR, 2 * HOUR + 1000); /* not recorded */
    page(&r, 6 * HOUR, 6 * HOUR + 1000);
    assert_int_equal(store_reader_open(path, &reader, &err), OK);
    assert_int_equal(replay_result_recorded(&r, reader, "m", 0, DAY, &err), OK);
    assert_int_equal(r.n_recorded, 4);
    assert_true(r.recorded[0].start_ms < r.recorded[3].start_ms); /* oldest first */
    assert_int_equal(r.recorded_replayed, 3);
    assert_true(r.page[0].recorded && !r.page[1].recorded && r.page[2].recorded);
    assert_int_equal(r.day[0].recorded, 4);

    store_reader_close(reader);
    store_close(s);
    schema_free(schema);
    replay_result_done(&r);
    (void)snprintf(path, sizeof path, "rm -r %s", folder);
    assert_int_equal(system(path), 0);
}

static void it_says_when_there_is_no_memory(void **state)
{
    (void)state;
    const struct replay_step step = {.line = {.event = WATCH_OPENED}};

    for (unsigned n = 1; n <= 2; n++) { /* the day, the page */
        struct replay_result r = {0};
        struct err err;
        mem_fail_at(n);
        assert_int_equal(replay_result_add(&r, &step, false, &err), E_NOMEM);
        replay_result_done(&r);
    }
    mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_belongs_to_the_day_on_which_it_starts),
        cmocka_unit_test(days_before_1970_are_days_too),
        cmocka_unit_test(a_page_that_the_end_cuts_off_stays_open),
        cmocka_unit_test(in_sample_time_is_no_part_of_the_unseen_rate),
        cmocka_unit_test(more_pages_than_are_listed_are_counted),
        cmocka_unit_test(what_maintenance_did_is_listed_and_no_page),
        cmocka_unit_test(what_outlasts_maintenance_is_a_page_once),
        cmocka_unit_test(what_is_observed_is_counted_and_listed_when_asked),
        cmocka_unit_test(records_are_met_where_they_overlap_a_page),
        cmocka_unit_test(it_says_when_there_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
