/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "data/settings.h"
#include "data/verdict.h"

/* config - the one configuration file, as a plain struct
 *
 * With no file, the defaults watch this machine. A file says only what differs. All scalar keys
 * are rows of one table (config_keys.c): path, type, limits, default, help; loading, printing,
 * command-line overrides and the manual page come from it. `${NAME}` in a scalar comes from the
 * environment (E_CONFIG when it is not set). Thread: immutable once loaded. */

enum { CONFIG_TEXT_MAX = 512 };

struct config {
    char listen[CONFIG_TEXT_MAX]; /* HOST:PORT */
    char data_dir[CONFIG_TEXT_MAX];
    char profile[CONFIG_TEXT_MAX]; /* a built-in name or a path */
    struct {                       /* sources: - host: {…} */
        int64_t interval_ms;
        char instance[INSTANCE_MAX]; /* label; "" = the machine's node name */
        char procfs[CONFIG_TEXT_MAX], sysfs[CONFIG_TEXT_MAX], rootfs[CONFIG_TEXT_MAX];
    } host;
    char share[GROUP_NAME_MAX]; /* model: entities with one value of this label have one; "" = none
                                 */
    struct learn_spec learn;
    struct retrain_spec retrain; /* learn: retrain, window, quarantine */
    struct threshold_spec threshold;
    struct confirm_spec confirm;
    int64_t expire_ms; /* an entity that has been silent for so long is forgotten */
    struct {
        int64_t max_age_ms;
        uint64_t max_size_bytes;
    } retention;
    struct {
        enum log_level level;
        enum log_format format;
    } log;
};

/* Defaults; data_dir is /var/lib/tocsin as root, else $XDG_STATE_HOME/tocsin or
 * $HOME/.local/state/tocsin, else "" (config_validate refuses that). */
void config_defaults(struct config *ret);

/* Defaults overlaid with the file; *ret is written only on success. E_IO, E_CONFIG with
 * FILE:LINE:COLUMN, E_LIMIT (a file far too long), E_NOMEM. The result is valid. */
MUST_CHECK enum rc config_load(const char *path, struct config *ret, struct err *err);
MUST_CHECK enum rc config_parse(struct str text, const char *file, struct config *ret,
                                struct err *err);

/* Puts FILE:LINE:COLUMN of a key's value before an error that another stage has with that value;
 * nothing when the file does not have the key. */
void config_tell_place(const char *path, const char *key, struct err *err);

/* No setting contradicts another, none is missing: for defaults and after config_set. E_CONFIG. */
MUST_CHECK enum rc config_validate(const struct config *c, struct err *err);

/* One key from the command line, as "learn.for" and "2m", "sources.host.interval", "model.layers"
 * and "14,8,14", "threshold" and "fixed:0.2"; messages begin with `where` ("--learn"). E_CONFIG. */
MUST_CHECK enum rc config_set(struct config *c, const char *key, const char *value,
                              const char *where, struct err *err);

/* The whole configuration as YAML that config_load reads back to the same values (but for secrets),
 * each key with its help as a comment; p NULL: no peers, this machine alone. */
struct peers;
void config_print(const struct config *c, const struct peers *p, struct buf *out);

/* The value of one key of the table ("model.layers") as YAML: "[14, 8, 14]". */
void config_format(const struct config *c, const char *key, struct buf *out);

/* "budget:2/week", "percentile:99.5", "sigma:3", "fixed:0.1998", "auto": the command line's form of
 * a threshold. */
MUST_CHECK enum rc config_parse_threshold(const char *s, struct threshold_spec *ret,
                                          struct err *err);
/* "14,8,4,8,14" */
MUST_CHECK enum rc config_parse_layers(const char *s, struct learn_spec *ret, struct err *err);
