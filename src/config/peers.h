/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "config/config.h"
#include "data/source_spec.h"

/* peers - the part of the configuration file that names other programs: sources beside this
 * machine, and receivers of alerts and scores
 *
 *   sources:
 *     - scrape: {job: node, targets: ["db1:9100"]}
 *     - prometheus: {url: "http://localhost:9090"}
 *     - remote_write: {}
 *   alerts: {alertmanager: {urls: ["http://localhost:9093"]}}
 *   write: {url: "http://localhost:8428/api/v1/write"}
 *
 * Apart from struct config, which is a plain value: this owns texts and lists. With no `sources`,
 * the machine itself is watched; with some, it is when `host` is among them. Thread: immutable once
 * loaded. */
struct peers {
    bool host; /* watch this machine */
    size_t n_scrape, n_prometheus;
    struct scrape_spec *scrape;         /* [n_scrape] */
    struct prometheus_spec *prometheus; /* [n_prometheus] */
    struct remote_write_spec remote_write;
    struct alertmanager_spec alertmanager; /* urls.n 0: none */
    struct write_spec write;               /* url NULL: none */
    uint64_t hash;                         /* of all of it: another, and something changed */
};

enum { PEERS_MAX = 64 }; /* sources of one kind */

/* The whole file, read once (it may be a pipe): *ret_config as config_load, and its peers. NULL for
 * path: the defaults, this machine alone. As config_load fails, with nothing written. */
MUST_CHECK enum rc peers_load(const char *path, struct config *ret_config, struct peers **ret,
                              struct err *err);
/* As config_parse. */
MUST_CHECK enum rc peers_parse(struct str text, const char *file, struct peers **ret,
                               struct err *err);
void peers_free(struct peers *p); /* NULL is fine */
static inline void peers_freep(struct peers **p)
{
    peers_free(*p);
}

/* config_print's places for it: entries below "sources:", and sections after all others. Secrets
 * are printed as <secret>. */
void peers_print_sources(const struct peers *p, struct buf *out);
void peers_print_receivers(const struct peers *p, struct buf *out);

extern const char *const peers_sections[]; /* top-level keys beside `sources`; closed by NULL */
struct yaml;
/* All of it is right in this file. E_CONFIG with its place, E_NOMEM. */
MUST_CHECK enum rc peers_check(const struct yaml *y, struct err *err);
