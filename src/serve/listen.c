/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/listen.h"

#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"

enum { BACKLOG = 64 };

static enum rc bound_port(int fd, const char *text, uint16_t *ret, struct err *err)
{
    struct sockaddr_storage got = {0};
    socklen_t n = sizeof got;

    if (getsockname(fd, (struct sockaddr *)&got, &n) != 0)
        return err_set(err, E_IO, "listen on %s: getsockname: %m", text);
    struct sockaddr_in6 in6;
    struct sockaddr_in in;
    memcpy(&in6, &got, sizeof in6);
    memcpy(&in, &got, sizeof in);
    *ret = ntohs(got.ss_family == AF_INET6 ? in6.sin6_port : in.sin_port);
    return OK;
}

static enum rc start_listening(int fd, const struct address *a, const char *text, struct err *err)
{
    const int on = 1;

    /* A restart must not wait for the last connections' TIME_WAIT. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return err_set(err, E_IO, "listen on %s: SO_REUSEADDR: %m", text);
    /* [::] must not quietly open IPv4 as well. */
    if (a->addr.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
        return err_set(err, E_IO, "listen on %s: IPV6_V6ONLY: %m", text);
    if (bind(fd, (const struct sockaddr *)&a->addr, a->n) != 0)
        return err_set(err, E_IO, "listen on %s: bind: %m", text);
    if (listen(fd, BACKLOG) != 0)
        return err_set(err, E_IO, "listen on %s: listen: %m", text);
    return OK;
}

enum rc listen_open(const char *text, int *ret_fd, uint16_t *ret_port, struct err *err)
{
    struct address a;

    if (address_parse(str_of(text), &a, err) != OK)
        return err_wrap(err, "listen on '%.80s'", text);
    const int fd = socket(a.addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, E_IO, "listen on %s: socket: %m", text);
    if (start_listening(fd, &a, text, err) != OK || bound_port(fd, text, ret_port, err) != OK) {
        close(fd);
        return err->rc;
    }
    *ret_fd = fd;
    return OK;
}
