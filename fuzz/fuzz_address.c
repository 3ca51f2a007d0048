/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "fuzz.h"

/* The address as a text that must be read back as the same one. */
static void format(const struct address *a, char *out, size_t size)
{
    char host[INET6_ADDRSTRLEN];

    if (a->addr.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->addr;
        promise(inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host) != NULL, "IPv6 prints");
        (void)snprintf(out, size, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&a->addr;
        promise(in->sin_family == AF_INET, "there is no third family");
        promise(inet_ntop(AF_INET, &in->sin_addr, host, sizeof host) != NULL, "IPv4 prints");
        (void)snprintf(out, size, "%s:%u", host, ntohs(in->sin_port));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = {(const char *)data, size};
    struct address a = {.n = 77}, back;
    struct err err = {0};
    char again[80];

    if (address_parse(text, &a, &err) != OK) {
        promise(err.rc == E_CONFIG && strstr(err.msg, "127.0.0.1:8001"), "a failure says the form");
        promise(a.n == 77, "and leaves the output alone");
        return 0;
    }
    format(&a, again, sizeof again);
    promise(address_parse(str_of(again), &back, &err) == OK, "what is taken is taken again");
    promise(memcmp(&a, &back, sizeof a) == 0, "as the same address");
    return 0;
}
