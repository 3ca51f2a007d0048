/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "config/yaml.h"

static struct yaml *parsed(const char *text)
{
    struct yaml *y = NULL;
    struct err err = {0};

    if (yaml_parse(str_of(text), "f.yml", &y, &err) != OK)
        fail_msg("%s", err.msg);
    return y;
}

/* The text is refused, with exactly this sentence. */
static void refuse_bytes(struct str text, enum rc rc, const char *sentence)
{
    struct yaml *y = NULL;
    struct err err = {0};

    assert_int_equal(yaml_parse(text, "f.yml", &y, &err), rc);
    assert_string_equal(err.msg, sentence);
    assert_null(y);
}

static void refuse(const char *text, const char *sentence)
{
    refuse_bytes(str_of(text), E_CONFIG, sentence);
}

static const char *text_at(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *v = yaml_get(map, key);

    assert_non_null(v);
    assert_int_equal(v->kind, YAML_SCALAR);
    return v->scalar.p;
}

static void tree_has_every_value_with_its_position(void **state)
{
    (void)state;
    CLEANUP(yaml_freep)
    struct yaml *y = parsed("a: 1\n"
                            "list:\n"
                            "  - x\n"
                            "  - {k: v, q: \"15\"}\n"
                            "été:   là\n");
    const struct yaml_node *root = yaml_root(y);

    assert_int_equal(root->kind, YAML_MAP);
    assert_int_equal(root->n, 3);
    assert_string_equal(text_at(root, "a"), "1");
    const struct yaml_node *list = yaml_get(root, "list");
    assert_int_equal(list->kind, YAML_LIST);
    assert_int_equal(list->n, 2);
    assert_string_equal(list->values[0].scalar.p, "x");
    assert_int_equal(list->values[0].line, 3);
    assert_int_equal(list->values[0].column, 5);
    const struct yaml_node *q = yaml_get(&list->values[1], "q");
    assert_true(q->quoted);
    assert_int_equal(q->line, 4);
    assert_int_equal(q->column, 15);
    const struct yaml_node *last = yaml_get(root, "été");
    assert_string_equal(last->scalar.p, "là");
    assert_int_equal(last->column, 8); /* in characters, not bytes */
    assert_null(yaml_get(root, "b"));
    assert_null(yaml_get(list, "a")); /* a list has no keys */
}

static void empty_files_are_empty_maps(void **state)
{
    static const char *const texts[] = {"",           "\n\n", "# only a comment\n", "---\n",
                                        "---\n...\n", "~\n",  "\xef\xbb\xbf"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CLEANUP(yaml_freep) struct yaml *y = parsed(texts[i]);
        assert_int_equal(yaml_root(y)->kind, YAML_MAP);
        assert_int_equal(yaml_root(y)->n, 0);
    }
}

static void null_is_an_empty_scalar_unless_it_is_quoted(void **state)
{
    (void)state;
    CLEANUP(yaml_freep) struct yaml *y = parsed("a: ~\nb: null\nc:\nd: 'null'\ne: ''\n");
    const struct yaml_node *root = yaml_root(y);

    assert_string_equal(text_at(root, "a"), "");
    assert_string_equal(text_at(root, "b"), "");
    assert_string_equal(text_at(root, "c"), "");
    assert_string_equal(text_at(root, "d"), "null");
    assert_false(yaml_get(root, "c")->quoted);
    assert_true(yaml_get(root, "e")->quoted);
}

static void folded_and_literal_blocks_are_one_text(void **state)
{
    (void)state;
    CLEANUP(yaml_freep) struct yaml *y = parsed("a: >\n  one\n  two\nb: |\n  one\n  two\n");

    assert_string_equal(text_at(yaml_root(y), "a"), "one two\n");
    assert_string_equal(text_at(yaml_root(y), "b"), "one\ntwo\n");
}

static void byte_order_mark_does_not_move_columns(void **state)
{
    (void)state;
    CLEANUP(yaml_freep)
    struct yaml *y = parsed("\xef\xbb\xbf"
                            "key: v\n");

    assert_string_equal(text_at(yaml_root(y), "key"), "v");
    assert_int_equal(yaml_get(yaml_root(y), "key")->column, 6);
}

static void anchors_aliases_and_tags_are_refused(void **state)
{
    (void)state;
    refuse("a: &x [1]\nb: *x\n", "f.yml:1:4: anchors (&x) are not understood here");
    refuse("a: &x {}\n", "f.yml:1:4: anchors (&x) are not understood here");
    refuse("a: &x 1\n", "f.yml:1:4: anchors (&x) are not understood here");
    refuse("a: *x\n", "f.yml:1:4: aliases (*x) are not understood here");
    refuse("a: !!int 3\n", "f.yml:1:4: tags (tag:yaml.org,2002:int) are not understood here");
    refuse("a: !x [3]\n", "f.yml:1:4: tags (!x) are not understood here");
    refuse("a: !x {}\n", "f.yml:1:4: tags (!x) are not understood here");
    refuse("%TAG !e! tag:e,2000:\n---\na: 1\n",
           "f.yml:1:1: a YAML directive (a line that starts with '%') is not understood here");
}

static void second_document_is_refused(void **state)
{
    (void)state;
    refuse("a: 1\n---\nb: 2\n", "f.yml:2:1: a second document; expected one in a file");
    refuse("---\n---\n", "f.yml:2:1: a second document; expected one in a file");
}

static void duplicate_key_is_named_where_it_comes_again(void **state)
{
    (void)state;
    refuse("b: 1\na: 1\nc: {x: 1, y: 2, x: 3}\n",
           "f.yml:3:17: the key 'x' comes twice in this map");
    refuse("a: 1\nb: 1\nb: 1\na: 2\n", "f.yml:3:1: the key 'b' comes twice in this map");
}

static void keys_must_be_words(void **state)
{
    (void)state;
    refuse("[a, b]: 1\n", "f.yml:1:1: expected a key (one word) before ':'");
    refuse("a: 1\nnull: 2\n", "f.yml:2:1: expected a key (one word) before ':'");
    refuse("? {a: b}\n: 1\n", "f.yml:1:3: expected a key (one word) before ':'");
}

static void malformed_text_is_told_with_its_position(void **state)
{
    (void)state;
    refuse("a: 1\n\tb: 2\n", "f.yml:2:1: a tab here; YAML is indented with spaces");
    refuse("a: @x\n", "f.yml:1:4: a value cannot start with '@'; put it in quotes");
    refuse("a: [1, 2\n", "f.yml:2:1: not valid YAML: did not find expected ',' or ']' while "
                         "parsing a flow sequence (from line 1)");
    refuse("a: \"open\n", "f.yml:2:1: not valid YAML: found unexpected end of stream while "
                          "scanning a quoted scalar (from line 1)");
    refuse("a: b: c\n", "f.yml:1:5: not valid YAML: mapping values are not allowed in this "
                        "context");
    refuse("a: \"\\0\"\n", "f.yml:1:4: a NUL character inside a value");
    refuse("a: 1\nb: \x01\n", "f.yml:2:4: not valid YAML: control characters are not allowed");
}

static void bytes_that_are_not_utf8_are_refused(void **state)
{
    (void)state;
    refuse("a: 1\nb: \xc3(\n", "f.yml:2:4: byte 0xc3: expected UTF-8 text without NULs");
    refuse("a: \xed\xa0\x80\n", "f.yml:1:4: byte 0xed: expected UTF-8 text without NULs");
    refuse_bytes(STR("a: 1\0b"), E_CONFIG,
                 "f.yml:1:5: byte 0x00: expected UTF-8 text without NULs");
    refuse_bytes(STR("\xff\xfe"
                     "a\0:\0 \0b\0"),
                 E_CONFIG, "f.yml:1:1: the file is UTF-16; expected UTF-8");
    refuse_bytes(STR("\xfe\xff\0a"), E_CONFIG, "f.yml:1:1: the file is UTF-16; expected UTF-8");
    refuse_bytes(STR("a\0:\0 \0b\0"), E_CONFIG,
                 "f.yml:1:2: byte 0x00: expected UTF-8 text without NULs");
}

/* n copies of `unit` after `head` */
static char *repeated(const char *head, const char *unit, size_t n)
{
    const size_t h = strlen(head), u = strlen(unit);
    char *p = mem_alloc(h + n * u + 1);

    assert_non_null(p);
    memcpy(p, head, h);
    for (size_t i = 0; i < n; i++)
        memcpy(p + h + i * u, unit, u);
    return p;
}

static void limits_are_named(void **state)
{
    (void)state;
    CLEANUP(mem_freep) char *deep = repeated("a: ", "[", 500000);
    refuse_bytes(str_of(deep), E_LIMIT, "f.yml:1:19: more than 16 levels of maps and lists");
    CLEANUP(mem_freep) char *maps = repeated("", "- ", 400000);
    refuse_bytes(str_of(maps), E_LIMIT, "f.yml:1:33: more than 16 levels of maps and lists");
    CLEANUP(mem_freep) char *many = repeated("a: [", "1,", 400000);
    refuse_bytes(str_of(many), E_LIMIT, "f.yml:1:131071: more than 65536 values in one file");
    CLEANUP(mem_freep) char *huge = repeated("", "#", YAML_BYTES_MAX + 1);
    refuse_bytes(str_of(huge), E_LIMIT,
                 "f.yml:1:1: 1048577 bytes; a YAML file has at most 1048576");
}

static void as_many_levels_as_allowed_are_taken(void **state)
{
    (void)state;
    CLEANUP(yaml_freep) struct yaml *y = parsed("[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]");
    const struct yaml_node *node = yaml_root(y);

    for (int i = 1; i < YAML_DEPTH_MAX; i++)
        node = &node->values[0];
    assert_string_equal(node->scalar.p, "1");
}

static void many_keys_are_all_found(void **state)
{
    enum { N = 30000 };
    (void)state;
    CLEANUP(mem_freep) char *text = mem_alloc(N * 16);
    size_t at = 0;

    for (int i = 0; i < N; i++)
        at += (size_t)snprintf(text + at, 16, "k%d: %d\n", i, i);
    CLEANUP(yaml_freep) struct yaml *y = parsed(text);
    assert_int_equal(yaml_root(y)->n, N);
    assert_string_equal(text_at(yaml_root(y), "k29999"), "29999");
}

static void unknown_key_names_the_nearest(void **state)
{
    static const char *const known[] = {"interval", "instance", "procfs"};
    struct err err = {0};
    (void)state;
    CLEANUP(yaml_freep) struct yaml *y = parsed("interval: 1s\nintervall: 2s\n");

    assert_int_equal(yaml_expect_keys(y, yaml_root(y), "host", known, 3, &err), E_CONFIG);
    assert_string_equal(err.msg,
                        "f.yml:2:1: host has no key 'intervall'; did you mean 'interval'?");
    CLEANUP(yaml_freep) struct yaml *far = parsed("zebra: 2s\n");
    assert_int_equal(yaml_expect_keys(far, yaml_root(far), "host", known, 3, &err), E_CONFIG);
    assert_string_equal(err.msg,
                        "f.yml:1:1: host has no key 'zebra'; known: interval, instance, procfs");
    CLEANUP(yaml_freep) struct yaml *list = parsed("- 1\n");
    assert_int_equal(yaml_expect_keys(list, yaml_root(list), "host", known, 3, &err), E_CONFIG);
    assert_string_equal(err.msg, "f.yml:1:1: host: expected a map (key: value), found a list");
}

static void every_failed_allocation_is_told(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct yaml *y = NULL;
        struct err err = {0};

        mem_fail_at(n);
        const enum rc rc = yaml_parse(STR("a: [1, 2, {b: c}]\nd: e\n"), "f.yml", &y, &err);
        mem_fail_at(0);
        if (rc == OK) {
            yaml_free(y);
            assert_true(n > 10);
            return;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_null(y);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree_has_every_value_with_its_position),
        cmocka_unit_test(empty_files_are_empty_maps),
        cmocka_unit_test(null_is_an_empty_scalar_unless_it_is_quoted),
        cmocka_unit_test(folded_and_literal_blocks_are_one_text),
        cmocka_unit_test(byte_order_mark_does_not_move_columns),
        cmocka_unit_test(anchors_aliases_and_tags_are_refused),
        cmocka_unit_test(second_document_is_refused),
        cmocka_unit_test(duplicate_key_is_named_where_it_comes_again),
        cmocka_unit_test(keys_must_be_words),
        cmocka_unit_test(malformed_text_is_told_with_its_position),
        cmocka_unit_test(bytes_that_are_not_utf8_are_refused),
        cmocka_unit_test(limits_are_named),
        cmocka_unit_test(as_many_levels_as_allowed_are_taken),
        cmocka_unit_test(many_keys_are_all_found),
        cmocka_unit_test(unknown_key_names_the_nearest),
        cmocka_unit_test(every_failed_allocation_is_told),
    };
    return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
