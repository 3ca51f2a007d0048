/* SPDX-License-Identifier: Apache-2.0 */
#include "config/yaml.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/mem.h"

struct yaml {
    char *file;
    size_t n_nodes; /* so far, against YAML_NODES_MAX */
    struct yaml_node root;
};

/* A parse under way: libyaml's parser and the tree that it fills. */
struct build {
    struct yaml *y;
    struct str text;
    yaml_parser_t parser;
};

static void node_done(struct yaml_node *node) /* YAML_DEPTH_MAX deep */
{
    for (size_t i = 0; i < node->n; i++) {
        if (node->keys)
            node_done(&node->keys[i]);
        if (node->values)
            node_done(&node->values[i]);
    }
    mem_free(node->keys);
    mem_free(node->values);
    if (node->kind == YAML_SCALAR)
        mem_free((void *)(uintptr_t)node->scalar.p); /* const for everybody but its owner */
}

void yaml_free(struct yaml *y)
{
    if (!y)
        return;
    node_done(&y->root);
    mem_free(y->file);
    mem_free(y);
}

const struct yaml_node *yaml_root(const struct yaml *y)
{
    return &y->root;
}

const char *yaml_file(const struct yaml *y)
{
    return y->file;
}

const char *yaml_kind_name(const struct yaml_node *node)
{
    return node->kind == YAML_LIST ? "a list" : node->kind == YAML_MAP ? "a map" : "a single value";
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (str_eq(map->keys[i].scalar, str_of(key)))
            return &map->values[i];
    return NULL;
}

enum rc yaml_fail(const struct yaml *y, const struct yaml_node *at, struct err *err,
                  const char *fmt, ...)
{
    char sentence[ERR_MSG_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    return err_set(err, E_CONFIG, "%s:%u:%u: %s", y->file, at->line, at->column, sentence);
}

/* "a, b, c", as many as fit */
static void list_words(const char *const *words, size_t n, char *out, size_t size)
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        const size_t length = strlen(words[i]);
        if (length + 3 > size - at)
            return;
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", words[i]);
    }
}

enum rc yaml_expect_keys(const struct yaml *y, const struct yaml_node *at, const char *what,
                         const char *const *known, size_t n_known, struct err *err)
{
    if (at->kind != YAML_MAP)
        return yaml_fail(y, at, err, "%s: expected a map (key: value), found %s", what,
                         at->kind == YAML_LIST ? "a list" : "a single value");
    for (size_t i = 0; i < at->n; i++) {
        const struct str key = at->keys[i].scalar;
        size_t k = 0;

        while (k < n_known && !str_eq(key, str_of(known[k])))
            k++;
        if (k < n_known)
            continue;
        const int near = key.n <= 64 ? str_nearest(key, known, n_known) : -1;
        if (near >= 0)
            return yaml_fail(y, &at->keys[i], err, "%s has no key '%s'; did you mean '%s'?", what,
                             key.p, known[near]);
        char list[ERR_MSG_MAX / 2];
        list_words(known, n_known, list, sizeof list);
        return yaml_fail(y, &at->keys[i], err, "%s has no key '%.64s'; known: %s", what, key.p,
                         list);
    }
    return OK;
}

/* -- checks on the bytes, before libyaml sees them -- */

static size_t utf8_step(struct str s) /* bytes of the character at the start; 0 = not UTF-8 */
{
    for (size_t n = 1; n <= 4 && n <= s.n; n++)
        if (str_is_utf8((struct str){s.p, n}))
            return n;
    return 0;
}

/* Position of byte `offset`: lines and characters from 1, as editors count. */
static void position_of(struct str text, size_t offset, struct yaml_node *ret)
{
    size_t step;

    *ret = (struct yaml_node){.line = 1, .column = 1};
    for (size_t i = 0; i < offset && i < text.n; i += step) {
        step = utf8_step((struct str){text.p + i, text.n - i});
        if (step == 0)
            step = 1;
        ret->column++;
        if (text.p[i] == '\n') {
            ret->line++;
            ret->column = 1;
        }
    }
}

static enum rc check_bytes(const struct yaml *y, struct str text, struct err *err)
{
    struct yaml_node at = {.line = 1, .column = 1};
    size_t step;

    if (text.n > YAML_BYTES_MAX)
        return err_set(err, E_LIMIT, "%s:1:1: %zu bytes; a YAML file has at most %d", y->file,
                       text.n, YAML_BYTES_MAX);
    if (text.n >= 2 && (memcmp(text.p, "\xff\xfe", 2) == 0 || memcmp(text.p, "\xfe\xff", 2) == 0))
        return yaml_fail(y, &at, err, "the file is UTF-16; expected UTF-8");
    for (size_t i = 0; i < text.n; i += step) {
        const struct str rest = {text.p + i, text.n - i};

        step = utf8_step(rest);
        if (step == 0) {
            position_of(text, i, &at);
            return yaml_fail(y, &at, err, "byte 0x%02x: expected UTF-8 text without NULs",
                             (unsigned char)text.p[i]);
        }
        /* libyaml compares each %TAG with all before it, which is quadratic; none is needed */
        if (text.p[i] == '%' && (i == 0 || text.p[i - 1] == '\n' || text.p[i - 1] == '\r')) {
            position_of(text, i, &at);
            return yaml_fail(y, &at, err,
                             "a YAML directive (a line that starts with '%%') is not "
                             "understood here");
        }
    }
    return OK;
}

/* -- the tree -- */

static enum rc no_memory(const struct build *b, struct err *err)
{
    return err_set(err, E_NOMEM, "%s: no memory for the YAML tree", b->y->file);
}

static void set_position(struct yaml_node *node, const yaml_mark_t *mark)
{
    node->line = (uint32_t)mark->line + 1; /* at most YAML_BYTES_MAX */
    node->column = (uint32_t)mark->column + 1;
}

/* The byte that a mark (which counts characters) stands on, or '\0' at the end. */
static char byte_at(struct str text, const yaml_mark_t *mark)
{
    size_t i = 0;

    for (size_t c = 0; c < mark->index && i < text.n; c++)
        i += utf8_step((struct str){text.p + i, text.n - i});
    return i < text.n ? text.p[i] : '\0';
}

/* What libyaml did not like, with its position and in a sentence. */
static enum rc parser_error(struct build *b, struct err *err)
{
    const yaml_parser_t *p = &b->parser;
    struct yaml_node at;

    if (p->error == YAML_MEMORY_ERROR)
        return no_memory(b, err);
    if (p->error == YAML_READER_ERROR) {
        position_of(b->text, p->problem_offset, &at);
        return yaml_fail(b->y, &at, err, "not valid YAML: %s", p->problem);
    }
    set_position(&at, &p->problem_mark);
    const char c = byte_at(b->text, &p->problem_mark);
    if (c == '\t')
        return yaml_fail(b->y, &at, err, "a tab here; YAML is indented with spaces");
    if (c && strstr(p->problem, "cannot start any token"))
        return yaml_fail(b->y, &at, err, "a value cannot start with '%c'; put it in quotes", c);
    if (p->context && p->context_mark.line != p->problem_mark.line)
        return yaml_fail(b->y, &at, err, "not valid YAML: %s %s (from line %zu)", p->problem,
                         p->context, p->context_mark.line + 1);
    return yaml_fail(b->y, &at, err, "not valid YAML: %s", p->problem);
}

static enum rc next_event(struct build *b, yaml_event_t *ret, struct err *err)
{
    if (!yaml_parser_parse(&b->parser, ret))
        return parser_error(b, err);
    return OK;
}

/* Room for one more entry: arrays double at each power of two. */
static bool grow(struct yaml_node **array, size_t n)
{
    if (n & (n - 1))
        return true; /* not a power of two (nor 0): there is room */
    const size_t more = n ? 2 * n : 1;
    struct yaml_node *p = mem_grow(*array, more, sizeof *p);
    if (!p)
        return false;
    memset(p + n, 0, (more - n) * sizeof *p);
    *array = p;
    return true;
}

static bool is_null_word(struct str s)
{
    return str_eq(s, STR("~")) || str_eq(s, STR("null")) || str_eq(s, STR("Null")) ||
           str_eq(s, STR("NULL"));
}

/* Anchors and aliases can blow a kilobyte up to gigabytes; no configuration needs them. */
static enum rc refuse_marks(const struct build *b, const struct yaml_node *node,
                            const yaml_char_t *anchor, const yaml_char_t *tag, struct err *err)
{
    if (anchor)
        return yaml_fail(b->y, node, err, "anchors (&%.64s) are not understood here",
                         (const char *)anchor);
    if (tag)
        return yaml_fail(b->y, node, err, "tags (%.64s) are not understood here",
                         (const char *)tag);
    return OK;
}
static enum rc fill_scalar(struct build *b, const yaml_event_t *ev, struct yaml_node *node,
                           struct err *err)
{
    struct str s = {(const char *)ev->data.scalar.value, ev->data.scalar.length};

    if (refuse_marks(b, node, ev->data.scalar.anchor, ev->data.scalar.tag, err) != OK)
        return err->rc;
    if (s.n && memchr(s.p, '\0', s.n))
        return yaml_fail(b->y, node, err, "a NUL character inside a value");
    node->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (!node->quoted && is_null_word(s))
        s.n = 0;
    node->scalar.p = mem_strndup(s.p, s.n);
    if (!node->scalar.p)
        return no_memory(b, err);
    node->scalar.n = s.n;
    return OK;
}

static enum rc fill_node(struct build *b, const yaml_event_t *ev, unsigned depth,
                         struct yaml_node *node, struct err *err);

static enum rc fill_list(struct build *b, unsigned depth, struct yaml_node *node, struct err *err)
{
    for (;;) {
        CLEANUP(yaml_event_delete) yaml_event_t ev = {0};

        if (next_event(b, &ev, err) != OK)
            return err->rc;
        if (ev.type == YAML_SEQUENCE_END_EVENT)
            return OK;
        if (!grow(&node->values, node->n))
            return no_memory(b, err);
        if (fill_node(b, &ev, depth + 1, &node->values[node->n++], err) != OK)
            return err->rc;
    }
}

/* By text; among equal keys the one that comes first in the file. */
static int compare_keys(const void *a, const void *b)
{
    const struct yaml_node *x = *(const struct yaml_node *const *)a;
    const struct yaml_node *y = *(const struct yaml_node *const *)b;
    const int order = strcmp(x->scalar.p, y->scalar.p);

    return order ? order : (x > y) - (x < y);
}

/* By sorting: comparing all pairs would let a megabyte of keys cost minutes. */
static enum rc refuse_duplicates(const struct build *b, const struct yaml_node *map,
                                 struct err *err)
{
    const struct yaml_node *twice = NULL;

    if (map->n < 2)
        return OK;
    CLEANUP(mem_freep) const struct yaml_node **sorted = mem_array(map->n, sizeof(void *));
    if (!sorted)
        return no_memory(b, err);
    for (size_t i = 0; i < map->n; i++)
        sorted[i] = &map->keys[i];
    qsort(sorted, map->n, sizeof(void *), compare_keys);
    for (size_t i = 1; i < map->n; i++)
        if (str_eq(sorted[i - 1]->scalar, sorted[i]->scalar) && (!twice || sorted[i] < twice))
            twice = sorted[i];
    if (!twice)
        return OK;
    return yaml_fail(b->y, twice, err, "the key '%.64s' comes twice in this map", twice->scalar.p);
}

static enum rc fill_map(struct build *b, unsigned depth, struct yaml_node *node, struct err *err)
{
    for (;;) {
        CLEANUP(yaml_event_delete) yaml_event_t key = {0};
        CLEANUP(yaml_event_delete) yaml_event_t value = {0};

        if (next_event(b, &key, err) != OK)
            return err->rc;
        if (key.type == YAML_MAPPING_END_EVENT)
            return refuse_duplicates(b, node, err);
        if (!grow(&node->keys, node->n) || !grow(&node->values, node->n))
            return no_memory(b, err);
        struct yaml_node *k = &node->keys[node->n], *v = &node->values[node->n];
        node->n++; /* counted before they are whole, so that node_done finds them */
        if (fill_node(b, &key, depth + 1, k, err) != OK)
            return err->rc;
        if (k->kind != YAML_SCALAR || (k->scalar.n == 0 && !k->quoted))
            return yaml_fail(b->y, k, err, "expected a key (one word) before ':'");
        if (next_event(b, &value, err) != OK || fill_node(b, &value, depth + 1, v, err) != OK)
            return err->rc;
    }
}

static enum rc fill_node(struct build *b, const yaml_event_t *ev, unsigned depth,
                         struct yaml_node *node, struct err *err)
{
    set_position(node, &ev->start_mark);
    if (depth > YAML_DEPTH_MAX)
        return err_set(err, E_LIMIT, "%s:%u:%u: more than %d levels of maps and lists", b->y->file,
                       node->line, node->column, YAML_DEPTH_MAX);
    if (++b->y->n_nodes > YAML_NODES_MAX)
        return err_set(err, E_LIMIT, "%s:%u:%u: more than %d values in one file", b->y->file,
                       node->line, node->column, YAML_NODES_MAX);
    if (ev->type == YAML_SCALAR_EVENT)
        return fill_scalar(b, ev, node, err);
    if (ev->type == YAML_MAPPING_START_EVENT) {
        node->kind = YAML_MAP;
        if (refuse_marks(b, node, ev->data.mapping_start.anchor, ev->data.mapping_start.tag, err) !=
            OK)
            return err->rc;
        return fill_map(b, depth, node, err);
    }
    if (ev->type == YAML_SEQUENCE_START_EVENT) {
        node->kind = YAML_LIST;
        if (refuse_marks(b, node, ev->data.sequence_start.anchor, ev->data.sequence_start.tag,
                         err) != OK)
            return err->rc;
        return fill_list(b, depth, node, err);
    }
    assert(ev->type == YAML_ALIAS_EVENT); /* nothing else stands where a value is expected */
    return yaml_fail(b->y, node, err, "aliases (*%.64s) are not understood here",
                     (const char *)ev->data.alias.anchor);
}

/* stream start, document start, the root, document end, stream end */
static enum rc fill_tree(struct build *b, struct err *err)
{
    struct yaml_node *root = &b->y->root;

    root->line = root->column = 1;
    root->kind = YAML_MAP; /* what an empty file is */
    for (unsigned documents = 0;;) {
        CLEANUP(yaml_event_delete) yaml_event_t ev = {0};

        if (next_event(b, &ev, err) != OK)
            return err->rc;
        if (ev.type == YAML_STREAM_END_EVENT)
            return OK;
        if (ev.type == YAML_STREAM_START_EVENT || ev.type == YAML_DOCUMENT_END_EVENT)
            continue;
        if (ev.type == YAML_DOCUMENT_START_EVENT) {
            struct yaml_node at;

            set_position(&at, &ev.start_mark);
            if (++documents > 1)
                return yaml_fail(b->y, &at, err, "a second document; expected one in a file");
            continue;
        }
        root->kind = YAML_SCALAR; /* until it turns out to be more */
        if (fill_node(b, &ev, 1, root, err) != OK)
            return err->rc;
    }
}

static void build_done(struct build *b)
{
    yaml_parser_delete(&b->parser);
}

enum rc yaml_parse(struct str text, const char *file, struct yaml **ret, struct err *err)
{
    CLEANUP(yaml_freep) struct yaml *y = mem_alloc(sizeof *y);
    if (!y || !(y->file = mem_strndup(file, strlen(file))))
        return err_set(err, E_NOMEM, "%s: no memory for the YAML tree", file);
    if (check_bytes(y, text, err) != OK)
        return err->rc;
    if (str_starts(text, STR("\xef\xbb\xbf"))) { /* a byte order mark says nothing in UTF-8 */
        text.p += 3;
        text.n -= 3;
    }

    CLEANUP(build_done) struct build b = {.y = y, .text = text};
    if (!yaml_parser_initialize(&b.parser))
        return no_memory(&b, err);
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text.p, text.n);
    if (fill_tree(&b, err) != OK)
        return err->rc;
    if (y->root.kind == YAML_SCALAR && y->root.scalar.n == 0 && !y->root.quoted) {
        mem_free((void *)(uintptr_t)y->root.scalar.p); /* "---" alone: nothing said */
        y->root = (struct yaml_node){.kind = YAML_MAP, .line = 1, .column = 1};
    }
    *ret = TAKE(y);
    return OK;
}
