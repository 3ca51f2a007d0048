/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define EXPECTED "expected an IP address and a port, as 127.0.0.1:8001 or [::1]:8001"

static enum rc bad(const char *why, struct err *err)
{
    return err_set(err, E_CONFIG, "%s; " EXPECTED, why);
}

static bool parse_port(struct str s, uint16_t *ret)
{
    uint64_t port;

    if (s.n > 5 || !str_to_u64(s, &port) || port > UINT16_MAX)
        return false;
    *ret = (uint16_t)port;
    return true;
}

enum rc address_parse(struct str text, struct address *ret, struct err *err)
{
    char host[INET6_ADDRSTRLEN];
    struct address a = {0};
    uint16_t port;

    const char *colon = text.n ? memrchr(text.p, ':', text.n) : NULL;
    if (!colon)
        return bad("there is no port", err);
    const struct str tail = {colon + 1, text.n - (size_t)(colon + 1 - text.p)};
    struct str head = {text.p, (size_t)(colon - text.p)};
    if (!parse_port(tail, &port))
        return bad("the port is not a number from 0 to 65535", err);
    const bool v6 = head.n >= 2 && head.p[0] == '[' && head.p[head.n - 1] == ']';
    if (v6)
        head = (struct str){head.p + 1, head.n - 2};
    else if (str_eq(head, STR("localhost")))
        head = STR("127.0.0.1");
    if (head.n == 0 || head.n >= sizeof host || memchr(head.p, '\0', head.n))
        return bad("the host is not an IP address", err);
    memcpy(host, head.p, head.n);
    host[head.n] = '\0';

    if (v6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a.addr;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        a.n = sizeof *in6;
        if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
            return bad("the host is not an IPv6 address", err);
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)&a.addr;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        a.n = sizeof *in;
        if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
            return bad("the host is not an IP address", err);
    }
    *ret = a;
    return OK;
}
