/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/regex.h"

#include <string.h>

#include "fuzz.h"

/* Up to the first NUL: the pattern; the rest: the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    const size_t n = nul ? (size_t)(nul - data) : size;
    const struct str pattern = {(const char *)data, n};
    const struct str text = {(const char *)data + n, size - n};
    struct regex *re = NULL, *group = NULL;
    struct err err = {0};
    char wrapped[REGEX_BYTES_MAX + 8];

    if (regex_compile(pattern, &re, &err) != OK) {
        promise(strncmp(err.msg, "regular expression", 18) == 0, "a failure explains itself");
        promise(!re, "and leaves the output alone");
        return 0;
    }
    const bool matches = regex_match(re, text);
    if (n + 4 < REGEX_BYTES_MAX) {
        memcpy(wrapped, "(?:", 3);
        memcpy(wrapped + 3, pattern.p, n);
        wrapped[n + 3] = ')';
        if (regex_compile((struct str){wrapped, n + 4}, &group, &err) == OK)
            promise(regex_match(group, text) == matches, "a group changes nothing");
        else
            promise(err.rc == E_LIMIT, "a group is taken");
    }
    regex_free(re);
    regex_free(group);
    return 0;
}
