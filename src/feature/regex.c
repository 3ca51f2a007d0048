/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/regex.h"

#include <assert.h>
#include <stdint.h>

#include "base/mem.h"

enum op {
    RE_RANGES, /* one character inside (or, negated, outside) ranges[x .. x + n) */
    RE_SPLIT,  /* go on at pc + x and at pc + y */
    RE_JUMP,   /* go on at pc + x */
    RE_BEGIN,  /* only at the start of the text */
    RE_END,    /* only at its end */
    RE_MATCH,
};

/* Jumps are relative, so a block of instructions may be moved and copied as it stands. */
struct inst {
    uint8_t op;
    bool negated;
    uint16_t n;
    int32_t x, y;
};

struct range {
    uint32_t low, high;
};

enum { RANGES_MAX = REGEX_BYTES_MAX * 4, CODE_POINT_MAX = 0x10ffff };

struct regex {
    size_t n, n_ranges;
    struct range *ranges;
    struct inst program[];
};

struct compiler {
    struct str pattern;
    size_t at;
    size_t n, n_ranges;
    unsigned depth;
    struct inst program[REGEX_PROGRAM_MAX];
    struct range ranges[RANGES_MAX];
    struct err *err;
};

/* Decode one code point; a malformed byte is U+FFFD and one byte long (Go's utf8.DecodeRune). */
static size_t rune(struct str s, size_t at, uint32_t *ret)
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

static bool more(const struct compiler *c)
{
    return c->at < c->pattern.n;
}

static int peek(const struct compiler *c)
{
    return more(c) ? (unsigned char)c->pattern.p[c->at] : -1;
}

static enum rc fail(struct compiler *c, const char *what)
{
    return err_set(c->err, E_PARSE, "regular expression, byte %zu: %s", c->at + 1, what);
}

static enum rc room(struct compiler *c, size_t n)
{
    if (n <= REGEX_PROGRAM_MAX && c->n + n <= REGEX_PROGRAM_MAX)
        return OK;
    return err_set(c->err, E_LIMIT,
                   "regular expression, byte %zu: too large (over %d steps when its repetitions "
                   "are written out)",
                   c->at + 1, REGEX_PROGRAM_MAX);
}

static enum rc emit(struct compiler *c, struct inst i)
{
    if (room(c, 1) != OK)
        return c->err->rc;
    c->program[c->n++] = i;
    return OK;
}

/* Put i in front of the block that starts at `start`. */
static enum rc insert(struct compiler *c, size_t start, struct inst i)
{
    if (room(c, 1) != OK)
        return c->err->rc;
    memmove(c->program + start + 1, c->program + start, (c->n - start) * sizeof i);
    c->program[start] = i;
    c->n++;
    return OK;
}

static enum rc add_range(struct compiler *c, uint32_t low, uint32_t high)
{
    if (c->n_ranges == RANGES_MAX)
        return err_set(c->err, E_LIMIT, "regular expression: over %d ranges", RANGES_MAX);
    c->ranges[c->n_ranges++] = (struct range){low, high};
    return OK;
}

/* The ranges of \d \w \s (ASCII, as in RE2), or of their complement. */
static enum rc add_class(struct compiler *c, int letter)
{
    static const struct range digit[] = {{'0', '9'}};
    static const struct range word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    static const struct range space[] = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
    const int lower = letter | 0x20;
    const struct range *r = lower == 'd' ? digit : lower == 'w' ? word : space;
    const size_t n = lower == 'd' ? 1 : lower == 'w' ? 4 : 3;
    uint32_t next = 0;

    for (size_t i = 0; i < n; i++) {
        if (letter == lower && add_range(c, r[i].low, r[i].high) != OK)
            return c->err->rc;
        if (letter != lower && add_range(c, next, r[i].low - 1) != OK)
            return c->err->rc;
        next = r[i].high + 1;
    }
    return letter == lower ? OK : add_range(c, next, CODE_POINT_MAX);
}

/* After a backslash: a class letter in *ret_class, else one literal character in *ret. */
static enum rc escape(struct compiler *c, int *ret_class, uint32_t *ret)
{
    const int e = peek(c);
    const char *controls = "n\nt\tr\rf\fv\va\a";

    *ret_class = 0;
    if (e < 0)
        return fail(c, "nothing follows the backslash");
    if (strchr("dwsDWS", e)) {
        *ret_class = e;
        c->at++;
        return OK;
    }
    for (size_t i = 0; controls[i]; i += 2)
        if (controls[i] == e) {
            *ret = (unsigned char)controls[i + 1];
            c->at++;
            return OK;
        }
    if (e >= 0x80 || e < 0x21 || (e >= '0' && e <= '9') || ((e | 0x20) >= 'a' && (e | 0x20) <= 'z'))
        return fail(c, "this escape is not supported");
    *ret = (uint32_t)e;
    c->at++;
    return OK;
}

/* One end of a range inside brackets, or a whole class (\d) that is added at once. */
static enum rc class_item(struct compiler *c, int *ret_class, uint32_t *ret)
{
    *ret_class = 0;
    if (peek(c) == '[' && c->at + 1 < c->pattern.n && strchr(":=.", c->pattern.p[c->at + 1]))
        return fail(c, "named classes such as [:alpha:] are not supported");
    if (peek(c) == '\\') {
        c->at++;
        return escape(c, ret_class, ret);
    }
    c->at += rune(c->pattern, c->at, ret);
    return OK;
}

static enum rc class_range(struct compiler *c)
{
    uint32_t low, high;
    int class;

    if (class_item(c, &class, &low) != OK)
        return c->err->rc;
    if (class)
        return add_class(c, class);
    high = low;
    if (peek(c) == '-' && c->at + 1 < c->pattern.n && c->pattern.p[c->at + 1] != ']') {
        c->at++;
        if (class_item(c, &class, &high) != OK)
            return c->err->rc;
        if (class || high < low)
            return fail(c, "the range in brackets runs backwards");
    }
    return add_range(c, low, high);
}

static enum rc parse_class(struct compiler *c)
{
    struct inst i = {.op = RE_RANGES, .x = (int32_t)c->n_ranges};

    c->at++; /* [ */
    if (peek(c) == '^') {
        i.negated = true;
        c->at++;
    }
    for (bool first = true; peek(c) != ']' || first; first = false) {
        if (!more(c))
            return fail(c, "the bracket is not closed");
        if (class_range(c) != OK)
            return c->err->rc;
    }
    c->at++;
    i.n = (uint16_t)(c->n_ranges - (size_t)i.x);
    return emit(c, i);
}

static enum rc emit_class(struct compiler *c, int letter)
{
    struct inst i = {.op = RE_RANGES, .x = (int32_t)c->n_ranges};

    if (add_class(c, letter) != OK)
        return c->err->rc;
    i.n = (uint16_t)(c->n_ranges - (size_t)i.x);
    return emit(c, i);
}

static enum rc emit_char(struct compiler *c, uint32_t ch, bool negated)
{
    const struct inst i = {.op = RE_RANGES, .negated = negated, .n = 1, .x = (int32_t)c->n_ranges};

    if (add_range(c, ch, ch) != OK)
        return c->err->rc;
    return emit(c, i);
}

static enum rc parse_alternatives(struct compiler *c);

static enum rc parse_group(struct compiler *c)
{
    c->at++; /* ( */
    if (peek(c) == '?') {
        if (c->at + 1 >= c->pattern.n || c->pattern.p[c->at + 1] != ':')
            return fail(c, "of the groups that start with (? only (?: is supported");
        c->at += 2;
    }
    if (++c->depth > REGEX_DEPTH_MAX)
        return err_set(c->err, E_LIMIT, "regular expression: groups nest deeper than %d",
                       REGEX_DEPTH_MAX);
    if (parse_alternatives(c) != OK)
        return c->err->rc;
    c->depth--;
    if (peek(c) != ')')
        return fail(c, "the group is not closed");
    c->at++;
    return OK;
}

static enum rc parse_atom(struct compiler *c)
{
    uint32_t ch = 0;
    int class;

    switch (peek(c)) {
    case '(':
        return parse_group(c);
    case '[':
        return parse_class(c);
    case '.':
        c->at++;
        return emit_char(c, '\n', true);
    case '^':
        c->at++;
        return emit(c, (struct inst){.op = RE_BEGIN});
    case '$':
        c->at++;
        return emit(c, (struct inst){.op = RE_END});
    case '*':
    case '+':
    case '?':
        return fail(c, "there is nothing to repeat");
    case '\\':
        c->at++;
        if (escape(c, &class, &ch) != OK)
            return c->err->rc;
        return class ? emit_class(c, class) : emit_char(c, ch, false);
    default:
        c->at += rune(c->pattern, c->at, &ch);
        return emit_char(c, ch, false);
    }
}

static bool parse_count(struct compiler *c, size_t *at, unsigned *ret)
{
    const size_t start = *at;
    unsigned v = 0;

    while (*at < c->pattern.n && c->pattern.p[*at] >= '0' && c->pattern.p[*at] <= '9' && v < 100000)
        v = v * 10 + (unsigned)(c->pattern.p[(*at)++] - '0');
    *ret = v;
    return *at > start;
}

enum { UNBOUNDED = 1u << 20 };

/* {n}, {n,}, {n,m} at c->at; a brace that is none of these is a literal, as in RE2. */
static bool parse_braces(struct compiler *c, unsigned *ret_min, unsigned *ret_max)
{
    size_t at = c->at + 1;

    if (!parse_count(c, &at, ret_min))
        return false;
    *ret_max = *ret_min;
    if (at < c->pattern.n && c->pattern.p[at] == ',') {
        at++;
        if (!parse_count(c, &at, ret_max))
            *ret_max = UNBOUNDED;
    }
    if (at >= c->pattern.n || c->pattern.p[at] != '}')
        return false;
    c->at = at + 1;
    return true;
}

/* The block at `start` becomes optional (star: any number of times). */
static enum rc optional(struct compiler *c, size_t start, bool star)
{
    const int32_t n = (int32_t)(c->n - start);

    if (insert(c, start, (struct inst){.op = RE_SPLIT, .x = 1, .y = n + 1 + star}) != OK)
        return c->err->rc;
    return star ? emit(c, (struct inst){.op = RE_JUMP, .x = -(n + 1)}) : OK;
}

/* x{min,max} written out: min copies, then max - min optional ones or a star. */
static enum rc repeat(struct compiler *c, size_t start, unsigned min, unsigned max)
{
    struct inst block[REGEX_PROGRAM_MAX];
    const size_t n = c->n - start;

    memcpy(block, c->program + start, n * sizeof block[0]);
    c->n = start;
    for (unsigned i = 0; i < (max == UNBOUNDED ? min + 1 : max); i++) {
        const size_t at = c->n;
        if (room(c, n) != OK)
            return c->err->rc;
        memcpy(c->program + at, block, n * sizeof block[0]);
        c->n += n;
        if (i >= min && optional(c, at, max == UNBOUNDED) != OK)
            return c->err->rc;
    }
    return OK;
}

static enum rc parse_repeated(struct compiler *c)
{
    const size_t start = c->n;
    unsigned min, max;

    if (parse_atom(c) != OK)
        return c->err->rc;
    const int op = peek(c);
    if (op == '*' || op == '+' || op == '?') {
        c->at++;
        min = op == '+';
        max = op == '?' ? 1 : UNBOUNDED;
    } else if (op != '{' || !parse_braces(c, &min, &max)) {
        return OK;
    }
    if (min > REGEX_REPEAT_MAX || (max != UNBOUNDED && (max > REGEX_REPEAT_MAX || max < min)))
        return fail(c, "the repetition count is wrong (least first, at most 1000)");
    if (peek(c) == '?')
        c->at++; /* lazy: matches the same texts */
    if (peek(c) == '*' || peek(c) == '+' || peek(c) == '?')
        return fail(c, "a repetition of a repetition needs a group");
    return repeat(c, start, min, max);
}

static enum rc parse_alternatives(struct compiler *c)
{
    const size_t start = c->n;
    size_t jumps[REGEX_BYTES_MAX], n_jumps = 0;
    size_t branch = start;

    for (;;) {
        while (more(c) && peek(c) != '|' && peek(c) != ')')
            if (parse_repeated(c) != OK)
                return c->err->rc;
        if (peek(c) != '|')
            break;
        c->at++;
        /* SPLIT this branch | the next one; the branch ends in a jump that is aimed below */
        if (insert(c, branch, (struct inst){.op = RE_SPLIT, .x = 1}) != OK ||
            emit(c, (struct inst){.op = RE_JUMP}) != OK)
            return c->err->rc;
        c->program[branch].y = (int32_t)(c->n - branch);
        jumps[n_jumps++] = c->n - 1;
        branch = c->n;
    }
    for (size_t i = 0; i < n_jumps; i++)
        c->program[jumps[i]].x = (int32_t)(c->n - jumps[i]);
    return OK;
}

enum rc regex_compile(struct str pattern, struct regex **ret, struct err *err)
{
    if (pattern.n > REGEX_BYTES_MAX)
        return err_set(err, E_LIMIT, "regular expression of %zu bytes, at most %d are taken",
                       pattern.n, REGEX_BYTES_MAX);
    CLEANUP(mem_freep) struct compiler *c = mem_alloc(sizeof *c);
    if (!c)
        return err_set(err, E_NOMEM, "regular expression: no memory");
    c->pattern = pattern;
    c->err = err;
    if (parse_alternatives(c) != OK)
        return err->rc;
    if (more(c))
        return fail(c, "this parenthesis was never opened");
    if (emit(c, (struct inst){.op = RE_MATCH}) != OK)
        return err->rc;

    struct regex *re =
        mem_alloc(sizeof *re + c->n * sizeof re->program[0] + c->n_ranges * sizeof re->ranges[0]);
    if (!re)
        return err_set(err, E_NOMEM, "regular expression: no memory");
    re->n = c->n;
    re->n_ranges = c->n_ranges;
    re->ranges = (struct range *)(re->program + re->n);
    memcpy(re->program, c->program, c->n * sizeof re->program[0]);
    memcpy(re->ranges, c->ranges, c->n_ranges * sizeof re->ranges[0]);
    *ret = re;
    return OK;
}

void regex_free(struct regex *re)
{
    mem_free(re);
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
        const struct inst *i = &m->re->program[pc];
        size_t next[2];
        size_t n = 0;
        switch ((enum op)i->op) {
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

static bool takes(const struct regex *re, const struct inst *i, uint32_t ch)
{
    const struct range *r = re->ranges + i->x;
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
        at += rune(text, at, &ch);
        then->n = 0;
        step++;
        for (size_t k = 0; k < now->n; k++) {
            const size_t pc = now->pc[k];
            const struct inst *i = &re->program[pc];
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
