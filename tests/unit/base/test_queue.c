/* SPDX-License-Identifier: Apache-2.0 */
#include "base/queue.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "../test.h"
#include "base/mem.h"

static int items[16];

static struct queue *new_queue(size_t capacity)
{
    struct queue *q = NULL;
    struct err err;

    assert_int_equal(queue_new(capacity, &q, &err), OK);
    return q;
}

static void items_come_out_in_order_round_the_ring(void **state)
{
    (void)state;
    struct queue *q = new_queue(3);

    assert_null(queue_pop(q));
    for (int i = 0; i < 12; i++) {
        assert_true(queue_push(q, &items[i]));
        if (i >= 2)
            assert_ptr_equal(queue_pop(q), &items[i - 2]);
    }
    assert_int_equal(queue_length(q), 2);
    queue_free(q, NULL);
}

static void full_queue_refuses_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct queue *q = new_queue(2);

    assert_true(queue_push(q, &items[0]));
    assert_true(queue_push(q, &items[1]));
    assert_false(queue_push(q, &items[2]));
    assert_int_equal(queue_length(q), 2);
    assert_ptr_equal(queue_pop(q), &items[0]);
    assert_true(queue_push(q, &items[3]));
    assert_ptr_equal(queue_pop(q), &items[1]);
    assert_ptr_equal(queue_pop(q), &items[3]);
    queue_free(q, NULL);
}

static void closed_queue_refuses_but_gives_what_is_left(void **state)
{
    (void)state;
    struct queue *q = new_queue(2);

    assert_true(queue_push(q, &items[0]));
    queue_close(q);
    assert_false(queue_push(q, &items[1]));
    assert_ptr_equal(queue_wait(q, -1), &items[0]);
    assert_null(queue_wait(q, -1)); /* returns: nothing can come any more */
    queue_free(q, NULL);
}

static void waiting_ends_at_the_timeout(void **state)
{
    (void)state;
    struct queue *q = new_queue(2);

    assert_null(queue_wait(q, 0));
    assert_null(queue_wait(q, 5));
    /* a signal that a pop left behind neither ends nor prolongs the wait */
    assert_true(queue_push(q, &items[0]));
    assert_ptr_equal(queue_pop(q), &items[0]);
    assert_null(queue_wait(q, 5));
    assert_true(queue_push(q, &items[1]));
    assert_ptr_equal(queue_wait(q, 0), &items[1]);
    queue_free(q, NULL);
}

static int dropped;

static void count_drop(void *item)
{
    (void)item;
    dropped++;
}

static void freeing_drops_what_is_left(void **state)
{
    (void)state;
    struct queue *q = new_queue(4);

    dropped = 0;
    for (int i = 0; i < 3; i++)
        assert_true(queue_push(q, &items[i]));
    queue_free(q, count_drop);
    assert_int_equal(dropped, 3);
    queue_free(NULL, NULL);
}

static void impossible_queues_are_refused(void **state)
{
    (void)state;
    struct queue *q = NULL;
    struct err err;

    assert_int_equal(queue_new(0, &q, &err), E_LIMIT);
    assert_int_equal(queue_new(SIZE_MAX / 8, &q, &err), E_LIMIT);
    mem_fail_at(1);
    assert_int_equal(queue_new(4, &q, &err), E_NOMEM);
    assert_null(q);
}

static void *close_it(void *q)
{
    queue_close(q);
    return NULL;
}

static void *push_one(void *q)
{
    sched_yield();
    assert_true(queue_push(q, &items[7]));
    return NULL;
}

/* Over and over, so that the other thread comes before, in and after the wait. */
static void close_wakes_the_consumer_who_may_free_at_once(void **state)
{
    (void)state;
    pthread_t t;

    for (int i = 0; i < 300; i++) {
        struct queue *q = new_queue(2);
        assert_int_equal(pthread_create(&t, NULL, close_it, q), 0);
        assert_null(queue_wait(q, -1));
        queue_free(q, NULL);
        pthread_join(t, NULL);
    }
}

static void push_wakes_the_consumer(void **state)
{
    (void)state;
    struct queue *q = new_queue(2);
    pthread_t t;

    for (int i = 0; i < 300; i++) {
        assert_int_equal(pthread_create(&t, NULL, push_one, q), 0);
        assert_ptr_equal(queue_wait(q, -1), &items[7]);
        pthread_join(t, NULL);
    }
    queue_free(q, NULL);
}

enum { PRODUCERS = 4, EACH = 5000 };

struct producer {
    struct queue *q;
    int id;
    unsigned refused;
};

struct message {
    int from, number;
};

static void *produce(void *arg)
{
    struct producer *p = arg;

    for (int i = 0; i < EACH; i++) {
        struct message *m = mem_alloc(sizeof *m);
        m->from = p->id;
        m->number = i;
        while (!queue_push(p->q, m)) { /* the test wants every message; the daemon would drop it */
            p->refused++;
            sched_yield();
        }
    }
    return NULL;
}

static void many_producers_lose_nothing_and_keep_their_order(void **state)
{
    (void)state;
    struct queue *q = new_queue(8);
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    int next[PRODUCERS] = {0};

    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){q, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    for (int i = 0; i < PRODUCERS * EACH; i++) {
        struct message *m = queue_wait(q, -1);
        assert_non_null(m);
        assert_int_equal(m->number, next[m->from]++);
        mem_free(m);
    }
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    assert_null(queue_pop(q));
    queue_free(q, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_out_in_order_round_the_ring),
        cmocka_unit_test(full_queue_refuses_and_keeps_what_it_has),
        cmocka_unit_test(closed_queue_refuses_but_gives_what_is_left),
        cmocka_unit_test(waiting_ends_at_the_timeout),
        cmocka_unit_test(freeing_drops_what_is_left),
        cmocka_unit_test(impossible_queues_are_refused),
        cmocka_unit_test(close_wakes_the_consumer_who_may_free_at_once),
        cmocka_unit_test(push_wakes_the_consumer),
        cmocka_unit_test(many_producers_lose_nothing_and_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
