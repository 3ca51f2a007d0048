/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/derive_program.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "feature/derive.h"
#include "fuzz.h"

static void run(struct str expression)
{
    struct profile *p = NULL;
    struct deriver *d = NULL;
    struct err err = {0};
    struct buf b;

    buf_init(&b, 1 << 17);
    buf_puts(&b, "name: fuzz\nfeatures: [{name: x, expr: a}, {name: y, expr: b}]\n"
                 "derive: [{name: d, expr: \"");
    for (size_t i = 0; i < expression.n; i++) {
        const unsigned char c = (unsigned char)expression.p[i];
        buf_printf(&b, c == '"' || c == '\\' ? "\\%c" : c < 0x20 ? "\\x%02x" : "%c", c);
    }
    buf_puts(&b, "\"}]\n");
    if (profile_parse((struct str){b.p, b.n}, "fuzz.yml", 1000, &p, &err) == OK) {
        promise(deriver_new(p, &d, &err) == OK, "memory");
        for (int t = 0; t < 8; t++) {
            const double base[2] = {t * t, t == 3 ? (double)NAN : -1.5};
            float frame[3];
            deriver_apply(d, 1000 * t, base, frame);
            promise(frame[0] == (float)(t * t), "base features come first");
            promise(!isinf(frame[2]), "a feature is finite or missing");
        }
    }
    deriver_free(d);
    profile_free(p);
    buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct feature known[] = {{.name = "x"}, {.name = "y"}};
    const struct str text = {(const char *)data, size};
    struct derive_program program = {0};
    struct err err = {0};

    if (derive_program_add(&program, text, known, 2, &err) != OK) {
        promise(err.rc != OK && err.msg[0] != '\0', "a failure explains itself");
        promise(program.n_features == 0, "and adds no feature");
    } else {
        promise(program.n_features == 1 && program.ends[0] == program.n_steps, "one feature");
        promise(program.n_state <= DERIVE_STATE_MAX, "of bounded memory");
        run(text);
    }
    derive_program_done(&program);
    return 0;
}
