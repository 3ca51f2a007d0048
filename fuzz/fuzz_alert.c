/* SPDX-License-Identifier: Apache-2.0 */
/* The causes of an incident as a database has them, to what Alertmanager is sent. */
#include "alert/postable.h"

#include <string.h>

#include <jansson.h>

#include "base/mem.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct alertmanager_spec spec;
    const struct postable p = {&spec, "http://web1:8001"};
    char *causes = mem_strndup((const char *)data, size);
    const struct store_incident row = {.id = 7,
                                       .start_ms = 1740088500250,
                                       .instance = causes,
                                       .causes_json = causes,
                                       .peak_score = 2,
                                       .threshold = 1};
    struct alert a;
    struct err err = {0};
    struct buf b;

    if (!causes)
        return 0;
    if (alert_of_stored(&row, &a, &err) != OK) {
        promise(err.rc == E_PARSE && strstr(err.msg, "incident 7"), "a failure names the incident");
        mem_free(causes);
        return 0;
    }
    promise(a.n_causes <= CAUSES_MAX && str_is_utf8(str_of(a.instance)), "in bounds, in UTF-8");
    buf_init(&b, 1 << 20);
    postable_add(&p, &a, 1740088600000, true, &b);
    buf_puts(&b, "]");
    promise(!b.failed, "whatever the causes, there is an alert");
    json_t *list = json_loadb(b.p, b.n, JSON_REJECT_DUPLICATES, NULL);
    promise(json_array_size(list) == 1, "and it is JSON");
    json_decref(list);
    buf_done(&b);
    mem_free(causes);
    return 0;
}
