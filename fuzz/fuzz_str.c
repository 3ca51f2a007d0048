/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <inttypes.h>
#include <math.h>

#include "base/buf.h"
#include "fuzz.h"

static void check_double(struct str s)
{
    double v, back;
    struct buf b;

    if (!str_to_double(s, &v))
        return;
    promise(s.n >= 1 && s.n <= 64, "a number has 1 to 64 bytes");
    buf_init(&b, 64);
    buf_double(&b, v);
    promise(!b.failed && str_to_double((struct str){b.p, b.n}, &back), "numbers are read back");
    promise(isnan(v) ? isnan(back) : memcmp(&v, &back, sizeof v) == 0, "as the same number");
    buf_done(&b);
}

static void check_integers(struct str s)
{
    char text[32];
    uint64_t u, bytes;
    int64_t i, back;

    if (str_to_i64(s, &i)) {
        const int n = snprintf(text, sizeof text, "%" PRId64, i);
        promise(str_to_i64((struct str){text, (size_t)n}, &back) && back == i, "i64 round trip");
    }
    if (str_to_u64(s, &u))
        promise(str_to_size_bytes(s, &bytes) && bytes == u, "a plain number is bytes");
}

static void check_times(struct str s)
{
    char text[STR_DURATION_MAX], date[STR_RFC3339_MAX];
    int64_t ms, back;

    if (str_to_duration_ms(s, &ms)) {
        str_from_duration_ms(ms, text);
        promise(str_to_duration_ms(str_of(text), &back) && back == ms, "duration round trip");
    }
    if (str_to_rfc3339_ms(s, &ms)) {
        str_from_rfc3339_ms(ms, date);
        /* an offset may lead out of the years that the format has */
        if (strlen(date) == strlen("2025-01-01T00:00:00.000Z"))
            promise(str_to_rfc3339_ms(str_of(date), &back) && back == ms, "RFC 3339 round trip");
    }
}

static void check_text(struct str s)
{
    static const char *const words[] = {"interval", "threshold", "listen", ""};
    char z[256];
    const size_t n = s.n < sizeof z - 1 ? s.n : sizeof z - 1;

    promise(str_nearest(s, words, 4) < 4, "the nearest is one of them");
    promise(str_trim(s).n <= s.n, "trimming takes away");
    if (n)
        memcpy(z, s.p, n);
    z[n] = '\0';
    str_make_printable(z);
    promise(str_is_utf8(str_of(z)), "printable text is UTF-8");
    for (const char *c = z; *c; c++)
        promise(((unsigned char)*c >= 0x20 && *c != 0x7f), "and has no control bytes");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str s = {(const char *)data, size};

    check_double(s);
    check_integers(s);
    check_times(s);
    check_text(s);
    return 0;
}
