/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "store/writer.h"

/* A process that cannot commit for long says few new things; this many is a fault. */
enum { SAID_MAX = 65536 };

static void said_done(struct said *said)
{
    for (size_t i = 0; i < said->n_texts; i++)
        mem_free(said->text[i]);
    *said = (struct said){0};
}

static enum rc run(struct store *s, const struct said *said, struct err *err)
{
    sqlite3_stmt *st;
    int at = 1, bad = 0;
    const enum rc rc = conn_statement(&s->c, said->st, &st, err);

    if (rc != OK)
        return rc;
    for (size_t i = 0; i < said->n_numbers; i++)
        bad |= sqlite3_bind_int64(st, at++, said->number[i]);
    for (size_t i = 0; i < said->n_texts; i++)
        bad |= sqlite3_bind_text(st, at++, said->text[i], -1, SQLITE_STATIC);
    if (bad)
        return conn_fail(&s->c, "bind", err);
    return conn_run(&s->c, st, "put", err);
}

static enum rc make_room(struct store *s, struct err *err)
{
    if (s->n_said < s->room_said)
        return OK;
    if (s->n_said >= SAID_MAX)
        return err_set(err, E_LIMIT, "store '%s': %d rows wait for a commit", s->c.path, SAID_MAX);
    const size_t room = s->room_said ? 2 * s->room_said : 8;
    struct said *p = mem_grow(s->said, room, sizeof *p);
    if (!p)
        return err_set(err, E_NOMEM, "store '%s': out of memory", s->c.path);
    s->said = p;
    s->room_said = room;
    return OK;
}

static bool is_same(const struct said *a, const struct said *b)
{
    if (a->st != b->st)
        return false;
    for (size_t i = 0; i < a->n_numbers; i++)
        if (a->number[i] != b->number[i])
            return false;
    for (size_t i = 0; i < a->n_texts; i++)
        if (strcmp(a->text[i], b->text[i]) != 0)
            return false;
    return true;
}

/* A row that is said again after each failed commit (a full disk, for hours) is kept once, and
 * last: the model put last is the newest. */
static void forget_same(struct store *s, const struct said *own)
{
    for (size_t i = 0; i < s->n_said; i++) {
        if (!is_same(&s->said[i], own))
            continue;
        said_done(&s->said[i]);
        s->n_said--;
        memmove(&s->said[i], &s->said[i + 1], (s->n_said - i) * sizeof *s->said);
        return;
    }
}

static enum rc put_and_remember(struct store *s, struct said *own, struct err *err)
{
    enum rc rc;

    if ((rc = store_ready(s, err)) != OK || (rc = make_room(s, err)) != OK ||
        (rc = run(s, own, err)) != OK)
        return rc;
    forget_same(s, own);
    s->said[s->n_said++] = *own;
    *own = (struct said){0};
    return OK;
}

enum rc said_put(struct store *s, struct said *said, struct err *err)
{
    CLEANUP(said_done) struct said own = *said;
    enum rc rc;

    *said = (struct said){0};
    if (s->begun)
        return put_and_remember(s, &own, err);
    if ((rc = store_begin(s, err)) != OK)
        return rc;
    if ((rc = put_and_remember(s, &own, err)) != OK) {
        store_rollback(s);
        return rc;
    }
    return store_commit(s, err);
}

enum rc said_again(struct store *s, struct err *err)
{
    if (!s->say_again)
        return OK;
    for (size_t i = 0; i < s->n_said; i++) {
        const enum rc rc = run(s, &s->said[i], err);
        if (rc != OK)
            return rc;
    }
    s->say_again = false;
    return OK;
}

void said_clear(struct store *s)
{
    for (size_t i = 0; i < s->n_said; i++)
        said_done(&s->said[i]);
    s->n_said = 0;
    s->say_again = false;
}

int64_t said_entity(const struct store *s, const char *instance)
{
    for (size_t i = 0; i < s->n_said; i++)
        if (s->said[i].st == ST_PUT_ENTITY && strcmp(s->said[i].text[0], instance) == 0)
            return s->said[i].number[0];
    return 0;
}
