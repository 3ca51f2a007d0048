/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "record_fault.h"

enum { BACKLOG = 64 };

/* A socket bound to a free port of 127.0.0.1, with its address; -1 with errno. */
static int bound(struct sockaddr_in *ret)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a) != 0 ||
        getsockname(s, (struct sockaddr *)&a, &size) != 0)
        return -1;
    *ret = a;
    return s;
}

static int listener(struct sockaddr_in *ret)
{
    const int s = bound(ret);

    return s >= 0 && listen(s, BACKLOG) == 0 ? s : -1;
}

/* Both ends of a new connection. */
static enum rc connect_one(int l, const struct sockaddr_in *a, int ends[2], struct err *err)
{
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ends[0] < 0 || connect(ends[0], (const struct sockaddr *)a, sizeof *a) != 0)
        return err_set(err, E_IO, "connecting on 127.0.0.1: %m");
    ends[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
    if (ends[1] < 0)
        return err_set(err, E_IO, "accepting on 127.0.0.1: %m");
    return OK;
}

/* -- connections: n of them, opened at the rate, held open -- */

enum rc record_connections(const struct drill_plan *plan, struct err *err)
{
    const uint64_t started = clock_mono_ns();
    struct rlimit limit;
    struct sockaddr_in a;
    const int l = listener(&a);
    int ends[2];

    if (l < 0)
        return err_set(err, E_IO, "a socket on 127.0.0.1: %m");
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* or fewer */
    }
    for (uint32_t i = 1; i <= plan->n; i++) {
        if (connect_one(l, &a, ends, err) != OK)
            return err->rc;
        record_pace(started, i, (double)plan->bytes_a_second);
    }
    for (;;)
        pause();
}

/* -- churn: rate connections a second, closed at once -- */

enum rc record_churn(const struct drill_plan *plan, struct err *err)
{
    const uint64_t started = clock_mono_ns();
    struct sockaddr_in a;
    const int l = listener(&a);
    int ends[2];

    if (l < 0)
        return err_set(err, E_IO, "a socket on 127.0.0.1: %m");
    for (uint64_t i = 1;; i++) {
        if (connect_one(l, &a, ends, err) != OK)
            return err->rc;
        (void)close(ends[0]); /* the first to close waits out its time */
        (void)close(ends[1]);
        record_pace(started, (double)i, (double)plan->bytes_a_second);
    }
}

/* -- refused: rate attempts a second where nobody listens -- */

enum rc record_refused(const struct drill_plan *plan, struct err *err)
{
    const uint64_t started = clock_mono_ns();
    struct sockaddr_in a;

    if (bound(&a) < 0) /* bound, so that nobody else gets the port */
        return err_set(err, E_IO, "a socket on 127.0.0.1: %m");
    for (uint64_t i = 1;; i++) {
        const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (s < 0)
            return err_set(err, E_IO, "a socket: %m");
        if (connect(s, (struct sockaddr *)&a, sizeof a) == 0)
            return err_set(err, E_STATE, "a connection to a port without a listener was accepted");
        (void)close(s);
        record_pace(started, (double)i, (double)plan->bytes_a_second);
    }
}
