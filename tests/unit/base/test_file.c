/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../test.h"
#include "base/cleanup.h"
#include "base/mem.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/tocsin-file-XXXXXX");
    return mkdtemp(folder) ? chdir(folder) : -1;
}

static int remove_folder(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    return chdir("/") || system(command);
}

static size_t files_in(const char *path)
{
    DIR *d = opendir(path);
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2; /* . and .. */
}

static void check_content(const char *path, const char *want)
{
    CLEANUP(mem_freep) char *p = NULL;
    struct err err;
    size_t n;

    assert_int_equal(file_read(path, 1 << 20, &p, &n, &err), OK);
    assert_int_equal(n, strlen(want));
    assert_string_equal(p, want);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct err err;
    static const size_t sizes[] = {0, 1, 4094, 4095, 4096, 4097, 8192, 100000};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CLEANUP(mem_freep) char *bytes = mem_alloc(sizes[i] + 1), *p = NULL;
        size_t n;
        memset(bytes, (int)('a' + i), sizes[i]);
        assert_int_equal(file_write("round", bytes, sizes[i], &err), OK);
        assert_int_equal(file_read("round", sizes[i], &p, &n, &err), OK);
        assert_int_equal(n, sizes[i]);
        assert_memory_equal(p, bytes, n + 1);
    }
}

static void reading_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct err err;
    char *p = NULL;
    size_t n;

    assert_int_equal(file_write("ten", "0123456789", 10, &err), OK);
    assert_int_equal(file_read("ten", 9, &p, &n, &err), E_LIMIT);
    assert_string_equal(err.msg, "'ten': more than 9 bytes");
    assert_null(p);
    assert_int_equal(file_read("/dev/zero", 1 << 20, &p, &n, &err), E_LIMIT); /* ends, too */
    assert_int_equal(file_read("ten", SIZE_MAX, &p, &n, &err), OK);
    mem_free(p);
}

static void files_without_a_size_are_read(void **state)
{
    (void)state;
    CLEANUP(mem_freep) char *p = NULL;
    struct err err;
    size_t n;

    assert_int_equal(file_read("/proc/self/stat", 4096, &p, &n, &err), OK);
    assert_true(n > 10);
    assert_int_equal(p[n], '\0');
}

static void reading_what_is_not_there_or_a_folder_says_so(void **state)
{
    (void)state;
    struct err err;
    char *p = NULL;
    size_t n;

    assert_int_equal(file_read("none", 10, &p, &n, &err), E_IO);
    assert_string_equal(err.msg, "'none': open: No such file or directory");
    assert_int_equal(file_read(".", 10, &p, &n, &err), E_IO);
    assert_string_equal(err.msg, "'.': read: Is a directory");
}

static void reading_without_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    struct err err;
    char *p = NULL;
    size_t n;

    for (uint64_t at = 1; at <= 2; at++) {
        mem_fail_at(at);
        assert_int_equal(file_read("/dev/zero", 1 << 20, &p, &n, &err), E_NOMEM);
        assert_null(p);
    }
    mem_fail_at(0);
}

static void new_file_has_the_promised_mode(void **state)
{
    (void)state;
    struct err err;
    struct stat st;
    const mode_t old = umask(027);

    assert_int_equal(file_write("mode", "x", 1, &err), OK);
    (void)umask(old);
    assert_int_equal(stat("mode", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

/* A reader that opened the file before the write must go on seeing all of the old one. */
static void write_replaces_and_does_not_overwrite(void **state)
{
    (void)state;
    struct err err;
    char old[8] = "";

    assert_int_equal(file_write("swap", "old", 3, &err), OK);
    const size_t files = files_in(".");
    const int fd = open("swap", O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(file_write("swap", "new and longer", 14, &err), OK);
    assert_int_equal(read(fd, old, sizeof old), 3);
    assert_string_equal(old, "old");
    close(fd);
    check_content("swap", "new and longer");
    assert_int_equal(files_in("."), files);
}

static void failed_write_leaves_the_old_file_and_no_other(void **state)
{
    (void)state;
    struct err err;
    struct rlimit was, tight;
    static const char big[65536];

    assert_int_equal(mkdir("full", 0700), 0);
    assert_int_equal(file_write("full/f", "old", 3, &err), OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    tight = was;
    tight.rlim_cur = 4096; /* stands in for a full disk: the write comes up short, then fails */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(file_write("full/f", big, sizeof big, &err), E_IO);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_string_equal(err.msg, "'full/f': write: File too large");
    check_content("full/f", "old");
    assert_int_equal(files_in("full"), 1);
}

static void writing_where_it_cannot_be_says_so(void **state)
{
    (void)state;
    struct err err;
    char longer[5000];

    assert_int_equal(file_write("no/such/folder", "x", 1, &err), E_IO);
    assert_string_equal(err.msg,
                        "'no/such/folder': create a temporary file beside it: No such file "
                        "or directory");
    assert_int_equal(file_write(".", "x", 1, &err), E_IO);
    assert_string_equal(err.msg, "'.': is a directory");
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(file_write(longer, "x", 1, &err), E_IO);
}

static void what_can_be_written_is_known_before(void **state)
{
    (void)state;
    struct err err;
    struct stat st;

    assert_int_equal(file_expect_writable("later", &err), OK);
    assert_int_equal(stat("later", &st), -1); /* nothing is made */
    assert_int_equal(file_expect_writable("/dev/null", &err), OK);
    assert_int_equal(file_expect_writable(".", &err), E_IO);
    assert_string_equal(err.msg, "'.': is a directory");
    assert_int_equal(file_expect_writable("none/later", &err), E_IO);
    assert_string_equal(err.msg, "'none/later': create a temporary file beside it: "
                                 "No such file or directory");
}

static void one_file_has_many_names(void **state)
{
    (void)state;
    struct err err;

    assert_int_equal(file_write("one", "x", 1, &err), OK);
    assert_int_equal(file_write("two", "x", 1, &err), OK);
    assert_int_equal(symlink("one", "one.link"), 0);
    assert_true(file_same("one", "./one.link"));
    assert_false(file_same("one", "two"));
    assert_false(file_same("none", "none"));
    assert_false(file_same("/dev/null", "/dev/null"));
}

static void temporary_name_that_is_taken_is_passed_over(void **state)
{
    (void)state;
    struct err err;
    char taken[64];

    (void)snprintf(taken, sizeof taken, "busy.%d-0.tmp", (int)getpid());
    const int fd = open(taken, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(file_write("busy", "x", 1, &err), OK);
    check_content("busy", "x");
    check_content(taken, "");
}

static void symbolic_link_stays_and_its_target_is_replaced(void **state)
{
    (void)state;
    struct err err;
    struct stat st;

    assert_int_equal(file_write("target", "old", 3, &err), OK);
    assert_int_equal(symlink("target", "link"), 0);
    assert_int_equal(file_write("link", "new", 3, &err), OK);
    assert_int_equal(lstat("link", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    check_content("target", "new");
}

static void pipes_and_devices_are_written_into(void **state)
{
    (void)state;
    struct err err;
    struct stat st;
    char got[8] = "";

    assert_int_equal(mkfifo("pipe", 0600), 0);
    const int fd = open("pipe", O_RDWR | O_NONBLOCK);
    assert_true(fd >= 0);
    assert_int_equal(file_write("pipe", "hello", 5, &err), OK);
    assert_int_equal(read(fd, got, sizeof got), 5);
    assert_string_equal(got, "hello");
    close(fd);
    assert_int_equal(file_write("/dev/null", "x", 1, &err), OK);
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    assert_int_equal(file_write("/dev/full", "x", 1, &err), E_IO);
    assert_string_equal(err.msg, "'/dev/full': write: No space left on device");
}

static void a_file_in_pieces_is_there_when_it_is_complete(void **state)
{
    (void)state;
    struct err err;
    struct file_writer *w = NULL;

    assert_int_equal(file_write("pieces", "old", 3, &err), OK);
    assert_int_equal(file_writer_open("pieces", &w, &err), OK);
    assert_int_equal(file_writer_add(w, "one, ", 5, &err), OK);
    check_content("pieces", "old");
    assert_int_equal(file_writer_add(w, "two", 3, &err), OK);
    assert_int_equal(file_writer_commit(w, &err), OK);
    file_writer_free(w);
    check_content("pieces", "one, two");

    assert_int_equal(file_writer_open("pieces", &w, &err), OK);
    assert_int_equal(file_writer_add(w, "half", 4, &err), OK);
    file_writer_free(w); /* given up: nothing changes and nothing is left */
    check_content("pieces", "one, two");
    char tmp[64];
    (void)snprintf(tmp, sizeof tmp, "pieces.%d-0.tmp", (int)getpid());
    assert_int_equal(access(tmp, F_OK), -1);
    assert_int_equal(file_writer_open("no/such/folder", &w, &err), E_IO);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    struct err err;
    struct stat st;
    char absolute[128];

    assert_int_equal(file_mkdirs("a/b//c/", &err), OK);
    assert_int_equal(file_mkdirs("a/b/c", &err), OK);
    assert_int_equal(stat("a/b/c", &st), 0);
    assert_int_equal(st.st_mode & 0777 & ~0750, 0);
    (void)snprintf(absolute, sizeof absolute, "%s/x/y", folder);
    assert_int_equal(file_mkdirs(absolute, &err), OK);
    assert_int_equal(stat("x/y", &st), 0);
    assert_int_equal(file_mkdirs("/", &err), OK);
}

static void folder_in_the_place_of_a_file_is_refused(void **state)
{
    (void)state;
    struct err err;

    assert_int_equal(file_write("plain", "x", 1, &err), OK);
    assert_int_equal(file_mkdirs("plain", &err), E_IO);
    assert_string_equal(err.msg, "'plain': exists and is not a folder");
    assert_int_equal(file_mkdirs("plain/below", &err), E_IO);
    assert_string_equal(err.msg, "'plain/below': make folder: Not a directory");
    assert_int_equal(file_mkdirs("", &err), E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(reading_over_the_limit_is_refused),
        cmocka_unit_test(files_without_a_size_are_read),
        cmocka_unit_test(reading_what_is_not_there_or_a_folder_says_so),
        cmocka_unit_test(reading_without_memory_leaves_nothing_behind),
        cmocka_unit_test(new_file_has_the_promised_mode),
        cmocka_unit_test(a_file_in_pieces_is_there_when_it_is_complete),
        cmocka_unit_test(write_replaces_and_does_not_overwrite),
        cmocka_unit_test(failed_write_leaves_the_old_file_and_no_other),
        cmocka_unit_test(writing_where_it_cannot_be_says_so),
        cmocka_unit_test(what_can_be_written_is_known_before),
        cmocka_unit_test(one_file_has_many_names),
        cmocka_unit_test(temporary_name_that_is_taken_is_passed_over),
        cmocka_unit_test(symbolic_link_stays_and_its_target_is_replaced),
        cmocka_unit_test(pipes_and_devices_are_written_into),
        cmocka_unit_test(folders_are_made_with_their_parents),
        cmocka_unit_test(folder_in_the_place_of_a_file_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
