/* SPDX-License-Identifier: Apache-2.0 */
#include "source/csv_columns.h"

#include <math.h>
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"score", "label", CSV_COLUMNS_FIRST};
    struct csv_columns c = {0};
    struct err err = {0};

    if (csv_columns_parse((const char *)data, size, "f.csv", names, 3, &c, &err) != OK) {
        promise(err.rc != OK && strncmp(err.msg, "f.csv:", 6) == 0, "a failure says where");
        promise(err.msg[6] >= '1' && err.msg[6] <= '9', "with the line");
        promise(!c.ts_ms && !c.v[0] && !c.v[1] && !c.v[2], "and leaves the output alone");
        return 0;
    }
    for (size_t r = 0; r < c.rows; r++) {
        promise(!c.ts_ms || r == 0 || c.ts_ms[r] > c.ts_ms[r - 1], "time rises");
        for (size_t i = 0; i < 3; i++)
            promise(!c.v[i] || !isinf(c.v[i][r]), "values are finite or missing");
    }
    csv_columns_done(&c);
    return 0;
}
