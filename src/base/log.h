/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>

/* log - one line an event on stderr: logfmt or JSON. Only daemon/ and cli/ include this.
 *
 *   log_event(LOG_WARN, "store failed", "err", err.msg, "path", path, NULL);
 *   ts=2026-01-02T03:04:05.678Z level=warn msg="store failed" err="disk full" path=/x
 *
 * Keys follow logfmt as Prometheus writes it; values are quoted when needed, control bytes
 * escaped. A line is one write(2), so threads do not tear it. Thread: any, after log_init. */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

void log_init(enum log_level least, enum log_format format); /* before threads start */
bool log_enabled(enum log_level level);

/* Pairs of const char *key, *value, closed by NULL. */
void log_event(enum log_level level, const char *msg, ...) __attribute__((sentinel));

bool log_level_parse(const char *s, enum log_level *ret);
bool log_format_parse(const char *s, enum log_format *ret);
