/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/ledger.h"

#include <stdio.h>
#include <string.h>

#include "../test.h"
#include "base/mem.h"
#include "sample.h"

enum { RESEND_MS = 60000, T = 1000000 }; /* T: the test's now */

static struct ledger *new_ledger(void)
{
    struct ledger *l;
    struct err err;

    assert_int_equal(ledger_new(RESEND_MS, &l, &err), OK);
    return l;
}

static void take(struct ledger *l, const struct alert *a, int64_t now_ms)
{
    struct err err;

    if (ledger_take(l, a, now_ms, &err) != OK)
        fail_msg("%s", err.msg);
}

static struct alert over(struct alert a)
{
    a.end_ms = a.start_ms + 5000;
    return a;
}

/* What is due, sent and taken at once. */
static enum ledger_news deliver(struct ledger *l, int64_t now_ms, struct alert *ret)
{
    struct ledger_loan loan;

    assert_int_equal(ledger_due(l, now_ms, &loan, 1), 1);
    *ret = loan.alert;
    return ledger_settle(l, &loan, true, now_ms);
}

static size_t due(const struct ledger *l, int64_t now_ms)
{
    static struct ledger_loan loans[LEDGER_BATCH];

    return ledger_due(l, now_ms, loans, LEDGER_BATCH);
}

static void an_open_incident_is_due_at_once_and_each_resend(void **state)
{
    CLEANUP(ledger_freep) struct ledger *l = new_ledger();
    const struct alert a = sample_alert("web1");
    struct alert got;

    (void)state;
    assert_int_equal(ledger_next_ms(l, T), -1);
    take(l, &a, T);
    assert_int_equal(ledger_next_ms(l, T + 5), T + 5);
    assert_int_equal(deliver(l, T + 5, &got), LEDGER_RINGS);
    assert_string_equal(got.instance, "web1");
    assert_int_equal(due(l, T + 6), 0);
    assert_int_equal(ledger_next_ms(l, T + 6), T + 5 + RESEND_MS);
    assert_int_equal(due(l, T + 5 + RESEND_MS), 1);
    assert_int_equal(deliver(l, T + 5 + RESEND_MS, &got), LEDGER_NOTHING); /* it knew */
}

static void an_update_waits_and_is_sent_once(void **state)
{
    CLEANUP(ledger_freep) struct ledger *l = new_ledger();
    struct alert a = sample_alert("web1"), got;

    (void)state;
    take(l, &a, T);
    assert_int_equal(deliver(l, T, &got), LEDGER_RINGS);
    for (int i = 1; i <= 9; i++) { /* a score that climbs */
        a.score += 1;
        take(l, &a, T + i * 1000);
    }
    assert_int_equal(due(l, T + 9999), 0);
    assert_int_equal(due(l, T + LEDGER_UPDATE_MS), 1);
    (void)deliver(l, T + LEDGER_UPDATE_MS, &got);
    assert_true(got.score == a.score);
    assert_int_equal(due(l, T + LEDGER_UPDATE_MS + RESEND_MS - 1), 0);
}

static void an_update_before_the_first_send_does_not_delay_it(void **state)
{
    CLEANUP(ledger_freep) struct ledger *l = new_ledger();
    struct alert a = sample_alert("web1"), got;

    (void)state;
    take(l, &a, T);
    a.score = 77;
    take(l, &a, T + 1);
    assert_int_equal(ledger_length(l), 1);
    assert_int_equal(deliver(l, T + 1, &got), LEDGER_RINGS);
    assert_true(got.score == 77);
}

static void a_close_is_due_at_once_and_told_for_a_while(void **state)
{
    CLEANUP(ledger_freep) struct ledger *l = new_ledger();
    const struct alert a = sample_alert("web1"), end = over(a);
    struct alert got;
    bool taken;

    (void)state;
    take(l, &a, T);
    (void)deliver(l, T, &got);
    take(l, &end, T + 1000);
    assert_int_equal(deliver(l, T + 1000, &got), LEDGER_OVER);
    assert_int_equal(got.end_ms, end.end_ms);
    assert_int_equal(due(l, T + 1001), 0);
    assert_int_equal(deliver(l, T + 1000 + RESEND_MS, &got), LEDGER_NOTHING);
    assert_false(ledger_forget(l, T + 1000 + LEDGER_OVER_MS - 1, &got, &taken));
    assert_true(ledger_next_ms(l, T + 2000) <= T + 1000 + LEDGER_OVER_MS);
    assert_true(ledger_forget(l, T + 1000 + LEDGER_OVER_MS, &got, &taken) && taken);
    assert_int_equal(ledger_length(l), 0);
}

static void an_end_that_was_never_taken_is_said_when_forgotten(void **state)
{
    CLEANUP(ledger_freep) struct ledger *l = new_ledger();
    const struct alert end = over(sample_alert("web1"));
    struct alert got;
    bool taken = true;

    (void)state;
    take(l, &end, T);
    assert_true(ledger_forget(l, T + LEDGER_OVER_MS, &got, &taken));
    assert_string_equal(got.instance, "web1");
    assert_false(taken);
}

static void an_end_that_comes_while_its_alert_is_sent_stays_due(void **state)
{
    CLEANUP(ledger_freep) struct ledger *l = new_ledger();
    const struct alert a = sample_alert("web1"), end = over(a);
    struct ledger_loan loan;
    struct alert got;

    (void)state;
    take(l, &a, T);
    assert_int_equal(ledger_due(l, T, &loan, 1), 1);
    take(l, &end, T + 10);
    assert_int_equal(ledger_settle(l, &loan, true, T + 20), LEDGER_RINGS);
    assert_int_equal(due(l, T + 20), 1);
    assert_int_equal(deliver(l, T + 20, &got), LEDGER_OVER);
}

static void a_newer_incident_takes_the_place_of_an_older_one(void **state)
{
    CLEANUP(ledger_freep) struct ledger *l = new_ledger();
    const struct alert first = sample_alert("web1"), end = over(first);
    struct alert second = first, got;
    struct ledger_loan loan;

    (void)state;
    take(l, &end, T);
    assert_int_equal(ledger_due(l, T, &loan, 1), 1);
    second.start_ms += 60000;
    take(l, &second, T + 1);
    assert_int_equal(ledger_length(l), 1);
    assert_int_equal(ledger_settle(l, &loan, true, T + 2), LEDGER_NOTHING);
    assert_int_equal(deliver(l, T + 2, &got), LEDGER_RINGS);
    assert_int_equal(got.end_ms, 0);
    take(l, &end, T + 3); /* late news of the first one would resolve the second */
    take(l, &first, T + 3);
    assert_int_equal(due(l, T + 3), 0);
    (void)deliver(l, T + 2 + RESEND_MS, &got);
    assert_int_equal(got.start_ms, second.start_ms);
}

static void an_earlier_runs_end_waits_for_who_goes_on(void **state)
{
    CLEANUP(ledger_freep) struct ledger *l = new_ledger();
    const struct alert a = sample_alert("goes on"), b = sample_alert("is over");
    const struct alert end_a = over(a), end_b = over(b);
    struct alert got;
    struct err err;

    (void)state;
    assert_int_equal(ledger_recall(l, &end_a, T, &err), OK);
    assert_int_equal(ledger_recall(l, &end_b, T, &err), OK);
    assert_int_equal(due(l, T + RESEND_MS - 1), 0);
    take(l, &a, T + 5); /* a slow change outlives a restart */
    assert_int_equal(deliver(l, T + 5, &got), LEDGER_RINGS);
    assert_string_equal(got.instance, "goes on");
    assert_int_equal(got.end_ms, 0);
    assert_int_equal(deliver(l, T + RESEND_MS, &got), LEDGER_OVER);
    assert_string_equal(got.instance, "is over");
    take(l, &end_a, T + RESEND_MS + 6);
    assert_int_equal(deliver(l, T + RESEND_MS + 6, &got), LEDGER_OVER);
    assert_string_equal(got.instance, "goes on");
}

static void an_end_that_was_told_is_taken_back_when_it_goes_on(void **state)
{
    CLEANUP(ledger_freep) struct ledger *l = new_ledger();
    const struct alert a = sample_alert("web1"), end = over(a);
    struct alert got;
    bool taken;

    (void)state;
    take(l, &end, T);
    assert_int_equal(deliver(l, T, &got), LEDGER_OVER);
    take(l, &a, T + 1);
    assert_int_equal(deliver(l, T + 1, &got), LEDGER_RINGS);
    assert_false(ledger_forget(l, T + 2 * LEDGER_OVER_MS, &got, &taken));
}

static void kinds_and_instances_are_told_apart(void **state)
{
    CLEANUP(ledger_freep) struct ledger *l = new_ledger();
    struct alert a = sample_alert("web1"), b = sample_alert("web2");

    (void)state;
    take(l, &a, T);
    take(l, &b, T);
    a.kind = INCIDENT_SLOW;
    take(l, &a, T);
    assert_int_equal(ledger_length(l), 3);
    assert_int_equal(due(l, T), 3);
}

static void what_is_refused_waits_for_its_resend(void **state)
{
    CLEANUP(ledger_freep) struct ledger *l = new_ledger();
    const struct alert a = sample_alert("web1");
    struct ledger_loan loan;
    struct alert got;

    (void)state;
    take(l, &a, T);
    assert_int_equal(ledger_due(l, T, &loan, 1), 1);
    assert_int_equal(ledger_settle(l, &loan, false, T), LEDGER_NOTHING);
    assert_int_equal(due(l, T + RESEND_MS - 1), 0);
    assert_int_equal(deliver(l, T + RESEND_MS, &got), LEDGER_RINGS);
}

static void at_the_limit_what_is_over_makes_room(void **state)
{
    CLEANUP(ledger_freep) struct ledger *l = new_ledger();
    static struct ledger_loan loans[LEDGER_BATCH];
    struct alert a = sample_alert("first");
    struct err err;

    (void)state;
    const struct alert end = over(a);
    take(l, &end, T);
    for (int i = 1; i < LEDGER_MAX; i++) {
        (void)snprintf(a.instance, sizeof a.instance, "%d", i);
        take(l, &a, T);
    }
    (void)snprintf(a.instance, sizeof a.instance, "more");
    take(l, &a, T);
    assert_int_equal(ledger_length(l), LEDGER_MAX);
    (void)snprintf(a.instance, sizeof a.instance, "too many");
    assert_int_equal(ledger_take(l, &a, T, &err), E_LIMIT);
    assert_int_equal(ledger_length(l), LEDGER_MAX);
    (void)snprintf(a.instance, sizeof a.instance, "17"); /* one that is known is still heard */
    a = over(a);
    take(l, &a, T);
    const size_t n = ledger_due(l, T, loans, LEDGER_BATCH);
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        assert_string_not_equal(loans[i].alert.instance, "first");
        found = found || (strcmp(loans[i].alert.instance, "17") == 0 && loans[i].alert.end_ms);
    }
    assert_true(found);
}

static void without_memory_nothing_has_changed(void **state)
{
    CLEANUP(ledger_freep) struct ledger *l = new_ledger();
    const struct alert a = sample_alert("web1");
    struct err err;

    (void)state;
    for (uint64_t n = 1; n <= 2; n++) {
        mem_fail_at(n);
        assert_int_equal(ledger_take(l, &a, T, &err), E_NOMEM);
        mem_fail_at(0);
        assert_int_equal(ledger_length(l), 0);
    }
    take(l, &a, T);
    assert_int_equal(due(l, T), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_incident_is_due_at_once_and_each_resend),
        cmocka_unit_test(an_update_waits_and_is_sent_once),
        cmocka_unit_test(an_update_before_the_first_send_does_not_delay_it),
        cmocka_unit_test(a_close_is_due_at_once_and_told_for_a_while),
        cmocka_unit_test(an_end_that_was_never_taken_is_said_when_forgotten),
        cmocka_unit_test(an_end_that_comes_while_its_alert_is_sent_stays_due),
        cmocka_unit_test(a_newer_incident_takes_the_place_of_an_older_one),
        cmocka_unit_test(an_earlier_runs_end_waits_for_who_goes_on),
        cmocka_unit_test(an_end_that_was_told_is_taken_back_when_it_goes_on),
        cmocka_unit_test(kinds_and_instances_are_told_apart),
        cmocka_unit_test(what_is_refused_waits_for_its_resend),
        cmocka_unit_test(at_the_limit_what_is_over_makes_room),
        cmocka_unit_test(without_memory_nothing_has_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
