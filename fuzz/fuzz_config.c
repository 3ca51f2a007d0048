/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c, again;
    struct buf printed, twice;
    struct err err = {0};

    memset(&c, 0x5a, sizeof c);
    if (config_parse((struct str){(const char *)data, size}, "f.yml", &c, &err) != OK) {
        promise(err.rc == E_CONFIG || err.rc == E_LIMIT, "a failure has its kind");
        promise(strncmp(err.msg, "f.yml:", 6) == 0 && err.msg[6] >= '1' && err.msg[6] <= '9',
                "and says where");
        promise(c.listen[0] == 0x5a, "and leaves the output alone");
        return 0;
    }
    promise(config_validate(&c, &err) == OK, "what is taken is valid");
    buf_init(&printed, 1 << 20);
    buf_init(&twice, 1 << 20);
    config_print(&c, NULL, &printed);
    const struct str text = {printed.p, printed.n};
    const enum rc rc = config_parse(text, "printed", &again, &err);
    promise(rc == OK, rc == OK ? "" : err.msg);
    config_print(&again, NULL, &twice);
    promise(str_eq(text, (struct str){twice.p, twice.n}), "what is printed reads back the same");
    buf_done(&printed);
    buf_done(&twice);
    return 0;
}
