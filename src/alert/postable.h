/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "alert/alert.h"
#include "data/source_spec.h"

/* postable - alerts as Alertmanager takes them: the body of a POST to /api/v2/alerts
 *
 * Source: Alertmanager's api/v2/openapi.yaml, postableAlerts. Alertmanager knows an alert by its
 * labels, so they are the same from an incident's beginning to its end; what changes (score,
 * causes) stands in annotations. labels       alertname TocsinAnomaly, instance, kind (departure,
 * slow), severity (warning, info) and those of the spec, which may set another severity annotations
 * summary, description, causes, score, threshold endsAt       the end; while open ts_ms +
 * POSTABLE_VALID_RESENDS resends, so that the alert ends by itself when nobody refreshes it
 * (Prometheus: rules/alerting.go, ValidUntil) Pure. Thread: any. */

enum { POSTABLE_VALID_RESENDS = 4 };

struct postable {
    const struct alertmanager_spec *spec;
    const char *page; /* where tocsin's page is when the spec has no external_url */
};

/* Labels that cannot be sent or are tocsin's own, and a resend that is none: E_CONFIG. */
MUST_CHECK enum rc postable_check(const struct alertmanager_spec *spec, struct err *err);
int64_t postable_resend_ms(const struct alertmanager_spec *spec); /* of the spec, or a minute */

/* "[" then alerts, then "]"; `first` says which. Appends to out, which fails for want of memory. */
void postable_add(const struct postable *p, const struct alert *a, int64_t ts_ms, bool first,
                  struct buf *out);
