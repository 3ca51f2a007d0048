/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* source_spec - the settings of sources and receivers other than this machine, as plain values
 *
 * Filled by config/ or the command line, consumed by source/ and alert/. Texts are owned by the
 * spec, NULL = not given. Thread: values, immutable once filled. */

/* How an HTTP server is reached, with Prometheus's names (http_config, tls_config). */
struct http_access {
    char *username, *password; /* basic_auth */
    char *password_file;       /* read at each request: secrets rotate */
    char *bearer_token;        /* authorization: credentials */
    char *bearer_token_file;   /* authorization: credentials_file */
    char *ca_file, *cert_file, *key_file, *server_name;
    bool insecure_skip_verify;
    int64_t timeout_ms; /* of one request as a whole */
};

struct text_list {
    size_t n;
    char **v;
};

struct label_text {
    char *name, *value;
};

/* - scrape: {job: node, interval: 15s, targets: ["db1:9100"]} */
struct scrape_spec {
    char *job;
    int64_t interval_ms; /* timeout_ms of access: at most this */
    char *scheme;        /* "http", "https" */
    char *path;          /* "/metrics" */
    char *params;        /* query string without '?', or NULL */
    bool honor_labels;
    uint64_t body_limit;      /* bytes, after decompression */
    struct text_list targets; /* HOST:PORT */
    struct text_list file_sd; /* patterns of files with Prometheus's file_sd content */
    struct http_access access;
};

/* - prometheus: {url: "http://localhost:9090", interval: 15s, backfill: 7d} */
struct prometheus_spec {
    char *url; /* may have a path, for a tenant or a proxy */
    int64_t interval_ms, backfill_ms;
    char *entity_label; /* "instance" */
    char *match;        /* label matchers put into every selector, as job="node", or NULL */
    struct http_access access;
};

/* - remote_write: {} : a receiver at /api/v1/write on the daemon's own address */
struct remote_write_spec {
    bool enabled;
    int64_t interval_ms; /* of the ticks that samples are put together into */
    char *entity_label;
    uint64_t body_limit; /* bytes, after decompression */
};

/* alerts: alertmanager: {urls: [...], labels: {...}} */
struct alertmanager_spec {
    struct text_list urls; /* every member of the cluster gets each alert */
    size_t n_labels;
    struct label_text *labels; /* added to every alert */
    int64_t resend_ms;         /* while firing (Prometheus's rules.alert.resend-delay: 1m) */
    char *
        external_url; /* where the page can be opened, for generatorURL; NULL: the listen address */
    struct http_access access;
};

/* write: {url: ...}: scores written back by remote write */
struct write_spec {
    char *url;
    struct label_text *labels;
    size_t n_labels;
    struct http_access access;
};
