/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/regex.h"

#include "base/mem.h"
#include "feature/regex_program.h"

enum { RANGES_MAX = REGEX_BYTES_MAX * 4, CODE_POINT_MAX = 0x10ffff };

struct compiler {
    struct str pattern;
    size_t at;
    size_t n, n_ranges;
    unsigned depth;
    unsigned times; /* how often the last part read may repeat by counts: nested ones multiply */
    struct regex_inst program[REGEX_PROGRAM_MAX];
    struct regex_range ranges[RANGES_MAX];
    struct err *err;
};

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

static enum rc emit(struct compiler *c, struct regex_inst i)
{
    if (room(c, 1) != OK)
        return c->err->rc;
    c->program[c->n++] = i;
    return OK;
}

/* Put i in front of the block that starts at `start`. */
static enum rc insert(struct compiler *c, size_t start, struct regex_inst i)
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
    c->ranges[c->n_ranges++] = (struct regex_range){low, high};
    return OK;
}

/* The ranges of \d \w \s (ASCII, as in RE2), or of their complement. */
static enum rc add_class(struct compiler *c, int letter)
{
    static const struct regex_range digit[] = {{'0', '9'}};
    static const struct regex_range word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    static const struct regex_range space[] = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
    const int lower = letter | 0x20;
    const struct regex_range *r = lower == 'd' ? digit : lower == 'w' ? word : space;
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
    c->at += regex_rune(c->pattern, c->at, ret);
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
    struct regex_inst i = {.op = RE_RANGES, .x = (int32_t)c->n_ranges};

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
    struct regex_inst i = {.op = RE_RANGES, .x = (int32_t)c->n_ranges};

    if (add_class(c, letter) != OK)
        return c->err->rc;
    i.n = (uint16_t)(c->n_ranges - (size_t)i.x);
    return emit(c, i);
}

static enum rc emit_char(struct compiler *c, uint32_t ch, bool negated)
{
    const struct regex_inst i = {
        .op = RE_RANGES, .negated = negated, .n = 1, .x = (int32_t)c->n_ranges};

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

/* A number without leading zeros at *at; what is over the limit only counts as that. */
static bool parse_count(const struct compiler *c, size_t *at, unsigned *ret)
{
    const char *p = c->pattern.p;
    const size_t start = *at;
    unsigned v = 0;

    for (; *at < c->pattern.n && p[*at] >= '0' && p[*at] <= '9'; ++*at)
        if (v <= REGEX_REPEAT_MAX)
            v = v * 10 + (unsigned)(p[*at] - '0');
    *ret = v;
    return *at == start + 1 || (*at > start && p[start] != '0');
}

enum { UNBOUNDED = 1u << 20 };

struct repetition {
    unsigned min, max;
    bool counted; /* by braces */
    size_t end;   /* of its text */
};

/* {n}, {n,}, {n,m} at c->at; a brace that is none of these is a literal, as in RE2. */
static bool find_braces(const struct compiler *c, struct repetition *ret)
{
    size_t at = c->at + 1;

    if (!parse_count(c, &at, &ret->min))
        return false;
    ret->max = ret->min;
    if (at < c->pattern.n && c->pattern.p[at] == ',') {
        at++;
        if (at < c->pattern.n && c->pattern.p[at] == '}')
            ret->max = UNBOUNDED;
        else if (!parse_count(c, &at, &ret->max))
            return false;
    }
    if (at >= c->pattern.n || c->pattern.p[at] != '}')
        return false;
    ret->counted = true;
    ret->end = at + 1;
    return true;
}

/* A repetition operator at c->at; false where there is none. */
static bool find_repetition(const struct compiler *c, struct repetition *ret)
{
    const int op = peek(c);

    if (op == '{')
        return find_braces(c, ret);
    *ret = (struct repetition){op == '+', op == '?' ? 1 : UNBOUNDED, false, c->at + 1};
    return op == '*' || op == '+' || op == '?';
}

static enum rc parse_atom(struct compiler *c)
{
    struct repetition nothing;
    uint32_t ch = 0;
    int class;

    c->times = 1;
    if (find_repetition(c, &nothing))
        return fail(c, "there is nothing to repeat");
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
        return emit(c, (struct regex_inst){.op = RE_BEGIN});
    case '$':
        c->at++;
        return emit(c, (struct regex_inst){.op = RE_END});
    case '\\':
        c->at++;
        if (escape(c, &class, &ch) != OK)
            return c->err->rc;
        return class ? emit_class(c, class) : emit_char(c, ch, false);
    default:
        c->at += regex_rune(c->pattern, c->at, &ch);
        return emit_char(c, ch, false);
    }
}

/* The block at `start` becomes optional (star: any number of times). */
static enum rc optional(struct compiler *c, size_t start, bool star)
{
    const int32_t n = (int32_t)(c->n - start);

    if (insert(c, start, (struct regex_inst){.op = RE_SPLIT, .x = 1, .y = n + 1 + star}) != OK)
        return c->err->rc;
    return star ? emit(c, (struct regex_inst){.op = RE_JUMP, .x = -(n + 1)}) : OK;
}

/* x{min,max} written out: min copies, then max - min optional ones or a star. */
static enum rc repeat(struct compiler *c, size_t start, unsigned min, unsigned max)
{
    struct regex_inst block[REGEX_PROGRAM_MAX];
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

/* RE2's rule: counts of repetitions inside each other, multiplied, stay under the limit too. */
static bool too_often(struct compiler *c, const struct repetition *r)
{
    const unsigned most = r->max == UNBOUNDED ? r->min : r->max;

    if (r->min > REGEX_REPEAT_MAX || most > REGEX_REPEAT_MAX)
        return true;
    if (r->max == 0)
        c->times = 1; /* nothing is left of it */
    else if (r->counted && most > 1)
        c->times *= most;
    return c->times > REGEX_REPEAT_MAX;
}

static enum rc parse_repeated(struct compiler *c)
{
    const size_t start = c->n;
    struct repetition r, more_of_it;

    if (parse_atom(c) != OK)
        return c->err->rc;
    if (!find_repetition(c, &r))
        return OK;
    c->at = r.end;
    if (r.max < r.min || too_often(c, &r))
        return fail(c, "the repetition count is wrong (least first, at most 1000, and so the "
                       "product of those inside each other)");
    if (peek(c) == '?')
        c->at++; /* lazy: matches the same texts */
    if (find_repetition(c, &more_of_it))
        return fail(c, "a repetition of a repetition needs a group");
    return repeat(c, start, r.min, r.max);
}

static enum rc parse_alternatives(struct compiler *c)
{
    const size_t start = c->n;
    size_t jumps[REGEX_BYTES_MAX], n_jumps = 0;
    size_t branch = start;
    unsigned times = 1;

    for (;;) {
        while (more(c) && peek(c) != '|' && peek(c) != ')') {
            if (parse_repeated(c) != OK)
                return c->err->rc;
            times = c->times > times ? c->times : times;
        }
        if (peek(c) != '|')
            break;
        c->at++;
        /* SPLIT this branch | the next one; the branch ends in a jump that is aimed below */
        if (insert(c, branch, (struct regex_inst){.op = RE_SPLIT, .x = 1}) != OK ||
            emit(c, (struct regex_inst){.op = RE_JUMP}) != OK)
            return c->err->rc;
        c->program[branch].y = (int32_t)(c->n - branch);
        jumps[n_jumps++] = c->n - 1;
        branch = c->n;
    }
    for (size_t i = 0; i < n_jumps; i++)
        c->program[jumps[i]].x = (int32_t)(c->n - jumps[i]);
    c->times = times;
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
    if (emit(c, (struct regex_inst){.op = RE_MATCH}) != OK)
        return err->rc;

    struct regex *re =
        mem_alloc(sizeof *re + c->n * sizeof re->program[0] + c->n_ranges * sizeof re->ranges[0]);
    if (!re)
        return err_set(err, E_NOMEM, "regular expression: no memory");
    re->n = c->n;
    re->n_ranges = c->n_ranges;
    re->ranges = (struct regex_range *)(re->program + re->n);
    memcpy(re->program, c->program, c->n * sizeof re->program[0]);
    memcpy(re->ranges, c->ranges, c->n_ranges * sizeof re->ranges[0]);
    *ret = re;
    return OK;
}

void regex_free(struct regex *re)
{
    mem_free(re);
}
