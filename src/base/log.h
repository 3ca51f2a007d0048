/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>

/* log - one line an event on stderr: logfmt, JSON, or plain words for a terminal. Only daemon/
 * logs; config/ knows the names of levels and formats.
 *
 *   log_event(LOG_WARN, "store failed", "err", err.msg, "path", path, NULL);
 *   ts=2026-01-02T03:04:05.678Z level=warn msg="store failed" err="disk full" path=/x
 *   03:04:05 warn  store failed (err disk full, path /x)              LOG_PLAIN, local time
 *
 * Keys follow logfmt as Prometheus writes it; values are quoted when needed, control bytes
 * escaped. A line is one write(2), so threads do not tear it. Thread: any. */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON, LOG_PLAIN };

/* At any time. Before it: LOG_INFO, LOG_LOGFMT. */
void log_init(enum log_level least, enum log_format format);
bool log_enabled(enum log_level level);

/* Pairs of const char *key, *value, closed by NULL. */
void log_event(enum log_level level, const char *msg, ...) __attribute__((sentinel));
