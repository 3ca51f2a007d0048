/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "tune/state.h"

enum { FORMATTED_MAX = 1 << 20 };

/* Whatever a search took from the text, it writes, reads again and writes in the same bytes. */
static void round_trip(struct str text, uint64_t identity)
{
    const struct search_spec spec = {
        .method = SEARCH_HALVING, .trials = 9, .executions = 2, .seed = 1, .epochs = 100};
    struct search *a, *b;
    struct buf first, second;
    struct err err;

    promise(search_new(&spec, &a, &err) == OK, "a search");
    promise(search_new(&spec, &b, &err) == OK, "and another");
    if (state_restore(text, "state", identity, a, &err) == OK) {
        buf_init(&first, FORMATTED_MAX);
        buf_init(&second, FORMATTED_MAX);
        state_format(a, identity, &first);
        promise(!first.failed && search_done(a) <= search_executions(a), "a state of its size");
        promise(state_restore((struct str){first.p, first.n}, "again", identity, b, &err) == OK,
                "what was written can be read");
        state_format(b, identity, &second);
        promise(second.n == first.n && memcmp(first.p, second.p, first.n) == 0, "and is the same");
        buf_done(&first);
        buf_done(&second);
    } else {
        promise(err.msg[0] && !strchr(err.msg, '\n'), "a refusal is one sentence");
    }
    search_free(a);
    search_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = {(const char *)data, size};
    struct state_row *rows = NULL;
    uint64_t identity = 0;
    size_t n = 0;
    struct err err = {0};

    if (state_parse(text, "state", &identity, &rows, &n, &err) != OK) {
        promise(err.rc != OK && err.msg[0] && !strchr(err.msg, '\n'), "a failure explains itself");
        promise(str_is_utf8(str_of(err.msg)), "in printable text");
        promise(rows == NULL && n == 0 && identity == 0, "and leaves the output alone");
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        const double objective = rows[i].result.objective;
        promise(isnan(objective) || (objective >= 0 && objective <= 1), "an objective is a share");
    }
    mem_free(rows);
    round_trip(text, identity);
    return 0;
}
