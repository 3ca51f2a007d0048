/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/drill_fault.h"
#include "data/units.h"

enum { CONNECTIONS = 64, CHUNK = 1 << 16 };
static const uint64_t rate = UINT64_C(200) << 20;

enum rc drill_network_prepare(struct drill_plan *plan, struct err *err)
{
    char speed[UNITS_MAX];

    (void)err;
    plan->n = CONNECTIONS;
    plan->bytes_a_second = rate;
    units_format((double)rate, "bytes/s", speed);
    (void)snprintf(plan->what, sizeof plan->what,
                   "sends up to %s over %" PRIu32 " TCP connections of its own on 127.0.0.1", speed,
                   plan->n);
    return OK;
}

struct pair {
    int in[CONNECTIONS], out[CONNECTIONS];
};

static enum rc connect_all(struct pair *p, struct err *err)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;

    const int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l < 0 || bind(l, (struct sockaddr *)&a, sizeof a) != 0 || listen(l, CONNECTIONS) != 0 ||
        getsockname(l, (struct sockaddr *)&a, &size) != 0)
        return err_set(err, E_IO, "a socket on 127.0.0.1: %m");
    for (int i = 0; i < CONNECTIONS; i++) {
        p->out[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (p->out[i] < 0 || connect(p->out[i], (struct sockaddr *)&a, sizeof a) != 0)
            return err_set(err, E_IO, "connection %d to itself on 127.0.0.1: %m", i + 1);
        p->in[i] = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (p->in[i] < 0)
            return err_set(err, E_IO, "accepting connection %d on 127.0.0.1: %m", i + 1);
    }
    return OK;
}

/* Takes in whatever comes, and drops it. */
static void *drain(void *arg)
{
    const struct pair *p = arg;
    static char sink[CHUNK];
    struct pollfd polled[CONNECTIONS];

    for (int i = 0; i < CONNECTIONS; i++)
        polled[i] = (struct pollfd){.fd = p->in[i], .events = POLLIN};
    for (;;) {
        if (poll(polled, CONNECTIONS, -1) < 0)
            continue;
        for (int i = 0; i < CONNECTIONS; i++)
            if (polled[i].revents)
                (void)!read(p->in[i], sink, sizeof sink);
    }
    return NULL;
}

enum rc drill_network_body(const struct drill_plan *plan, struct err *err)
{
    static char chunk[CHUNK];
    static struct pair p;
    pthread_t reader;

    if (connect_all(&p, err) != OK)
        return err->rc;
    if (pthread_create(&reader, NULL, drain, &p) != 0)
        return err_set(err, E_IO, "a thread could not be started");
    const uint64_t started = clock_mono_ns();
    uint64_t sent = 0;
    for (unsigned i = 0;; i = (i + 1) % CONNECTIONS) {
        const ssize_t n = send(p.out[i], chunk, sizeof chunk, MSG_NOSIGNAL);
        if (n < 0)
            return err_set(err, E_IO, "sending on 127.0.0.1: %m");
        sent += (uint64_t)n;
        drill_pace(started, (double)sent, (double)plan->bytes_a_second);
    }
}
