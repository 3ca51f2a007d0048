/* SPDX-License-Identifier: Apache-2.0 */
/* storekeeper: what it is sent */
#include <string.h>

#include "base/mem.h"
#include "daemon/storekeeper.h"

struct storekeeper_message *storekeeper_message_new(enum storekeeper_kind kind, size_t slot,
                                                    const float *frame, size_t n)
{
    struct storekeeper_message *m = mem_alloc(sizeof *m + n * sizeof m->frame[0]);

    if (!m)
        return NULL;
    m->kind = kind;
    m->slot = slot;
    m->n = n;
    if (n)
        memcpy(m->frame, frame, n * sizeof *frame);
    return m;
}

static struct storekeeper_message *with_bytes(enum storekeeper_kind kind, size_t slot,
                                              const void *p, size_t n)
{
    struct storekeeper_message *m = mem_alloc(sizeof *m + n);

    if (!m)
        return NULL;
    m->kind = kind;
    m->slot = slot;
    m->n_bytes = n;
    if (n)
        memcpy(m->frame, p, n);
    return m;
}

struct storekeeper_message *storekeeper_state_new(size_t slot, int64_t ts_ms, const void *p,
                                                  size_t n)
{
    struct storekeeper_message *m = with_bytes(KEEP_STATE, slot, p, n);

    if (m)
        m->ts_ms = ts_ms;
    return m;
}

struct storekeeper_message *storekeeper_incident_new(size_t slot, const struct incident *in,
                                                     const char *words)
{
    struct storekeeper_message *m = with_bytes(KEEP_INCIDENT, slot, words, strlen(words) + 1);

    if (m)
        m->incident = *in;
    return m;
}
