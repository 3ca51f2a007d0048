/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "detect/reference.h"
#include "fuzz.h"

enum { INPUT_MAX = 1 << 16, N = 2, STEP_MS = 300 * 1000 };

/* A state that was taken is written as the same bytes, and goes on for two days. */
static void check(struct reference *r, const struct schema *schema, const uint8_t *p, size_t n)
{
    char text[REFERENCE_TEXT_MAX];
    struct slow_change change;
    struct buf again;
    int64_t t = reference_resume_ms(r);

    buf_init(&again, INPUT_MAX);
    reference_encode(r, &again);
    promise(!again.failed && again.n == n && memcmp(again.p, p, n) == 0, "the same bytes");
    buf_done(&again);
    if (reference_open(r, &change))
        reference_describe(&change, schema, text);
    for (int k = 0; k < 600; k++, t += STEP_MS) {
        const float x[N] = {(float)k, k % 3 ? 1 : NAN};
        if (reference_push(r, t, x, k % 5 != 0, &change) == WATCH_QUIET)
            continue;
        promise(change.incident.n_causes <= CAUSES_MAX, "a short list of causes");
        reference_describe(&change, schema, text);
        promise(strlen(text) < sizeof text, "words that fit");
    }
    (void)reference_accept(r, t, REFERENCE_ALL, &change);
    promise(!reference_open(r, &change), "what was accepted is over");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct feature f[N] = {{.name = "a", .unit = "ratio", .resolution = 0.05f},
                                 {.name = "b", .unit = "s"}};
    struct reference *r = NULL;
    struct schema *schema;
    struct err err = {0};

    if (size > INPUT_MAX)
        return 0;
    promise(schema_new(f, N, &schema, &err) == OK, "a schema");
    uint8_t *p = malloc(size ? size : 1);
    promise(p != NULL, "memory for a copy");
    if (size)
        memcpy(p, data, size);
    if (size >= sizeof(uint64_t)) { /* get past the checksum */
        const uint64_t sum = hash_bytes(p, size - sizeof sum, 0);
        memcpy(p + size - sizeof sum, &sum, sizeof sum);
    }
    if (reference_decode(p, size, schema, &r, &err) == OK) {
        check(r, schema, p, size);
        reference_free(r);
    } else {
        promise(err.rc != OK && err.msg[0] != '\0', "a failure explains itself");
        promise(r == NULL, "and leaves the output alone");
    }
    free(p);
    schema_free(schema);
    return 0;
}
