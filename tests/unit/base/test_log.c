/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../test.h"
#include "base/rng.h"
#include "base/str.h"

/* stderr goes into a file while a test runs. */
static char captured[1 << 20];
static int real_stderr = -1, capture = -1;

static int start_capture(void **state)
{
    char name[] = "/tmp/tocsin-log-XXXXXX";

    (void)state;
    capture = mkstemp(name);
    (void)unlink(name);
    real_stderr = dup(STDERR_FILENO);
    if (capture < 0 || real_stderr < 0 || fcntl(capture, F_SETFL, O_APPEND) != 0)
        return -1;
    return dup2(capture, STDERR_FILENO) < 0;
}

static const char *take_captured(void)
{
    const ssize_t n = pread(capture, captured, sizeof captured - 1, 0);

    captured[n > 0 ? n : 0] = '\0';
    (void)!ftruncate(capture, 0);
    return captured;
}

static int stop_capture(void **state)
{
    (void)state;
    (void)dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    close(capture);
    return 0;
}

/* The line after its time stamp, which is checked. */
static const char *after_time(const char *line, const char *before, const char *after)
{
    int64_t ms;

    assert_true(str_starts(str_of(line), str_of(before)));
    line += strlen(before);
    assert_true(str_to_rfc3339_ms((struct str){line, 24}, &ms));
    line += 24;
    assert_true(str_starts(str_of(line), str_of(after)));
    return line + strlen(after);
}

static void line_is_logfmt(void **state)
{
    (void)state;
    log_init(LOG_INFO, LOG_LOGFMT);
    log_event(LOG_WARN, "store failed", "err", "disk full", "path", "/x", "n", "3", NULL);
    assert_string_equal(after_time(take_captured(), "ts=", " "),
                        "level=warn msg=\"store failed\" err=\"disk full\" path=/x n=3\n");
}

static void line_is_json(void **state)
{
    (void)state;
    log_init(LOG_INFO, LOG_JSON);
    log_event(LOG_ERROR, "no", "err", "a \"quoted\" \\ one", "empty", "", "none", NULL, NULL);
    assert_string_equal(after_time(take_captured(), "{\"ts\":\"", "\","),
                        "\"level\":\"error\",\"msg\":\"no\",\"err\":\"a \\\"quoted\\\" \\\\ one\","
                        "\"empty\":\"\",\"none\":\"\"}\n");
}

static void values_are_quoted_when_logfmt_needs_it(void **state)
{
    (void)state;
    log_init(LOG_INFO, LOG_LOGFMT);
    log_event(LOG_INFO, "m", "a", "", "b", "x=y", "c", "\"", "d", "caf\xc3\xa9", "e", NULL, NULL);
    assert_string_equal(after_time(take_captured(), "ts=", " level=info msg=m "),
                        "a=\"\" b=\"x=y\" c=\"\\\"\" d=caf\xc3\xa9 e=\"\"\n");
}

static void hostile_values_cannot_break_a_line_or_command_a_terminal(void **state)
{
    (void)state;
    log_init(LOG_INFO, LOG_LOGFMT);
    log_event(LOG_INFO, "m", "v", "a\nlevel=error\t\x1b[2J\xff\xc2\x9b", NULL);
    assert_string_equal(after_time(take_captured(), "ts=", " level=info msg=m "),
                        "v=\"a\\nlevel=error\\t\\u001b[2J\xef\xbf\xbd\\u009b\"\n");
    log_event(LOG_INFO, "m", "bad key=\n\"", "v", NULL);
    assert_string_equal(after_time(take_captured(), "ts=", " level=info msg=m "), "bad_key___=v\n");
}

static void levels_below_the_least_are_silent(void **state)
{
    (void)state;
    log_init(LOG_WARN, LOG_LOGFMT);
    log_event(LOG_INFO, "quiet", NULL);
    assert_string_equal(take_captured(), "");
    assert_false(log_enabled(LOG_DEBUG));
    assert_true(log_enabled(LOG_WARN));
    log_event(LOG_ERROR, "loud", NULL);
    assert_non_null(strstr(take_captured(), "level=error msg=loud\n"));
}

/* Values of every length around the limit: one line each, closed, and of bounded length. */
static void long_lines_are_cut_and_closed(void **state)
{
    (void)state;
    static char value[6000];
    static const char *const fills[] = {"x", "\x01", "\xff", "\xf0\x9f\x94\x94", " "};

    for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
        log_init(LOG_INFO, (enum log_format)format);
        for (size_t n = 3900; n < 4120; n++) {
            const char *fill = fills[n % 5];
            size_t len = 0;
            for (; len + strlen(fill) <= n; len += strlen(fill))
                memcpy(value + len, fill, strlen(fill));
            value[len] = '\0';
            log_event(LOG_INFO, "m", "v", value, "w", value, "after", "1", NULL);
            const char *line = take_captured();
            const size_t length = strlen(line);
            assert_true(length <= 4096);
            assert_ptr_equal(strchr(line, '\n'), line + length - 1);
            assert_true(str_is_utf8(str_of(line)));
            if (format == LOG_JSON)
                assert_true(strcmp(line + length - 3, "\"}\n") == 0);
        }
    }
}

static void any_bytes_make_one_line_of_utf8(void **state)
{
    (void)state;
    struct rng rng;
    char bytes[300];

    rng_init(&rng, 5);
    for (int i = 0; i < 2000; i++) {
        log_init(LOG_INFO, i % 2 ? LOG_JSON : LOG_LOGFMT);
        const uint32_t n = rng_below(&rng, sizeof bytes);
        for (uint32_t k = 0; k < n; k++)
            bytes[k] = (char)(1 + rng_below(&rng, 255));
        bytes[n] = '\0';
        log_event(LOG_INFO, bytes, "k", bytes + n / 2, NULL);
        const char *line = take_captured();
        assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
        assert_true(str_is_utf8(str_of(line)));
        for (const char *c = line; *c != '\n'; c++)
            assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
    }
}

enum { THREADS = 4, LINES = 200 };

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_event(LOG_INFO, "from a thread", "name", arg, "more", "padding padding padding", NULL);
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    static char names[THREADS][2] = {"a", "b", "c", "d"};
    pthread_t threads[THREADS];
    int lines = 0;

    log_init(LOG_INFO, LOG_LOGFMT);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (const char *p = take_captured(); *p; p = strchr(p, '\n') + 1, lines++) {
        const char *rest = after_time(p, "ts=", " level=info msg=\"from a thread\" name=");
        assert_true(rest[0] >= 'a' && rest[0] <= 'd');
        assert_true(str_starts(str_of(rest + 1), STR(" more=\"padding padding padding\"\n")));
    }
    assert_int_equal(lines, THREADS * LINES);
}

/* After "HH:MM:SS ", whose form is checked. */
static const char *after_clock(const char *line)
{
    static const char form[] = "dd:dd:dd ";

    for (size_t i = 0; form[i]; i++)
        assert_true(form[i] == 'd' ? line[i] >= '0' && line[i] <= '9' : line[i] == form[i]);
    return line + strlen(form);
}

static void a_plain_line_is_for_people(void **state)
{
    (void)state;
    char *huge = test_malloc(10000);

    log_init(LOG_INFO, LOG_PLAIN);
    log_event(LOG_WARN, "store failed", "err", "disk \"full\"", "path", "/x", NULL);
    assert_string_equal(after_clock(take_captured()),
                        "warn  store failed (err disk \"full\", path /x)\n");
    log_event(LOG_ERROR, "a\x1b[2Jb\n", NULL);
    assert_string_equal(after_clock(take_captured()), "error a\\u001b[2Jb\\n\n");
    memset(huge, 'x', 9999);
    huge[9999] = '\0';
    log_event(LOG_INFO, "long", "key", huge, "more", "x", NULL);
    const char *line = after_clock(take_captured());
    assert_true(str_starts(str_of(line), STR("info  long (key xxx")));
    assert_string_equal(line + strlen(line) - 3, "x)\n");
    assert_true(strlen(line) < 4096);
    log_event(LOG_INFO, huge, "key", "value", NULL);
    line = take_captured();
    assert_string_equal(line + strlen(line) - 3, "xx\n"); /* nothing was opened */
    test_free(huge);
}

#define CAPTURED(t) cmocka_unit_test_setup_teardown(t, start_capture, stop_capture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CAPTURED(line_is_logfmt),
        CAPTURED(line_is_json),
        CAPTURED(values_are_quoted_when_logfmt_needs_it),
        CAPTURED(hostile_values_cannot_break_a_line_or_command_a_terminal),
        CAPTURED(levels_below_the_least_are_silent),
        CAPTURED(long_lines_are_cut_and_closed),
        CAPTURED(any_bytes_make_one_line_of_utf8),
        CAPTURED(a_plain_line_is_for_people),
        CAPTURED(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
