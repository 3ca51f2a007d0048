/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* queue - where threads meet: bounded, many producers, one consumer, woken by an eventfd
 *
 * Items are pointers; a push that returns true moves ownership to the consumer. A full queue
 * refuses: the sender drops and counts, it never waits. */
struct queue;

MUST_CHECK enum rc queue_new(size_t capacity, struct queue **ret, struct err *err);
/* Frees the queue; items still in it are given to drop (may be NULL when none can be left). */
void queue_free(struct queue *q, void (*drop)(void *item));

bool queue_push(struct queue *q, void *item); /* any thread; false when full or closed */
void *queue_pop(struct queue *q);             /* consumer; NULL when empty */
/* Consumer: wait until an item is there, the queue is closed, or timeout_ms (-1: for ever). */
void *queue_wait(struct queue *q, int timeout_ms);
void queue_close(struct queue *q);          /* any thread: no more pushes, the consumer wakes */
size_t queue_length(const struct queue *q); /* any thread; a moment's value */
/* A push now would not find it full; to the only producer, until it pushes. */
bool queue_has_room(const struct queue *q);
