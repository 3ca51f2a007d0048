/* SPDX-License-Identifier: Apache-2.0 */
#include "tune/state.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { FIELDS = 6, IDENTITY_DIGITS = 16 };

struct reader {
    struct str left;
    const char *name;
    size_t line; /* of what read_line gave last, from 1 */
};

void state_format(const struct search *s, uint64_t identity, struct buf *out)
{
    size_t rows = 0;

    buf_printf(out, "tocsin tune 1\nsearch %016" PRIx64 "\n", identity);
    for (struct search_job j = {0}; j.rung <= search_rung(s); j.rung++)
        for (j.trial = 0; j.trial < search_trials(s); j.trial++)
            for (j.execution = 0; j.execution < search_each(s); j.execution++) {
                const struct search_result *r = search_at(s, &j);
                if (!r)
                    continue;
                buf_printf(out, "%" PRIu32 " %" PRIu32 " %" PRIu32 " ", j.rung, j.trial,
                           j.execution);
                buf_double(out, r->objective);
                buf_puts(out, " ");
                buf_double(out, r->held_out);
                buf_printf(out, " %" PRIu32 "\n", r->epochs);
                rows++;
            }
    buf_printf(out, "end %zu\n", rows);
}

/* The bytes up to the next `stop`, which is skipped; false when there is none. */
static bool cut(struct str *left, char stop, struct str *ret)
{
    const char *at = left->n ? memchr(left->p, stop, left->n) : NULL;

    if (!at)
        return false;
    *ret = (struct str){left->p, (size_t)(at - left->p)};
    left->n -= ret->n + 1;
    left->p = at + 1;
    return true;
}

static enum rc read_line(struct reader *r, struct str *ret, struct err *err)
{
    r->line++;
    if (!cut(&r->left, '\n', ret))
        return err_set(err, E_PARSE, "%s:%zu: expected a whole line: the file is cut short",
                       r->name, r->line);
    return OK;
}

static enum rc refuse(const struct reader *r, struct str line, const char *expected,
                      struct err *err)
{
    return err_set(err, E_PARSE, "%s:%zu: expected %s, found '%.*s'", r->name, r->line, expected,
                   (int)(line.n < 80 ? line.n : 80), line.p);
}

static bool to_identity(struct str s, uint64_t *ret)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t v = 0;

    if (s.n != IDENTITY_DIGITS)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        const char *at = memchr(digits, s.p[i], IDENTITY_DIGITS);
        if (!at)
            return false;
        v = v << 4 | (uint64_t)(at - digits);
    }
    *ret = v;
    return true;
}

static enum rc read_head(struct reader *r, uint64_t *ret_identity, struct err *err)
{
    static const struct str format = STR("tocsin tune "), search = STR("search ");
    struct str line;

    if (read_line(r, &line, err) != OK)
        return err->rc;
    if (!str_starts(line, format))
        return refuse(r, line, "'tocsin tune 1', the state of a search", err);
    if (!str_eq(line, STR("tocsin tune 1")))
        return err_set(err, E_STATE, "%s: is of another version of tocsin; remove it", r->name);
    if (read_line(r, &line, err) != OK)
        return err->rc;
    if (!str_starts(line, search) ||
        !to_identity((struct str){line.p + search.n, line.n - search.n}, ret_identity))
        return refuse(r, line, "'search' and 16 hexadecimal digits", err);
    return OK;
}

static bool to_u32(struct str s, uint32_t *ret)
{
    uint64_t v;

    if (!str_to_u64(s, &v) || v > UINT32_MAX)
        return false;
    *ret = (uint32_t)v;
    return true;
}

/* Not cut short by a field more or less, and every number one that a search can have. */
static bool to_row(struct str line, struct state_row *ret)
{
    struct str field[FIELDS];

    for (size_t i = 0; i + 1 < FIELDS; i++)
        if (!cut(&line, ' ', &field[i]))
            return false;
    field[FIELDS - 1] = line;
    return to_u32(field[0], &ret->job.rung) && to_u32(field[1], &ret->job.trial) &&
           to_u32(field[2], &ret->job.execution) && to_u32(field[5], &ret->result.epochs) &&
           str_to_double(field[3], &ret->result.objective) &&
           str_to_double(field[4], &ret->result.held_out) && !(ret->result.objective < 0) &&
           !(ret->result.objective > 1) && !isinf(ret->result.held_out);
}

static enum rc read_rows(struct reader *r, struct state_row *rows, size_t room, size_t *ret_n,
                         struct err *err)
{
    static const struct str end = STR("end ");
    struct str line;
    uint64_t told;
    size_t n = 0;

    for (;;) {
        if (read_line(r, &line, err) != OK)
            return err->rc;
        if (str_starts(line, end))
            break;
        if (n == room || !to_row(line, &rows[n]))
            return refuse(r, line, "rung, trial, execution, objective, error and epochs", err);
        n++;
    }
    if (!str_to_u64((struct str){line.p + end.n, line.n - end.n}, &told) || told != n)
        return refuse(r, line, "'end' and the number of lines before it", err);
    if (r->left.n > 0)
        return err_set(err, E_PARSE, "%s:%zu: expected nothing after 'end'", r->name, r->line + 1);
    *ret_n = n;
    return OK;
}

enum rc state_parse(struct str text, const char *name, uint64_t *ret_identity,
                    struct state_row **ret, size_t *ret_n, struct err *err)
{
    struct reader r = {.left = text, .name = name};
    uint64_t identity = 0;
    size_t lines = 0, n = 0;

    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    if (read_head(&r, &identity, err) != OK)
        return err->rc;
    CLEANUP(mem_freep) struct state_row *rows = mem_array(lines, sizeof *rows);
    if (!rows)
        return err_set(err, E_NOMEM, "%s: no memory for %zu lines", name, lines);
    if (read_rows(&r, rows, lines, &n, err) != OK)
        return err->rc;
    *ret_identity = identity;
    *ret_n = n;
    *ret = TAKE(rows);
    return OK;
}

enum rc state_restore(struct str text, const char *name, uint64_t identity, struct search *s,
                      struct err *err)
{
    CLEANUP(mem_freep) struct state_row *rows = NULL;
    uint64_t found = 0;
    size_t n = 0;

    if (state_parse(text, name, &found, &rows, &n, err) != OK)
        return err->rc;
    if (found != identity)
        return err_set(err, E_STATE,
                       "%s: is of another search (its data, options or version differ): remove it "
                       "or name another file",
                       name);
    for (size_t i = 0; i < n; i++)
        if (search_put(s, &rows[i].job, &rows[i].result, err) != OK)
            return err_wrap(err, "%s", name);
    return OK;
}
