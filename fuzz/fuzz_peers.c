/* SPDX-License-Identifier: Apache-2.0 */
#include "config/peers.h"

#include <string.h>

#include "base/cleanup.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(peers_freep) struct peers *p = NULL;
    CLEANUP(peers_freep) struct peers *again = NULL;
    CLEANUP(buf_done) struct buf text;
    struct err err = {0};

    buf_init(&text, 16 << 20);
    if (peers_parse((struct str){(const char *)data, size}, "f.yml", &p, &err) != OK) {
        promise(err.rc == E_CONFIG || err.rc == E_NOMEM, "a failure has its kind");
        promise(strncmp(err.msg, "f.yml:", 6) == 0, "and says where");
        return 0;
    }
    buf_puts(&text, "sources:\n");
    if (p->host)
        buf_puts(&text, "  - host: {}\n");
    peers_print_sources(p, &text);
    peers_print_receivers(p, &text);
    promise(peers_parse((struct str){text.p, text.n}, "printed", &again, &err) == OK,
            "what is printed reads back");
    promise(again->hash == p->hash, "as the same");
    return 0;
}
