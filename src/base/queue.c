/* SPDX-License-Identifier: Apache-2.0 */
#include "base/queue.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

struct queue {
    pthread_mutex_t lock; /* over items, first; length and closed are written under it */
    int wake;             /* eventfd, written when the queue was empty or is closed */
    size_t capacity, first;
    _Atomic size_t length;
    _Atomic bool closed;
    void *items[]; /* ring */
};

enum rc queue_new(size_t capacity, struct queue **ret, struct err *err)
{
    size_t bytes;

    if (capacity == 0 || __builtin_mul_overflow(capacity, sizeof(void *), &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct queue), &bytes))
        return err_set(err, E_LIMIT, "queue: %zu is no capacity", capacity);
    CLEANUP(fd_closep) int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return err_set(err, E_IO, "queue: eventfd: %m");
    struct queue *q = mem_alloc(bytes);
    if (!q)
        return err_set(err, E_NOMEM, "queue: no memory for %zu items", capacity);
    q->capacity = capacity;
    (void)pthread_mutex_init(&q->lock, NULL); /* cannot fail with default attributes */
    q->wake = fd;
    fd = -1;
    *ret = q;
    return OK;
}

void queue_free(struct queue *q, void (*drop)(void *item))
{
    if (!q)
        return;
    for (void *item = queue_pop(q); item; item = queue_pop(q))
        if (drop)
            drop(item);
    (void)pthread_mutex_destroy(&q->lock);
    (void)close(q->wake);
    mem_free(q);
}

/* Under the lock, so that a consumer that frees the queue after it saw what we did waits for us. */
static void wake_consumer(struct queue *q)
{
    const uint64_t one = 1;
    ssize_t n;

    do
        n = write(q->wake, &one, sizeof one);
    while (n < 0 && errno == EINTR); /* EAGAIN: the counter is full, so it is readable anyway */
}

bool queue_push(struct queue *q, void *item)
{
    pthread_mutex_lock(&q->lock);
    const size_t length = atomic_load_explicit(&q->length, memory_order_relaxed);
    const bool room = length < q->capacity && !atomic_load(&q->closed);
    if (room) {
        q->items[(q->first + length) % q->capacity] = item;
        atomic_store(&q->length, length + 1);
        if (length == 0)
            wake_consumer(q);
    }
    pthread_mutex_unlock(&q->lock);
    return room;
}

void *queue_pop(struct queue *q)
{
    void *item = NULL;

    pthread_mutex_lock(&q->lock);
    const size_t length = atomic_load_explicit(&q->length, memory_order_relaxed);
    if (length) {
        item = q->items[q->first];
        q->first = (q->first + 1) % q->capacity;
        atomic_store(&q->length, length - 1);
    }
    pthread_mutex_unlock(&q->lock);
    return item;
}

void *queue_wait(struct queue *q, int timeout_ms)
{
    const int64_t end = clock_mono_ms() + timeout_ms;
    int left = timeout_ms;

    for (;;) {
        /* closed is read first: what was pushed before the close is then seen by the pop */
        const bool closed = atomic_load(&q->closed);
        void *item = queue_pop(q);
        if (item || closed)
            return item;
        if (timeout_ms >= 0) {
            const int64_t rest = end - clock_mono_ms();
            if (rest <= 0 && left == 0)
                return NULL;
            left = rest > 0 ? (int)rest : 0;
        }
        struct pollfd fd = {.fd = q->wake, .events = POLLIN};
        const int n = poll(&fd, 1, left);
        if (n > 0) {
            uint64_t count;
            (void)!read(q->wake, &count, sizeof count); /* only takes the signal off */
        } else if (n == 0) {
            left = 0; /* one last look at the queue */
        }
    }
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    atomic_store(&q->closed, true);
    wake_consumer(q);
    pthread_mutex_unlock(&q->lock);
}

bool queue_has_room(const struct queue *q)
{
    return queue_length(q) < q->capacity;
}

size_t queue_length(const struct queue *q)
{
    return atomic_load(&q->length);
}
