/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "base/address.h"
#include "config/config_keys.h"
#include "config/rate.h"
#include "config/text.h"

static_assert(sizeof(enum scaling) == sizeof(int) && sizeof(enum activation) == sizeof(int) &&
                  sizeof(enum threshold_method) == sizeof(int) &&
                  sizeof(enum threshold_scope) == sizeof(int) &&
                  sizeof(enum log_level) == sizeof(int) && sizeof(enum log_format) == sizeof(int),
              "CONFIG_CHOICE writes an int");

/* "learn.for: expected WHAT, found 'VALUE'" */
static enum rc expected(const struct config_key *k, const char *what, struct str value,
                        struct err *err)
{
    char path[CONFIG_PATH_MAX];

    config_key_path(k, path);
    if (value.n == 0)
        return err_set(err, E_CONFIG, "%s: expected %s, found nothing", path, what);
    return err_set(err, E_CONFIG, "%s: expected %s, found '%.*s'", path, what,
                   (int)(value.n < 80 ? value.n : 80), value.p);
}

static bool within(const struct config_key *k, double v)
{
    return k->open ? v > k->least && v < k->most : v >= k->least && v <= k->most;
}

static void number_range(const struct config_key *k, const char *what, char *out, size_t size)
{
    if (k->open)
        (void)snprintf(out, size, "%s over %g and under %g", what, k->least, k->most);
    else
        (void)snprintf(out, size, "%s from %.15g to %.15g", what, k->least, k->most);
}

/* -- text -- */

static enum rc parse_text(const struct config_key *k, struct str value, void *at, struct err *err)
{
    struct address address;
    char what[64];

    (void)snprintf(what, sizeof what, "text of at most %zu bytes", k->size - 1);
    if (value.n >= k->size)
        return expected(k, what, value, err);
    if (!text_is_plain(value))
        return expected(k, "UTF-8 text without control characters", value, err);
    if (k->kind == CONFIG_ADDRESS && address_parse(value, &address, err) != OK)
        return expected(k, "an IP address and a port, as 127.0.0.1:8001 or [::1]:8001", value, err);
    if (k->kind == CONFIG_PATH && value.n == 0)
        return expected(k, "a path or a name", value, err);
    if (k->kind == CONFIG_PATH && value.p[0] == '~')
        return expected(k, "a path; '~' is not expanded here, ${HOME} is", value, err);
    memset(at, 0, k->size);
    memcpy(at, value.p, value.n);
    return OK;
}

/* -- numbers -- */

static enum rc parse_duration(const struct config_key *k, struct str value, void *at,
                              struct err *err)
{
    char what[160], least[STR_DURATION_MAX], most[STR_DURATION_MAX];
    int64_t ms;

    str_from_duration_ms((int64_t)k->least, least);
    str_from_duration_ms((int64_t)k->most, most);
    (void)snprintf(what, sizeof what, "a duration such as 15s or 1h30m, from %s to %s", least,
                   most);
    if (!str_to_duration_ms(value, &ms) || !within(k, (double)ms))
        return expected(k, what, value, err);
    memcpy(at, &ms, sizeof ms);
    return OK;
}

static enum rc parse_size(const struct config_key *k, struct str value, void *at, struct err *err)
{
    uint64_t bytes;

    if (!str_to_size_bytes(value, &bytes) || !within(k, (double)bytes))
        return expected(k, "a size such as 500MiB or 2GiB, from 1MiB to 1024TiB", value, err);
    memcpy(at, &bytes, sizeof bytes);
    return OK;
}

static enum rc parse_count(const struct config_key *k, struct str value, void *at, struct err *err)
{
    char what[96];
    uint64_t v;

    number_range(k, "a whole number", what, sizeof what);
    if (!str_to_u64(value, &v) || !within(k, (double)v))
        return expected(k, what, value, err);
    const uint32_t v32 = (uint32_t)v; /* config_keys: most <= 100000 */
    memcpy(at, &v32, sizeof v32);
    return OK;
}

static enum rc parse_seed(const struct config_key *k, struct str value, void *at, struct err *err)
{
    uint64_t v;

    if (!str_to_u64(value, &v))
        return expected(k, "a whole number", value, err);
    memcpy(at, &v, sizeof v);
    return OK;
}

static enum rc parse_real(const struct config_key *k, struct str value, void *at, struct err *err)
{
    char what[96];
    double v;

    number_range(k, "a number", what, sizeof what);
    if (!str_to_double(value, &v) || !within(k, v)) /* NaN is never within */
        return expected(k, what, value, err);
    memcpy(at, &v, sizeof v);
    return OK;
}

static enum rc parse_rate(const struct config_key *k, struct str value, void *at, struct err *err)
{
    double per_week;

    if (!rate_parse(value, &per_week))
        return expected(k, "how often, as '2 per week' (hour, day, week, month)", value, err);
    if (!within(k, per_week))
        return expected(k,
                        k->least > 0 ? "at least one in 1000 weeks and at most one a second"
                                     : "none or more, and at most one a second",
                        value, err);
    memcpy(at, &per_week, sizeof per_week);
    return OK;
}

/* A key of another threshold than the one that there is. */
static enum rc check_method(const struct config_key *k, const struct config *c, struct err *err)
{
    if (config_key_applies(k, c))
        return OK;
    return err_set(err, E_CONFIG, "threshold.%s belongs to method %s; the method is %s", k->name,
                   threshold_method_name(k->method), threshold_method_name(c->threshold.method));
}

/* -- words -- */

static enum rc parse_choice(const struct config_key *k, struct str value, struct config *c,
                            struct err *err)
{
    char what[128] = "one of";
    size_t n = 0;
    int v;

    while (k->words[n] && !str_eq(value, str_of(k->words[n])))
        n++;
    if (k->words[n]) {
        v = (int)n;
        memcpy((char *)c + k->offset, &v, sizeof v);
        return OK;
    }
    for (size_t i = 0, at = strlen(what); i < n && at < sizeof what; i++)
        at += (size_t)snprintf(what + at, sizeof what - at, "%s %s", i ? "," : "", k->words[i]);
    return expected(k, what, value, err);
}

/* Another method: the number starts again from the method's own default, or from none. */
static void reset_level(struct config *c)
{
    c->threshold.observe = 0;
    c->threshold.scope = SCOPE_ENTITY;
    switch (c->threshold.method) {
    case THRESHOLD_PERCENTILE:
        c->threshold.value = 99.5;
        return;
    case THRESHOLD_SIGMA:
        c->threshold.value = 3;
        return;
    case THRESHOLD_FIXED:
        c->threshold.value = (double)NAN; /* only the user can know; config_validate asks for it */
        return;
    case THRESHOLD_BUDGET:
    case THRESHOLD_STAGED:
        c->threshold.value = 2; /* a week */
        return;
    case THRESHOLD_AUTO:
        c->threshold.value = 0; /* it has none */
        return;
    }
}

enum rc config_parse_layers(const char *s, struct learn_spec *ret, struct err *err)
{
    struct learn_spec spec = *ret;
    struct str rest = str_of(s);

    spec.n_layers = 0;
    memset(spec.layers, 0, sizeof spec.layers);
    while (rest.n) {
        const char *comma = memchr(rest.p, ',', rest.n);
        const struct str word = {rest.p, comma ? (size_t)(comma - rest.p) : rest.n};
        uint64_t width;

        if (spec.n_layers == NET_LAYERS_MAX)
            return err_set(err, E_CONFIG, "model.layers: expected at most %d layers",
                           NET_LAYERS_MAX);
        if (!str_to_u64(str_trim(word), &width) || width < 1 || width > NET_WIDTH_MAX)
            return err_set(err, E_CONFIG,
                           "model.layers: expected widths from 1 to %d such as 14,8,4,8,14, found "
                           "'%.*s'",
                           NET_WIDTH_MAX, (int)(word.n < 80 ? word.n : 80), word.p);
        spec.layers[spec.n_layers++] = (uint32_t)width;
        rest.p += word.n;
        rest.n -= word.n;
        if (!comma)
            break;
        rest.p++;
        rest.n--;
        if (rest.n == 0)
            return err_set(err, E_CONFIG, "model.layers: expected a width after the last ','");
    }
    *ret = spec;
    return OK;
}

enum rc config_parse_threshold(const char *s, struct threshold_spec *ret, struct err *err)
{
    static const char *const keys[] = {[THRESHOLD_PERCENTILE] = "threshold.percentile",
                                       [THRESHOLD_SIGMA] = "threshold.k",
                                       [THRESHOLD_FIXED] = "threshold.value",
                                       [THRESHOLD_BUDGET] = "threshold.alarms",
                                       [THRESHOLD_STAGED] = "threshold.alarms"};
    const char *colon = strchr(s, ':');
    const struct str method = {s, colon ? (size_t)(colon - s) : strlen(s)};
    struct config c = {0};

    if (config_key_parse(config_key_find(STR("threshold.method")), method, &c, err) != OK)
        return err->rc;
    if (!colon && isnan(c.threshold.value))
        return err_set(err, E_CONFIG, "expected a number after '%s', as in fixed:0.1998", s);
    if (colon && c.threshold.method == THRESHOLD_AUTO)
        return err_set(err, E_CONFIG, "expected 'auto' alone, found '%.80s'", s);
    if (colon && config_key_parse(config_key_find(str_of(keys[c.threshold.method])),
                                  str_of(colon + 1), &c, err) != OK)
        return err->rc;
    *ret = c.threshold;
    return OK;
}

static enum rc parse_layers(struct str value, struct config *c, struct err *err)
{
    char text[NET_LAYERS_MAX * 16];

    if (value.n >= sizeof text)
        return err_set(err, E_CONFIG, "model.layers: expected at most %d layers", NET_LAYERS_MAX);
    memcpy(text, value.p, value.n);
    text[value.n] = '\0';
    return config_parse_layers(text, &c->learn, err);
}

enum rc config_key_parse(const struct config_key *k, struct str value, struct config *c,
                         struct err *err)
{
    void *at = (char *)c + k->offset;

    if (check_method(k, c, err) != OK)
        return err->rc;
    switch (k->kind) {
    case CONFIG_TEXT:
    case CONFIG_PATH:
    case CONFIG_ADDRESS:
        return parse_text(k, value, at, err);
    case CONFIG_DURATION:
        return parse_duration(k, value, at, err);
    case CONFIG_SIZE:
        return parse_size(k, value, at, err);
    case CONFIG_COUNT:
        return parse_count(k, value, at, err);
    case CONFIG_SEED:
        return parse_seed(k, value, at, err);
    case CONFIG_REAL:
    case CONFIG_LEVEL:
        return parse_real(k, value, at, err);
    case CONFIG_CHOICE: {
        if (parse_choice(k, value, c, err) != OK)
            return err->rc;
        if (k->offset == offsetof(struct config, threshold.method))
            reset_level(c);
        return OK;
    }
    case CONFIG_LAYERS:
        return parse_layers(value, c, err);
    case CONFIG_RATE:
        return parse_rate(k, value, at, err);
    }
    assert(false); /* a kind that the table does not have */
    return E_STATE;
}

/* -- and back to text -- */

static void format_size(uint64_t bytes, struct buf *out)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;

    while (unit < 4 && bytes && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    buf_printf(out, "%" PRIu64 "%s", bytes, units[unit]);
}

static void format_layers(const struct learn_spec *s, struct buf *out)
{
    buf_puts(out, "[");
    for (size_t i = 0; i < s->n_layers; i++)
        buf_printf(out, "%s%" PRIu32, i ? ", " : "", s->layers[i]);
    buf_puts(out, "]");
}

void config_key_format(const struct config_key *k, const struct config *c, struct buf *out)
{
    const void *at = (const char *)c + k->offset;
    char duration[STR_DURATION_MAX];

    switch (k->kind) {
    case CONFIG_TEXT:
    case CONFIG_PATH:
    case CONFIG_ADDRESS:
        text_format(at, out);
        return;
    case CONFIG_DURATION:
        str_from_duration_ms(*(const int64_t *)at, duration);
        buf_puts(out, duration);
        return;
    case CONFIG_SIZE:
        format_size(*(const uint64_t *)at, out);
        return;
    case CONFIG_COUNT:
        buf_printf(out, "%" PRIu32, *(const uint32_t *)at);
        return;
    case CONFIG_SEED:
        buf_printf(out, "%" PRIu64, *(const uint64_t *)at);
        return;
    case CONFIG_REAL:
    case CONFIG_LEVEL:
        buf_double(out, *(const double *)at);
        return;
    case CONFIG_RATE:
        rate_format(*(const double *)at, out);
        return;
    case CONFIG_CHOICE:
        buf_puts(out, k->words[*(const int *)at]);
        return;
    case CONFIG_LAYERS:
        format_layers(&c->learn, out);
        return;
    }
}
