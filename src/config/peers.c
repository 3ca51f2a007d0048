/* SPDX-License-Identifier: Apache-2.0 */
#include "config/peers.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "config/spec.h"
#include "config/yaml.h"
#include "data/series.h"

#define SECOND 1000.0
#define HOUR (3600 * SECOND)
#define YEAR (365 * 24 * HOUR)
#define MEBIBYTE 1048576.0

const char *const peers_sections[] = {"alerts", "write", NULL};

/* -- how a server is reached, with Prometheus's names: http_config -- */

#define ACCESS(m) .offset = offsetof(struct http_access, m)

static const struct spec_key basic_auth_keys[] = {
    {"username", SPEC_TEXT, ACCESS(username), .required = true, .help = "the user's name"},
    {"password", SPEC_TEXT, ACCESS(password), .secret = true},
    {"password_file", SPEC_PATH, ACCESS(password_file)},
    {0},
};
static const struct spec_key authorization_keys[] = {
    {"credentials", SPEC_TEXT, ACCESS(bearer_token), .secret = true},
    {"credentials_file", SPEC_PATH, ACCESS(bearer_token_file)},
    {0},
};
static const struct spec_key tls_keys[] = {
    {"ca_file", SPEC_PATH, ACCESS(ca_file)},
    {"cert_file", SPEC_PATH, ACCESS(cert_file)},
    {"key_file", SPEC_PATH, ACCESS(key_file)},
    {"server_name", SPEC_TEXT, ACCESS(server_name)},
    {"insecure_skip_verify", SPEC_BOOL, ACCESS(insecure_skip_verify)},
    {0},
};

/* The rows of every table whose struct has a member `access`. */
#define ACCESS_ROWS(type)                                                                          \
    {"timeout", SPEC_DURATION, .offset = offsetof(type, access.timeout_ms), .least = 100,          \
     .most = HOUR},                                                                                \
        {"basic_auth", SPEC_SECTION, .offset = offsetof(type, access), .keys = basic_auth_keys},   \
        {"authorization", SPEC_SECTION, .offset = offsetof(type, access),                          \
         .keys = authorization_keys},                                                              \
    {                                                                                              \
        "tls_config", SPEC_SECTION, .offset = offsetof(type, access), .keys = tls_keys             \
    }

/* -- each kind of peer -- */

#define SCRAPE(m) .offset = offsetof(struct scrape_spec, m)
static const struct spec_key scrape_keys[] = {
    {"job", SPEC_TEXT, SCRAPE(job), .required = true, .help = "the label `job`"},
    {"interval", SPEC_DURATION, SCRAPE(interval_ms), .least = 100, .most = HOUR},
    {"scheme", SPEC_TEXT, SCRAPE(scheme)},
    {"path", SPEC_TEXT, SCRAPE(path)},
    {"params", SPEC_TEXT, SCRAPE(params)},
    {"honor_labels", SPEC_BOOL, SCRAPE(honor_labels)},
    {"body_limit", SPEC_SIZE, SCRAPE(body_limit), .least = 1024, .most = 1024 * MEBIBYTE},
    {"targets", SPEC_LIST, SCRAPE(targets)},
    {"file_sd", SPEC_LIST, SCRAPE(file_sd)},
    ACCESS_ROWS(struct scrape_spec),
    {0},
};

#define PROMETHEUS(m) .offset = offsetof(struct prometheus_spec, m)
static const struct spec_key prometheus_keys[] = {
    {"url", SPEC_URL, PROMETHEUS(url), .required = true, .help = "where the server is"},
    {"interval", SPEC_DURATION, PROMETHEUS(interval_ms), .least = SECOND, .most = HOUR},
    {"backfill", SPEC_DURATION, PROMETHEUS(backfill_ms), .least = 0, .most = YEAR},
    {"entity_label", SPEC_TEXT, PROMETHEUS(entity_label)},
    {"match", SPEC_TEXT, PROMETHEUS(match)},
    ACCESS_ROWS(struct prometheus_spec),
    {0},
};

#define REMOTE_WRITE(m) .offset = offsetof(struct remote_write_spec, m)
static const struct spec_key remote_write_keys[] = {
    {"interval", SPEC_DURATION, REMOTE_WRITE(interval_ms), .least = SECOND, .most = HOUR},
    {"entity_label", SPEC_TEXT, REMOTE_WRITE(entity_label)},
    {"body_limit", SPEC_SIZE, REMOTE_WRITE(body_limit), .least = 1024, .most = 256 * MEBIBYTE},
    {0},
};

#define ALERTMANAGER(m) .offset = offsetof(struct alertmanager_spec, m)
static const struct spec_key alertmanager_keys[] = {
    {"urls", SPEC_URLS, ALERTMANAGER(urls), .required = true,
     .help = "a list with every member of the cluster"},
    {"labels", SPEC_LABELS, ALERTMANAGER(labels),
     .n_offset = offsetof(struct alertmanager_spec, n_labels)},
    {"resend", SPEC_DURATION, ALERTMANAGER(resend_ms), .least = SECOND, .most = HOUR},
    {"external_url", SPEC_URL, ALERTMANAGER(external_url)},
    ACCESS_ROWS(struct alertmanager_spec),
    {0},
};

#define WRITE(m) .offset = offsetof(struct write_spec, m)
static const struct spec_key write_keys[] = {
    {"url", SPEC_URL, WRITE(url), .required = true, .help = "where remote write is received"},
    {"labels", SPEC_LABELS, WRITE(labels), .n_offset = offsetof(struct write_spec, n_labels)},
    ACCESS_ROWS(struct write_spec),
    {0},
};

/* -- defaults -- */

static enum rc scrape_defaults(struct scrape_spec *s, struct err *err)
{
    /* Prometheus's: scrape_interval is a minute there, 15s in every example of it */
    s->interval_ms = 15000;
    s->access.timeout_ms = 10000;
    s->body_limit = 64 << 20;
    return spec_text(&s->scheme, "http", err) == OK && spec_text(&s->path, "/metrics", err) == OK
               ? OK
               : err->rc;
}

static enum rc prometheus_defaults(struct prometheus_spec *s, struct err *err)
{
    s->interval_ms = 15000;
    s->backfill_ms = INT64_C(7) * 24 * 3600 * 1000;
    s->access.timeout_ms = 30000;
    return spec_text(&s->entity_label, "instance", err);
}

static enum rc remote_write_defaults(struct remote_write_spec *s, struct err *err)
{
    s->enabled = true;
    s->interval_ms = 15000;
    s->body_limit = 32 << 20;
    return spec_text(&s->entity_label, "instance", err);
}

/* -- sources -- */

enum kind { KIND_HOST, KIND_SCRAPE, KIND_PROMETHEUS, KIND_REMOTE_WRITE, KINDS };
static const char *const kind_names[KINDS] = {"host", "scrape", "prometheus", "remote_write"};

/* What would only be said by the run, or would stand for something else than it seems to. */
static enum rc check_access(const struct yaml *y, const struct yaml_node *at, const char *what,
                            const struct http_access *a, struct err *err)
{
    const bool token = a->bearer_token || a->bearer_token_file;

    if (a->username && token)
        return yaml_fail(y, at, err, "%s: expected one of basic_auth and authorization", what);
    if (a->password && a->password_file)
        return yaml_fail(y, at, err, "%s.basic_auth: expected one of password and password_file",
                         what);
    if (a->bearer_token && a->bearer_token_file)
        return yaml_fail(
            y, at, err, "%s.authorization: expected one of credentials and credentials_file", what);
    if (!a->cert_file != !a->key_file)
        return yaml_fail(y, at, err, "%s.tls_config: expected cert_file and key_file, or neither",
                         what);
    return OK;
}

static enum rc check_label(const struct yaml *y, const struct yaml_node *at, const char *what,
                           const char *label, struct err *err)
{
    if (label_name_is_valid(str_of(label)))
        return OK;
    return yaml_fail(
        y, at, err, "%s.entity_label: expected the name of a label such as instance, found '%.80s'",
        what, label);
}

static enum rc check_lists(const struct yaml *y, const struct yaml_node *at,
                           const struct scrape_spec *s, struct err *err)
{
    for (size_t i = 0; i < s->targets.n; i++)
        if (s->targets.v[i][strcspn(s->targets.v[i], "/ \t\n")])
            return yaml_fail(y, at, err,
                             "scrape.targets: expected HOST:PORT (scheme and path are keys of "
                             "their own), found '%.80s'",
                             s->targets.v[i]);
    for (size_t i = 0; i < s->file_sd.n; i++) {
        const char *dot = strrchr(s->file_sd.v[i], '.');
        if (!dot || (strcasecmp(dot, ".json") != 0 && strcasecmp(dot, ".yml") != 0 &&
                     strcasecmp(dot, ".yaml") != 0))
            return yaml_fail(y, at, err,
                             "scrape.file_sd: expected a path that ends in .json, .yml or .yaml, "
                             "found '%.80s'",
                             s->file_sd.v[i]);
    }
    return OK;
}

static enum rc check_scrape(const struct yaml *y, const struct yaml_node *at,
                            const struct scrape_spec *s, struct err *err)
{
    if (s->targets.n == 0 && s->file_sd.n == 0)
        return yaml_fail(y, at, err, "scrape: expected targets such as [\"db1:9100\"], or file_sd");
    if (strcmp(s->scheme, "http") != 0 && strcmp(s->scheme, "https") != 0)
        return yaml_fail(y, at, err, "scrape.scheme: expected http or https, found '%.20s'",
                         s->scheme);
    if (s->path[0] != '/')
        return yaml_fail(y, at, err, "scrape.path: expected a path such as /metrics, found '%.80s'",
                         s->path);
    if (s->access.timeout_ms > s->interval_ms)
        return yaml_fail(y, at, err, "scrape.timeout: expected at most scrape.interval");
    if (check_lists(y, at, s, err) != OK)
        return err->rc;
    return check_access(y, at, "scrape", &s->access, err);
}

static bool says_timeout(const struct yaml_node *map)
{
    return map->kind == YAML_MAP && yaml_get(map, "timeout");
}

static enum rc load_scrape(const struct yaml *y, const struct yaml_node *at, struct scrape_spec *s,
                           struct err *err)
{
    if (scrape_defaults(s, err) != OK || spec_load(y, at, "scrape", scrape_keys, s, err) != OK)
        return err->rc;
    if (!says_timeout(at) && s->access.timeout_ms > s->interval_ms)
        s->access.timeout_ms = s->interval_ms; /* as Prometheus does */
    return check_scrape(y, at, s, err);
}

static enum rc load_prometheus(const struct yaml *y, const struct yaml_node *at,
                               struct prometheus_spec *s, struct err *err)
{
    if (prometheus_defaults(s, err) != OK)
        return err->rc;
    if (spec_load(y, at, "prometheus", prometheus_keys, s, err) != OK ||
        check_label(y, at, "prometheus", s->entity_label, err) != OK)
        return err->rc;
    return check_access(y, at, "prometheus", &s->access, err);
}

static enum rc load_remote_write(const struct yaml *y, const struct yaml_node *at,
                                 struct remote_write_spec *s, struct err *err)
{
    if (remote_write_defaults(s, err) != OK)
        return err->rc;
    if (spec_load(y, at, "remote_write", remote_write_keys, s, err) != OK)
        return err->rc;
    return check_label(y, at, "remote_write", s->entity_label, err);
}

/* The kind of an entry such as "scrape: {…}"; KINDS and a sentence when it is none. */
static enum kind kind_of(const struct yaml *y, const struct yaml_node *entry, struct err *err)
{
    if (entry->kind != YAML_MAP || entry->n != 1) {
        yaml_fail(y, entry, err,
                  "sources: expected a source with its settings such as 'host: {interval: 1s}'");
        return KINDS;
    }
    for (int k = 0; k < KINDS; k++)
        if (str_eq(entry->keys[0].scalar, str_of(kind_names[k])))
            return (enum kind)k;
    yaml_fail(y, &entry->keys[0], err,
              "source '%.64s' is not known; known: host, scrape, prometheus, remote_write",
              entry->keys[0].scalar.p);
    return KINDS;
}

static enum rc load_source(const struct yaml *y, const struct yaml_node *entry, struct peers *p,
                           struct err *err)
{
    const enum kind kind = kind_of(y, entry, err);

    if (kind == KINDS)
        return err->rc;
    const struct yaml_node *at = &entry->values[0];
    if ((kind == KIND_HOST && p->host) || (kind == KIND_REMOTE_WRITE && p->remote_write.enabled))
        return yaml_fail(y, &entry->keys[0], err, "a second source '%s'; expected one",
                         kind_names[kind]);
    if ((kind == KIND_SCRAPE && p->n_scrape == PEERS_MAX) ||
        (kind == KIND_PROMETHEUS && p->n_prometheus == PEERS_MAX))
        return yaml_fail(y, &entry->keys[0], err, "sources: expected at most %d of '%s'", PEERS_MAX,
                         kind_names[kind]);
    switch (kind) {
    case KIND_HOST: /* its settings are keys of struct config */
        p->host = true;
        return OK;
    case KIND_SCRAPE:
        return load_scrape(y, at, &p->scrape[p->n_scrape++], err);
    case KIND_PROMETHEUS:
        return load_prometheus(y, at, &p->prometheus[p->n_prometheus++], err);
    case KIND_REMOTE_WRITE:
        return load_remote_write(y, at, &p->remote_write, err);
    case KINDS:
        break;
    }
    return OK;
}

static enum rc load_sources(const struct yaml *y, struct peers *p, struct err *err)
{
    const struct yaml_node *list = yaml_get(yaml_root(y), "sources");

    if (!list || yaml_is_null(list)) {
        p->host = true;
        return OK;
    }
    if (list->kind != YAML_LIST)
        return yaml_fail(y, list, err,
                         "sources: expected a list such as [host: {interval: 1s}], found %s",
                         yaml_kind_name(list));
    if (list->n == 0)
        return yaml_fail(y, list, err,
                         "sources: expected a source; known: host, scrape, prometheus, "
                         "remote_write");
    for (size_t i = 0; i < list->n; i++)
        if (load_source(y, &list->values[i], p, err) != OK)
            return err->rc;
    return OK;
}

/* -- receivers -- */

static enum rc load_alerts(const struct yaml *y, struct peers *p, struct err *err)
{
    static const char *const known[] = {"alertmanager"};
    const struct yaml_node *alerts = yaml_get(yaml_root(y), "alerts");

    if (!alerts || yaml_is_null(alerts))
        return OK;
    if (yaml_expect_keys(y, alerts, "alerts", known, 1, err) != OK)
        return err->rc;
    const struct yaml_node *at = yaml_get(alerts, "alertmanager");
    if (!at)
        return OK;
    p->alertmanager.resend_ms = 60000; /* Prometheus's --rules.alert.resend-delay */
    p->alertmanager.access.timeout_ms = 10000;
    if (spec_load(y, at, "alerts.alertmanager", alertmanager_keys, &p->alertmanager, err) != OK)
        return err->rc;
    if (p->alertmanager.urls.n == 0)
        return yaml_fail(y, at, err, "alerts.alertmanager.urls: expected at least one URL");
    return check_access(y, at, "alerts.alertmanager", &p->alertmanager.access, err);
}

static enum rc load_write(const struct yaml *y, struct peers *p, struct err *err)
{
    const struct yaml_node *at = yaml_get(yaml_root(y), "write");

    if (!at || yaml_is_null(at))
        return OK;
    p->write.access.timeout_ms = 30000;
    if (spec_load(y, at, "write", write_keys, &p->write, err) != OK)
        return err->rc;
    for (size_t i = 0; i < p->write.n_labels; i++)
        if (strncmp(p->write.labels[i].name, "__", 2) == 0)
            return yaml_fail(y, at, err,
                             "write.labels: '%.64s' is reserved, as all names that begin with __",
                             p->write.labels[i].name);
    return check_access(y, at, "write", &p->write.access, err);
}

/* -- all of it -- */

static enum rc load_tree(const struct yaml *y, struct peers **ret, struct err *err)
{
    CLEANUP(peers_freep) struct peers *p = mem_alloc(sizeof *p);
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, YAML_BYTES_MAX * 4);
    if (p) {
        p->scrape = mem_array(PEERS_MAX, sizeof *p->scrape);
        p->prometheus = mem_array(PEERS_MAX, sizeof *p->prometheus);
    }
    if (!p || !p->scrape || !p->prometheus)
        return err_set(err, E_NOMEM, "configuration: no memory");
    if (load_sources(y, p, err) != OK || load_alerts(y, p, err) != OK ||
        load_write(y, p, err) != OK)
        return err->rc;
    peers_print_sources(p, &text);
    peers_print_receivers(p, &text);
    p->hash = hash_bytes(text.p, text.n, p->host);
    *ret = TAKE(p);
    return OK;
}

enum rc peers_check(const struct yaml *y, struct err *err)
{
    CLEANUP(peers_freep) struct peers *p = NULL;

    return load_tree(y, &p, err);
}

enum rc peers_parse(struct str text, const char *file, struct peers **ret, struct err *err)
{
    CLEANUP(yaml_freep) struct yaml *y = NULL;

    if (yaml_parse(text, file, &y, err) != OK || load_tree(y, ret, err) != OK) {
        if (err->rc == E_LIMIT || err->rc == E_PARSE)
            err->rc = E_CONFIG; /* whatever is wrong in the file, it is the configuration */
        return err->rc;
    }
    return OK;
}

enum rc peers_load(const char *path, struct config *ret_config, struct peers **ret, struct err *err)
{
    CLEANUP(mem_freep) char *text = NULL;
    struct config c;
    size_t n = 0;

    if (path && file_read(path, YAML_BYTES_MAX, &text, &n, err) != OK)
        return err->rc;
    const struct str all = {text ? text : "", n};
    config_defaults(&c);
    if (path && config_parse(all, path, &c, err) != OK)
        return err->rc;
    if (peers_parse(all, path ? path : "the defaults", ret, err) != OK)
        return err->rc;
    *ret_config = c;
    return OK;
}

void peers_free(struct peers *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_scrape; i++)
        spec_done(scrape_keys, &p->scrape[i]);
    for (size_t i = 0; i < p->n_prometheus; i++)
        spec_done(prometheus_keys, &p->prometheus[i]);
    spec_done(remote_write_keys, &p->remote_write);
    spec_done(alertmanager_keys, &p->alertmanager);
    spec_done(write_keys, &p->write);
    mem_free(p->scrape);
    mem_free(p->prometheus);
    mem_free(p);
}

static void print_entry(const char *name, const struct spec_key *keys, const void *at,
                        struct buf *out)
{
    buf_printf(out, "  - %s:\n", name);
    spec_print(keys, at, 6, out);
}

void peers_print_sources(const struct peers *p, struct buf *out)
{
    for (size_t i = 0; i < p->n_scrape; i++)
        print_entry("scrape", scrape_keys, &p->scrape[i], out);
    for (size_t i = 0; i < p->n_prometheus; i++)
        print_entry("prometheus", prometheus_keys, &p->prometheus[i], out);
    if (p->remote_write.enabled)
        print_entry("remote_write", remote_write_keys, &p->remote_write, out);
}

void peers_print_receivers(const struct peers *p, struct buf *out)
{
    if (p->alertmanager.urls.n) {
        buf_puts(out, "alerts:\n  alertmanager:\n");
        spec_print(alertmanager_keys, &p->alertmanager, 4, out);
    }
    if (p->write.url) {
        buf_puts(out, "write:\n");
        spec_print(write_keys, &p->write, 2, out);
    }
}
