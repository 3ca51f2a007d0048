/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/upload.h"

#include "base/mem.h"

enum rc upload_new(struct upload_room *room, const char *content_length,
                   const char *transfer_encoding, size_t body_max, struct upload **ret,
                   unsigned *ret_status, struct err *err)
{
    uint64_t n;

    *ret_status = 411;
    if (!content_length || transfer_encoding)
        return err_set(err, E_PARSE, "a Content-Length is needed");
    *ret_status = 400;
    if (!str_to_u64(str_trim(str_of(content_length)), &n))
        return err_set(err, E_PARSE, "Content-Length '%.40s' is no number", content_length);
    if (n > body_max)
        return err_set(err, E_LIMIT, "a body of %llu bytes, where at most %zu are taken",
                       (unsigned long long)n, body_max);
    *ret_status = 503;
    if (n > room->max - room->used)
        return err_set(err, E_LIMIT, "other bodies are coming in; send it again");
    struct upload *u = mem_alloc(sizeof *u);
    if (!u)
        return err_set(err, E_NOMEM, "no memory for a body");
    buf_init(&u->body, n);
    u->length = n;
    u->room = room;
    room->used += n;
    *ret = u;
    return OK;
}

void upload_add(struct upload *u, const char *p, size_t n)
{
    buf_add(&u->body, p, n);
}

bool upload_is_whole(const struct upload *u)
{
    return !u->body.failed && u->body.n == u->length;
}

void upload_free(struct upload *u)
{
    if (!u)
        return;
    u->room->used -= u->length;
    buf_done(&u->body);
    mem_free(u);
}
