/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "feature/regex_program.h"

size_t regex_rune(struct str s, size_t at, uint32_t *ret)
{
    const unsigned char *p = (const unsigned char *)s.p + at;
    const size_t left = s.n - at;
    const size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

    if (n == 1) {
        *ret = p[0];
        return 1;
    }
    if (n <= left && str_is_utf8((struct str){s.p + at, n})) {
        uint32_t c = p[0] & (0xffu >> (n + 1));
        for (size_t i = 1; i < n; i++)
            c = c << 6 | (p[i] & 0x3f);
        *ret = c;
        return n;
    }
    *ret = 0xfffd;
    return 1;
}

/* The automaton's states at one place of the text: pc values, each at most once. */
struct states {
    size_t n;
    uint16_t pc[REGEX_PROGRAM_MAX];
};

struct matcher {
    const struct regex *re;
    struct states lists[2];
    uint32_t seen[REGEX_PROGRAM_MAX]; /* the step that last visited this pc */
    uint16_t stack[REGEX_PROGRAM_MAX + 1];
};

/* Follow jumps from pc; states that wait for a character go to `to`. Each pc is visited once a
 * step, so the stack never holds more than the program's length plus one. */
static void follow(struct matcher *m, struct states *to, size_t pc, uint32_t step, bool begin,
                   bool end)
{
    size_t depth = 0;

    if (m->seen[pc] == step)
        return;
    m->seen[pc] = step;
    m->stack[depth++] = (uint16_t)pc;
    while (depth > 0) {
        pc = m->stack[--depth];
        const struct regex_inst *i = &m->re->program[pc];
        size_t next[2];
        size_t n = 0;
        switch ((enum regex_op)i->op) {
        case RE_RANGES:
        case RE_MATCH:
            to->pc[to->n++] = (uint16_t)pc;
            break;
        case RE_SPLIT:
            next[n++] = pc + (size_t)i->x;
            next[n++] = pc + (size_t)i->y;
            break;
        case RE_JUMP:
            next[n++] = pc + (size_t)(ptrdiff_t)i->x;
            break;
        case RE_BEGIN:
            if (begin)
                next[n++] = pc + 1;
            break;
        case RE_END:
            if (end)
                next[n++] = pc + 1;
            break;
        }
        while (n > 0)
            if (m->seen[next[--n]] != step) {
                m->seen[next[n]] = step;
                m->stack[depth++] = (uint16_t)next[n];
            }
    }
}

static bool takes(const struct regex *re, const struct regex_inst *i, uint32_t ch)
{
    const struct regex_range *r = re->ranges + i->x;
    bool inside = false;

    for (size_t k = 0; k < i->n && !inside; k++)
        inside = ch >= r[k].low && ch <= r[k].high;
    return inside != i->negated;
}

bool regex_match(const struct regex *re, struct str text)
{
    struct matcher m;
    struct states *now = &m.lists[0], *then = &m.lists[1];
    uint32_t step = 1;

    assert(re->n <= REGEX_PROGRAM_MAX);
    m.re = re;
    memset(m.seen, 0, re->n * sizeof m.seen[0]);
    now->n = 0;
    follow(&m, now, 0, step, true, text.n == 0);
    for (size_t at = 0; at < text.n && now->n > 0;) {
        uint32_t ch = 0;
        at += regex_rune(text, at, &ch);
        then->n = 0;
        step++;
        for (size_t k = 0; k < now->n; k++) {
            const size_t pc = now->pc[k];
            const struct regex_inst *i = &re->program[pc];
            if (i->op == RE_RANGES && takes(re, i, ch))
                follow(&m, then, pc + 1, step, false, at == text.n);
        }
        struct states *swap = now;
        now = then;
        then = swap;
    }
    for (size_t k = 0; k < now->n; k++)
        if (re->program[now->pc[k]].op == RE_MATCH)
            return true;
    return false;
}
