/* SPDX-License-Identifier: Apache-2.0 */
/* What a target is made of: its URL, its labels, its phase. prometheus/prometheus 2.42,
 * scrape/target.go, PopulateLabels and Target.offset. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "source/scrape_private.h"

enum { SETTING_MAX = 4096 };

/* Of a target under way. */
struct draft {
    const struct scrape_spec *spec;
    const char *scheme, *path;
    char address[512];
    struct buf params;
    int64_t interval_ms, timeout_ms;
    struct label label[SERIES_LABELS_MAX];
    size_t n;
};

void scrape_target_free(struct scrape_target *t)
{
    if (!t)
        return;
    exposition_layout_free(t->layout);
    mem_free(t->url);
    mem_free(t->instance);
    mem_free(t->labels);
    mem_free(t->text);
    mem_free(t);
}

static void freep(struct scrape_target **t)
{
    scrape_target_free(*t);
}

static void draft_done(struct draft *d)
{
    buf_done(&d->params);
}

/* HOST:PORT; the port is the scheme's where there is none. */
static enum rc set_address(struct draft *d, const char *address, struct err *err)
{
    const char *port = "";
    const size_t n = strlen(address);

    for (size_t i = 0; i < n; i++)
        if (address[i] <= ' ' || address[i] == 0x7f || strchr("/?#@\\\"<>", address[i]))
            return err_set(err, E_CONFIG, "expected HOST:PORT as a target, found '%.200s'",
                           address);
    const char *bracket = strrchr(address, ']'), *colon = strchr(bracket ? bracket : address, ':');
    if (!colon)
        port = strcmp(d->scheme, "https") == 0 ? ":443" : ":80";
    if (n == 0 || colon == address ||
        snprintf(d->address, sizeof d->address, "%s%s", address, port) >= (int)sizeof d->address)
        return err_set(err, E_CONFIG, "expected HOST:PORT as a target, found '%.200s'", address);
    return OK;
}

static enum rc add_param(struct draft *d, const char *name, const char *value, struct err *err)
{
    char *key = curl_easy_escape(NULL, name, 0), *text = curl_easy_escape(NULL, value, 0);

    if (key && text)
        buf_printf(&d->params, "%s%s=%s", d->params.n ? "&" : "", key, text);
    curl_free(key);
    curl_free(text);
    if (!key || !text)
        return err_set(err, E_NOMEM, "no memory for a parameter");
    return OK;
}

static enum rc set_duration(const char *name, const char *value, int64_t *ret_ms, struct err *err)
{
    int64_t ms;

    if (!str_to_duration_ms(str_of(value), &ms) || ms <= 0)
        return err_set(err, E_CONFIG, "label '%s': expected a duration such as 15s, found '%.64s'",
                       name, value);
    *ret_ms = ms;
    return OK;
}

/* A label that starts with "__". */
static enum rc set_setting(struct draft *d, const struct label_text *l, struct err *err)
{
    static const char param[] = "__param_";

    if (strlen(l->value) > SETTING_MAX)
        return err_set(err, E_LIMIT, "label '%.64s' has more than %d bytes", l->name, SETTING_MAX);
    if (strcmp(l->name, "__scheme__") == 0)
        d->scheme = l->value;
    else if (strcmp(l->name, "__metrics_path__") == 0)
        d->path = l->value;
    else if (strcmp(l->name, "__scrape_interval__") == 0)
        return set_duration(l->name, l->value, &d->interval_ms, err);
    else if (strcmp(l->name, "__scrape_timeout__") == 0)
        return set_duration(l->name, l->value, &d->timeout_ms, err);
    else if (strncmp(l->name, param, sizeof param - 1) == 0)
        return add_param(d, l->name + sizeof param - 1, l->value, err);
    return OK; /* __meta_ and the like are for relabelling */
}

static bool has_label(const struct draft *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++)
        if (str_eq(d->label[i].name, str_of(name)))
            return true;
    return false;
}

static enum rc add_label(struct draft *d, const char *name, const char *value, struct err *err)
{
    if (d->n == SERIES_LABELS_MAX)
        return err_set(err, E_LIMIT, "a target has at most %d labels", SERIES_LABELS_MAX);
    if (!str_is_utf8(str_of(value)))
        return err_set(err, E_CONFIG, "label '%.64s': expected UTF-8", name);
    if (value[0])
        d->label[d->n++] = (struct label){str_of(name), str_of(value)};
    return OK;
}

static enum rc read_labels(struct draft *d, const struct label_text *labels, size_t n,
                           struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        const bool setting = strncmp(labels[i].name, "__", 2) == 0;
        if ((setting ? set_setting(d, &labels[i], err)
                     : add_label(d, labels[i].name, labels[i].value, err)) != OK)
            return err->rc;
    }
    if (strcmp(d->scheme, "http") != 0 && strcmp(d->scheme, "https") != 0)
        return err_set(err, E_CONFIG, "expected the scheme http or https, found '%.64s'",
                       d->scheme);
    if (d->timeout_ms > d->interval_ms)
        return err_set(err, E_CONFIG, "the timeout is longer than the interval");
    return OK;
}

static int by_name(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    const int c = memcmp(x->name.p, y->name.p, x->name.n < y->name.n ? x->name.n : y->name.n);

    return c ? c : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

/* The labels in memory of the target's own. */
static enum rc keep_labels(struct draft *d, struct scrape_target *t, struct err *err)
{
    size_t n = 0;

    qsort(d->label, d->n, sizeof *d->label, by_name);
    for (size_t i = 0; i < d->n; i++)
        n += d->label[i].name.n + d->label[i].value.n;
    t->labels = mem_array(d->n, sizeof *t->labels);
    char *to = t->text = mem_alloc(n);
    if (!t->labels || !t->text)
        return err_set(err, E_NOMEM, "no memory for a target");
    for (t->n_labels = 0; t->n_labels < d->n; t->n_labels++) {
        const struct label *from = &d->label[t->n_labels];
        t->labels[t->n_labels] =
            (struct label){{to, from->name.n}, {to + from->name.n, from->value.n}};
        memcpy(to, from->name.p, from->name.n);
        memcpy(to + from->name.n, from->value.p, from->value.n);
        to += from->name.n + from->value.n;
    }
    return OK;
}

static enum rc keep_url(struct draft *d, struct scrape_target *t, struct err *err)
{
    struct buf url;

    buf_init(&url, HTTP_URL_MAX_BYTES + 1);
    buf_printf(&url, "%s://%s%s%s", d->scheme, d->address, d->path[0] == '/' ? "" : "/", d->path);
    if (d->params.n)
        buf_printf(&url, "%s%s", strchr(d->path, '?') ? "&" : "?", d->params.p);
    const bool long_url = url.failed || d->params.failed;
    t->url = buf_take(&url);
    buf_done(&url);
    if (long_url || !t->url)
        return err_set(err, E_CONFIG, "its URL has more than %d bytes", HTTP_URL_MAX_BYTES);
    return http_url_check(t->url, err);
}

static uint64_t hash_target(const struct scrape_target *t)
{
    struct hash_stream h;

    hash_stream_init(&h);
    hash_stream_add(&h, t->url, strlen(t->url) + 1);
    hash_stream_add(&h, &t->interval_ms, sizeof t->interval_ms);
    hash_stream_add(&h, &t->timeout_ms, sizeof t->timeout_ms);
    for (size_t i = 0; i < t->n_labels; i++) {
        const struct label *l = &t->labels[i];
        hash_stream_add(&h, &l->name.n, sizeof l->name.n);
        hash_stream_add(&h, l->name.p, l->name.n);
        hash_stream_add(&h, &l->value.n, sizeof l->value.n);
        hash_stream_add(&h, l->value.p, l->value.n);
    }
    return hash_stream_value(&h);
}

static enum rc fill(struct draft *d, const char *address, const struct label_text *labels,
                    size_t n_labels, struct scrape_target *t, struct err *err)
{
    if (d->spec->params && d->spec->params[0])
        buf_puts(&d->params, d->spec->params);
    if (read_labels(d, labels, n_labels, err) != OK || set_address(d, address, err) != OK)
        return err->rc;
    if ((!has_label(d, "job") && add_label(d, "job", d->spec->job, err) != OK) ||
        (!has_label(d, "instance") && add_label(d, "instance", d->address, err) != OK))
        return err->rc;
    if (keep_labels(d, t, err) != OK || keep_url(d, t, err) != OK)
        return err->rc;
    for (size_t i = 0; i < t->n_labels; i++)
        if (str_eq(t->labels[i].name, STR("instance")))
            t->instance = mem_strndup(t->labels[i].value.p, t->labels[i].value.n);
    if (!t->instance)
        return err_set(err, E_NOMEM, "no memory for a target");
    t->interval_ms = d->interval_ms;
    t->timeout_ms = d->timeout_ms;
    t->hash = hash_target(t);
    return OK;
}

enum rc scrape_target_new(const struct scrape_job *jobs, size_t job, const char *address,
                          const struct label_text *labels, size_t n_labels,
                          struct scrape_target **ret, struct err *err)
{
    const struct scrape_spec *spec = jobs[job].spec;
    CLEANUP(freep) struct scrape_target *t = mem_alloc(sizeof *t);
    CLEANUP(draft_done)
    struct draft d = {.spec = spec,
                      .scheme = spec->scheme ? spec->scheme : "http",
                      .path = spec->path ? spec->path : "/metrics",
                      .interval_ms = spec->interval_ms};

    buf_init(&d.params, HTTP_URL_MAX_BYTES);
    d.timeout_ms = spec->access.timeout_ms > 0 && spec->access.timeout_ms < spec->interval_ms
                       ? spec->access.timeout_ms
                       : spec->interval_ms;
    if (!t)
        return err_set(err, E_NOMEM, "no memory for a target");
    t->job = job;
    if (fill(&d, address, labels, n_labels, t, err) != OK)
        return err->rc;
    *ret = TAKE(t);
    return OK;
}

void scrape_target_plan(struct scrape_target *t, int64_t wall_ms, int64_t mono_ms)
{
    const int64_t phase = (int64_t)(t->hash % (uint64_t)t->interval_ms);
    int64_t wait = phase - wall_ms % t->interval_ms;

    if (wait <= 0)
        wait += t->interval_ms;
    t->due_wall_ms = wall_ms + wait;
    t->due_mono_ms = mono_ms + wait;
}
