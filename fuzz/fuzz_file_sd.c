/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte: odd is YAML, even JSON. */
#include <string.h>

#include "source/file_sd.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct file_sd_list l;
    struct err err = {0};

    if (size == 0)
        return 0;
    const char *file = data[0] & 1 ? "t.yml" : "t.json";
    if (file_sd_parse((struct str){(const char *)data + 1, size - 1}, file, &l, &err) != OK) {
        promise(err.rc == E_PARSE || err.rc == E_CONFIG || err.rc == E_LIMIT, "it is the file's");
        promise(strncmp(err.msg, file, strlen(file)) == 0, "and says which");
        return 0;
    }
    for (size_t i = 0; i < l.n; i++) {
        promise(l.v[i].targets.n <= FILE_SD_TARGETS_MAX, "targets are bounded");
        for (size_t j = 0; j < l.v[i].targets.n; j++)
            promise(l.v[i].targets.v[j] != NULL, "targets are there");
        for (size_t j = 0; j < l.v[i].n_labels; j++)
            promise(l.v[i].labels[j].name[0] && l.v[i].labels[j].value, "labels are whole");
    }
    file_sd_list_done(&l);
    return 0;
}
