/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* accept - which exposition format a scraper asks for (RFC 9110, 12.5.1)
 *
 * OpenMetrics 1.0 when application/openmetrics-text (version 1.0.0, 0.0.1 or none) has a quality
 * above 0 and not below that of text/plain; the classic text format for all else, also for a
 * header that is missing or malformed, as Prometheus's own exporters do. Pure. Thread: any. */
enum exposition { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };

enum exposition accept_exposition(struct str header);
