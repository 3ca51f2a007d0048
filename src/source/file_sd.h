/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "data/source_spec.h"

/* file_sd - targets that files name, in Prometheus's format (file_sd_config)
 *
 *   [{"targets": ["db1:9100", "db2:9100"], "labels": {"rack": "3"}}]        .json, or as YAML
 *
 * A pattern is a path that ends in .json, .yml or .yaml (or in capitals); its last part may have
 * '*' and '?' in it. Files are looked at again when asked to; one that has changed is read anew.
 * What is broken keeps the targets that it had while it was not, and is said once.
 *
 * Unlike Prometheus: no anchors and aliases in YAML, and limits below.
 * Thread: its holder's. Source: prometheus.io/docs/prometheus/latest/configuration/configuration,
 * file_sd_config; prometheus/prometheus 2.42, discovery/file/file.go. */

enum {
    FILE_SD_BYTES_MAX = 16 << 20, /* of a JSON file; YAML_BYTES_MAX of a YAML one */
    FILE_SD_FILES_MAX = 1024,     /* that patterns match */
    FILE_SD_TARGETS_MAX = 65536,  /* of one file */
    FILE_SD_LABELS_MAX = 64,      /* of one group */
};

struct file_sd_group {
    struct text_list targets;
    size_t n_labels;
    struct label_text *labels;
};

struct file_sd_list {
    size_t n;
    struct file_sd_group *v;
};

void file_sd_list_done(struct file_sd_list *l);

/* A file's content; its name says the format and is in front of messages. On success *ret is to be
 * freed by file_sd_list_done. E_PARSE, E_CONFIG, E_LIMIT, E_NOMEM. */
MUST_CHECK enum rc file_sd_parse(struct str text, const char *file, struct file_sd_list *ret,
                                 struct err *err);

struct file_sd;

/* Copies the patterns; reads nothing yet. E_CONFIG: one is no pattern. E_NOMEM. */
MUST_CHECK enum rc file_sd_open(const struct text_list *patterns, struct file_sd **ret,
                                struct err *err);
void file_sd_close(struct file_sd *s); /* NULL is fine */

/* Look again; true when some targets may have changed. say: gets a sentence for each file that
 * cannot be read or parsed, once until it changes again. */
bool file_sd_poll(struct file_sd *s, void (*say)(void *arg, const char *sentence), void *arg);

size_t file_sd_files(const struct file_sd *s);
/* Valid until the next poll. */
const struct file_sd_list *file_sd_at(const struct file_sd *s, size_t i);
