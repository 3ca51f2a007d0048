/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/causes.h"

#include <string.h>

#include "fuzz.h"

enum { ROWS = 1000, METRICS = 50 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct causes c = {0};
    struct err err = {0};

    if (causes_parse((const char *)data, size, "c.txt", ROWS, METRICS, &c, &err) != OK) {
        promise(err.rc != OK && strncmp(err.msg, "c.txt:", 6) == 0, "a failure says where");
        promise(!c.v && !c.metrics, "and leaves the output alone");
        return 0;
    }
    promise(c.n > 0, "there are events");
    for (size_t i = 0; i < c.n; i++) {
        promise(c.v[i].first <= c.v[i].last && c.v[i].first < ROWS && c.v[i].last <= ROWS,
                "rows are in bounds and rise");
        promise(c.v[i].n > 0 && c.v[i].n <= METRICS, "metrics are counted");
        for (size_t k = 0; k < c.v[i].n; k++)
            promise(c.v[i].metric[k] < METRICS, "metrics are in bounds");
    }
    causes_done(&c);
    return 0;
}
