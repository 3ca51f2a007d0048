/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 64, TEXT_SHOWN = 80 };

#define EXPECTED "expected an IP address and a port, as 127.0.0.1:8001 or [::1]:8001"

static enum rc bad(struct str text, const char *why, struct err *err)
{
    const int shown = text.n < TEXT_SHOWN ? (int)text.n : TEXT_SHOWN;

    return err_set(err, E_CONFIG, "listen address '%.*s': %s; " EXPECTED, shown, text.p, why);
}

static bool parse_port(struct str s, uint16_t *ret)
{
    uint64_t port;

    if (s.n > 5 || !str_to_u64(s, &port) || port > UINT16_MAX)
        return false;
    *ret = (uint16_t)port;
    return true;
}

enum rc listen_parse(struct str text, struct listen_address *ret, struct err *err)
{
    char host[INET6_ADDRSTRLEN];
    struct listen_address a = {0};
    uint16_t port;

    const char *colon = text.n ? memrchr(text.p, ':', text.n) : NULL;
    if (!colon)
        return bad(text, "there is no port", err);
    const struct str tail = {colon + 1, text.n - (size_t)(colon + 1 - text.p)};
    struct str head = {text.p, (size_t)(colon - text.p)};
    if (!parse_port(tail, &port))
        return bad(text, "the port is not a number from 0 to 65535", err);
    const bool v6 = head.n >= 2 && head.p[0] == '[' && head.p[head.n - 1] == ']';
    if (v6)
        head = (struct str){head.p + 1, head.n - 2};
    else if (str_eq(head, STR("localhost")))
        head = STR("127.0.0.1");
    if (head.n == 0 || head.n >= sizeof host || memchr(head.p, '\0', head.n))
        return bad(text, "the host is not an IP address", err);
    memcpy(host, head.p, head.n);
    host[head.n] = '\0';

    if (v6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a.addr;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        a.n = sizeof *in6;
        if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
            return bad(text, "the host is not an IPv6 address", err);
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)&a.addr;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        a.n = sizeof *in;
        if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
            return bad(text, "the host is not an IP address", err);
    }
    *ret = a;
    return OK;
}

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

static enum rc start_listening(int fd, const struct listen_address *a, const char *text,
                               struct err *err)
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
    struct listen_address a;

    if (listen_parse(str_of(text), &a, err) != OK)
        return err->rc;
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
