/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "source/file_sd.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* "db1:9100 db2:9100 rack=3; ..." */
static char *text_of(const struct file_sd_list *l)
{
    struct buf b;

    buf_init(&b, 1 << 16);
    buf_puts(&b, "");
    for (size_t i = 0; i < l->n; i++) {
        for (size_t j = 0; j < l->v[i].targets.n; j++)
            buf_printf(&b, "%s ", l->v[i].targets.v[j]);
        for (size_t j = 0; j < l->v[i].n_labels; j++)
            buf_printf(&b, "%s=%s ", l->v[i].labels[j].name, l->v[i].labels[j].value);
        buf_puts(&b, ";");
    }
    return buf_take(&b);
}

static void json_and_yaml_name_targets_and_labels(void **state)
{
    (void)state;
    static const struct {
        const char *file, *content, *expected;
    } row[] = {
        {"t.json", "[]", ""},
        {"t.json", "[{\"targets\": [\"a:1\", \"b\"], \"labels\": {\"x\": \"1\", \"y\": \"\"}}, {}]",
         "a:1 b x=1 y= ;;"},
        {"T.JSON", "[{\"targets\": null, \"labels\": null}]", ";"},
        {"t.yml", "", ""},
        {"t.yml", "[]", ""},
        {"t.yaml", "- targets: [a:1, 'b']\n  labels: {x: 1, y: ''}\n- targets:\n",
         "a:1 b x=1 y= ;;"},
        {"t.yml", "[{\"targets\": [\"a:1\"]}]", "a:1 ;"},
    };

    for (size_t i = 0; i < COUNT(row); i++) {
        struct file_sd_list l;
        struct err err;
        if (file_sd_parse(str_of(row[i].content), row[i].file, &l, &err) != OK)
            fail_msg("%s: %s", row[i].content, err.msg);
        char *found = text_of(&l);
        assert_string_equal(found, row[i].expected);
        mem_free(found);
        file_sd_list_done(&l);
    }
}

static void a_broken_file_is_refused_with_a_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *file, *content, *message;
    } row[] = {
        {"t.json", "{}", "t.json: expected a list of groups"},
        {"t.json", "[1]", "t.json: group 1: expected {\"targets\": [...]}"},
        {"t.json", "[{}, {\"target\": []}]",
         "t.json: group 2 has no key 'target'; known: targets, labels"},
        {"t.json", "[{\"targets\": [1]}]", "t.json: group 1: expected texts as targets"},
        {"t.json", "[{\"targets\": \"a:1\"}]",
         "t.json: group 1: expected a list of targets, a map of labels"},
        {"t.json", "[{\"labels\": {\"x\": 1}}]", "t.json: group 1: label 'x': expected a text"},
        {"t.json", "[{\"labels\": {\"1x\": \"1\"}}]",
         "t.json: group 1: '1x' cannot be the name of a label"},
        {"t.yml", "targets: [a]", "t.yml:1:1: expected a list of groups (- targets: [...])"},
        {"t.yml", "- target: [a]\n",
         "t.yml:1:3: a group of targets has no key 'target'; did you mean 'targets'?"},
        {"t.yml", "- targets: a\n", "t.yml:1:12: targets: expected a list"},
        {"t.yml", "- targets: [[a]]\n", "t.yml:1:13: expected a text as target"},
        {"t.yml", "- labels: {x-y: 1}\n", "t.yml:1:12: 'x-y' cannot be the name of a label"},
        {"t.yml", "-\n",
         "t.yml:1:2: a group of targets: expected a map (key: value), found a "
         "single value"},
    };

    for (size_t i = 0; i < COUNT(row); i++) {
        struct file_sd_list l;
        struct err err;
        if (file_sd_parse(str_of(row[i].content), row[i].file, &l, &err) == OK)
            fail_msg("'%s' was taken", row[i].content);
        assert_string_equal(err.msg, row[i].message);
    }
    struct file_sd_list l;
    struct err err;
    assert_int_equal(file_sd_parse(STR("[{\"targets\": ["), "t.json", &l, &err), E_PARSE);
    assert_true(strncmp(err.msg, "t.json:1:", 9) == 0);
}

static void patterns_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        bool fine;
    } row[] = {{"/etc/t.json", true}, {"t*.yml", true}, {"/a/*.yaml", true}, {"/a/t.txt", false},
               {"/a*/t.yml", false},  {".json", false}, {"t.YAML", true},    {"", false}};

    for (size_t i = 0; i < COUNT(row); i++) {
        char pattern[32], *v[] = {pattern};
        const struct text_list list = {1, v};
        struct file_sd *s = NULL;
        struct err err;
        (void)snprintf(pattern, sizeof pattern, "%s", row[i].pattern);
        assert_int_equal(file_sd_open(&list, &s, &err) == OK, row[i].fine);
        file_sd_close(s);
    }
}

/* -- files that change -- */

struct folder {
    char path[64];
    unsigned said;
    char last[ERR_MSG_MAX];
    struct file_sd *s;
};

static void on_say(void *arg, const char *sentence)
{
    struct folder *f = arg;

    f->said++;
    (void)snprintf(f->last, sizeof f->last, "%s", sentence);
}

static void put(const struct folder *f, const char *name, const char *content)
{
    char path[128];
    struct err err;

    (void)snprintf(path, sizeof path, "%s/%s", f->path, name);
    assert_int_equal(file_write(path, content, strlen(content), &err), OK);
}

static void take(const struct folder *f, const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", f->path, name);
    assert_int_equal(unlink(path), 0);
}

static void expect_targets(struct folder *f, bool changed, const char *expected)
{
    struct buf b;

    assert_int_equal(file_sd_poll(f->s, on_say, f), changed);
    buf_init(&b, 1 << 16);
    buf_puts(&b, "");
    for (size_t i = 0; i < file_sd_files(f->s); i++) {
        char *text = text_of(file_sd_at(f->s, i));
        buf_puts(&b, text);
        mem_free(text);
    }
    assert_string_equal(b.p, expected);
    buf_done(&b);
}

static void files_are_read_again_when_they_change(void **state)
{
    (void)state;
    struct folder f = {.path = "/tmp/test_file_sd_XXXXXX"};
    char first[96], second[96], *v[] = {first, second};
    const struct text_list patterns = {2, v};
    struct err err;

    assert_non_null(mkdtemp(f.path));
    (void)snprintf(first, sizeof first, "%s/*.yml", f.path);
    (void)snprintf(second, sizeof second, "%s/one.json", f.path);
    assert_int_equal(file_sd_open(&patterns, &f.s, &err), OK);
    expect_targets(&f, false, "");
    put(&f, "b.yml", "- targets: [b]\n");
    put(&f, "a.yml", "- targets: [a]\n");
    put(&f, ".hidden.yml", "- targets: [h]\n");
    put(&f, "one.json", "[{\"targets\": [\"c\"]}]");
    put(&f, "two.json", "[{\"targets\": [\"d\"]}]");
    expect_targets(&f, true, "a ;b ;c ;");
    expect_targets(&f, false, "a ;b ;c ;");
    put(&f, "a.yml", "- targets: [a, a2]\n");
    expect_targets(&f, true, "a a2 ;b ;c ;");
    assert_int_equal(f.said, 0);

    put(&f, "a.yml", "- targets: [broken\n");
    expect_targets(&f, false, "a a2 ;b ;c ;");
    expect_targets(&f, false, "a a2 ;b ;c ;");
    assert_int_equal(f.said, 1); /* once for what is the same */
    assert_true(strncmp(f.last, "file_sd: the targets stay as they were: /tmp/", 45) == 0);
    put(&f, "a.yml", "- targets: [a3]\n");
    expect_targets(&f, true, "a3 ;b ;c ;");
    take(&f, "b.yml");
    expect_targets(&f, true, "a3 ;c ;");
    assert_int_equal(f.said, 1);

    file_sd_close(f.s);
    take(&f, "a.yml");
    take(&f, "one.json");
    take(&f, "two.json");
    take(&f, ".hidden.yml");
    assert_int_equal(rmdir(f.path), 0);
}

/* What a careful copy leaves: as many bytes, the old time. And a pipe is not waited for. */
static void a_change_shows_by_no_date_and_a_pipe_is_no_file(void **state)
{
    (void)state;
    struct folder f = {.path = "/tmp/test_file_sd_XXXXXX"};
    char path[96], pattern[96], *v[] = {pattern};
    const struct text_list patterns = {1, v};
    const struct timespec old[2] = {{1, 0}, {1, 0}};
    struct err err;

    assert_non_null(mkdtemp(f.path));
    (void)snprintf(pattern, sizeof pattern, "%s/*.yml", f.path);
    (void)snprintf(path, sizeof path, "%s/a.yml", f.path);
    assert_int_equal(file_sd_open(&patterns, &f.s, &err), OK);
    put(&f, "a.yml", "- targets: [a]\n");
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    expect_targets(&f, true, "a ;");
    FILE *in_place = fopen(path, "r+");
    assert_non_null(in_place);
    assert_true(fputs("- targets: [b]\n", in_place) >= 0);
    assert_int_equal(fclose(in_place), 0);
    (void)usleep(20000); /* clocks of file systems tick in ms */
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    expect_targets(&f, true, "b ;");
    take(&f, "a.yml");
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_targets(&f, false, "b ;");
    expect_targets(&f, false, "b ;");
    assert_int_equal(f.said, 1);
    assert_non_null(strstr(f.last, "a.yml': expected a file"));
    file_sd_close(f.s);
    take(&f, "a.yml");
    assert_int_equal(rmdir(f.path), 0);
}

static void a_failed_allocation_is_an_error_and_no_leak(void **state)
{
    (void)state;
    static const char *const files[] = {"t.yml", "t.json"};
    static const char *const contents[] = {"- targets: [a, b]\n  labels: {x: 1}\n",
                                           "[{\"targets\": [\"a\"], \"labels\": {\"x\": \"1\"}}]"};

    for (size_t i = 0; i < 2; i++) {
        enum rc rc = E_NOMEM;
        for (uint64_t n = 1; rc != OK; n++) {
            struct file_sd_list l = {0};
            struct err err;
            mem_fail_at(n);
            rc = file_sd_parse(str_of(contents[i]), files[i], &l, &err);
            mem_fail_at(0);
            assert_true(rc == OK || rc == E_NOMEM);
            file_sd_list_done(&l);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_and_yaml_name_targets_and_labels),
        cmocka_unit_test(a_broken_file_is_refused_with_a_sentence),
        cmocka_unit_test(patterns_are_checked),
        cmocka_unit_test(files_are_read_again_when_they_change),
        cmocka_unit_test(a_change_shows_by_no_date_and_a_pipe_is_no_file),
        cmocka_unit_test(a_failed_allocation_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
