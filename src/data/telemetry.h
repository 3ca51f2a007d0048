/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

/* telemetry - tocsin's own counters: nothing is lost silently
 *
 * One fixed table: each row is one Prometheus counter series, named in telemetry.c.
 * Thread: any thread adds; readers see a moment's value. */

enum telemetry_id {
    TEL_TICKS,                /* tocsin_collections_total */
    TEL_SAMPLES,              /* tocsin_samples_total */
    TEL_COLLECT_ERRORS,       /* tocsin_collect_errors_total */
    TEL_FRAMES,               /* tocsin_frames_total */
    TEL_SCORES,               /* tocsin_scores_total */
    TEL_ANOMALOUS,            /* tocsin_anomalous_scores_total */
    TEL_INCIDENTS,            /* tocsin_incidents_total{tier="page"} */
    TEL_OBSERVED,             /* ... {tier="observe"} */
    TEL_MAINTAINED,           /* ... {tier="maintenance"} */
    TEL_TRAININGS,            /* tocsin_trainings_total{result="ok"} */
    TEL_TRAININGS_FAILED,     /* tocsin_trainings_total{result="failed"} */
    TEL_TRAININGS_SKIPPED,    /* tocsin_trainings_total{result="skipped"}: too little material */
    TEL_PROMOTED,             /* tocsin_promotions_total{result="promoted"} */
    TEL_REJECTED,             /* tocsin_promotions_total{result="rejected"} */
    TEL_DROPPED_SHARD_FULL,   /* tocsin_dropped_total{reason="shard_queue_full"} */
    TEL_DROPPED_STORE_FULL,   /* tocsin_dropped_total{reason="store_queue_full"} */
    TEL_DROPPED_OUT_OF_ORDER, /* tocsin_dropped_total{reason="out_of_order"} */
    TEL_DROPPED_SERIES_LIMIT, /* tocsin_dropped_total{reason="series_limit"} */
    TEL_DROPPED_NO_MEMORY,    /* tocsin_dropped_total{reason="no_memory"} */
    TEL_DROPPED_STORE_FAILED, /* tocsin_dropped_total{reason="store_failed"} */
    TEL_STORE_COMMITS,        /* tocsin_store_commits_total */
    TEL_STORE_ERRORS,         /* tocsin_store_errors_total */
    TEL_STORE_PRUNED,         /* tocsin_store_pruned_rows_total */
    TEL_CLOCK_JUMP,           /* tocsin_discontinuities_total{kind="clock_jump"} */
    TEL_CLOCK_STOPPED,        /* ... {kind="clock_stopped"} */
    TEL_SUSPENDED,            /* ... {kind="suspended"} */
    TEL_REBOOTED,             /* ... {kind="rebooted"} */
    TEL_GAP,                  /* ... {kind="gap"}: ticks missed, the collector was late */
    TEL_RELOADS,              /* tocsin_config_reloads_total{result="ok"} */
    TEL_RELOADS_FAILED,       /* tocsin_config_reloads_total{result="failed"} */
    TEL_NOTIFIED,           /* tocsin_notifications_total{receiver="alertmanager",result="sent"} */
    TEL_NOTIFY_FAILED,      /* ... {result="failed"}: no answer or a busy one; tried again */
    TEL_NOTIFY_REFUSED,     /* ... {result="refused"}: as it is, never taken */
    TEL_NOTIFY_DROPPED,     /* ... {result="dropped"}: no room, or its end never taken */
    TEL_HTTP_REQUESTS,      /* tocsin_http_requests_total */
    TEL_HTTP_REFUSED,       /* tocsin_http_refused_total: answered 4xx or 5xx */
    TEL_PUSHES,             /* tocsin_remote_write_requests_total{result="taken"} */
    TEL_PUSHES_PARTLY,      /* ... {result="partly"}: some samples could not be taken */
    TEL_PUSHES_REFUSED,     /* ... {result="refused"}: malformed, of another type, too large */
    TEL_PUSHES_FULL,        /* ... {result="full"}: to be sent again */
    TEL_PUSHED,             /* tocsin_remote_write_samples_total{result="taken"} */
    TEL_PUSHED_UNWANTED,    /* ... {result="unwanted"}: no feature asks for their series */
    TEL_PUSHED_LATE,        /* ... {result="late"} */
    TEL_PUSHED_CONFLICTING, /* ... {result="conflicting"} */
    TEL_PUSHED_FUTURE,      /* ... {result="future"} */
    TEL_PUSHED_REFUSED,     /* ... {result="refused"}: of entities that cannot be watched */
    TEL_PUSHED_INVALID,     /* ... {result="invalid"}: their labels are not valid */
    TEL_PUSHED_HISTOGRAMS,  /* ... {result="histogram"} */
    TEL_WRITTEN,            /* tocsin_scores_written_total{result="sent"} */
    TEL_WRITTEN_REFUSED,    /* ... {result="refused"} */
    TEL_WRITTEN_DROPPED,    /* ... {result="dropped"}: the queue was full */
    TEL_WRITE_RETRIES,      /* tocsin_score_write_retries_total */
    TEL_SCRAPES,            /* tocsin_scrapes_total{result="ok"} */
    TEL_SCRAPES_FAILED,     /* ... {result="failed"}: no good answer */
    TEL_SCRAPES_DROPPED,    /* ... {result="dropped"}: a good answer that was not taken */
    TEL_SCRAPES_LATE,       /* ... {result="late"}: left out, the one before was under way */
    TEL_COUNT
};

struct telemetry {
    _Atomic uint64_t v[TEL_COUNT];
};

struct telemetry_row {
    const char *name;   /* of the family, with _total */
    const char *labels; /* "reason=\"…\"" or "" */
    const char *help;   /* one sentence, the same for rows of one family */
};

extern const struct telemetry_row telemetry_rows[TEL_COUNT]; /* rows of a family are adjacent */

static inline void telemetry_add(struct telemetry *t, enum telemetry_id id, uint64_t n)
{
    atomic_fetch_add_explicit(&t->v[id], n, memory_order_relaxed);
}
static inline uint64_t telemetry_get(const struct telemetry *t, enum telemetry_id id)
{
    return atomic_load_explicit(&t->v[id], memory_order_relaxed);
}
