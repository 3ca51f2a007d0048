/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/rebind.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"

bool rebind_is_loopback(const char *listen)
{
    struct address a;
    struct err ignored; /* listen_open reports it */

    if (address_parse(str_of(listen), &a, &ignored) != OK)
        return false;
    if (a.addr.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, &a.addr, sizeof in6);
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    }
    struct sockaddr_in in;
    memcpy(&in, &a.addr, sizeof in);
    return ntohl(in.sin_addr.s_addr) >> 24 == 127;
}

bool rebind_host_is_plain(struct str host)
{
    char name[INET6_ADDRSTRLEN];
    struct in6_addr in6;
    struct in_addr in;
    const bool v6 = host.n > 0 && host.p[0] == '[';
    const char *end = host.n ? memchr(host.p, v6 ? ']' : ':', host.n) : NULL;
    const size_t start = v6 ? 1 : 0;
    const size_t n = (end ? (size_t)(end - host.p) : host.n) - start;

    if ((v6 && !end) || n >= sizeof name)
        return false;
    memcpy(name, host.p + start, n);
    name[n] = '\0';
    if (v6)
        return inet_pton(AF_INET6, name, &in6) == 1;
    return inet_pton(AF_INET, name, &in) == 1 || strcasecmp(name, "localhost") == 0;
}
