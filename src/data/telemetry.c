/* SPDX-License-Identifier: Apache-2.0 */
#include "data/telemetry.h"

#define INCIDENTS "tocsin_incidents_total"
#define INCIDENTS_HELP                                                                             \
    "Incidents, by the tier that they came to: one that is raised to page counts in both."
#define TRAININGS "tocsin_trainings_total"
#define TRAININGS_HELP "Trainings of a model, by result."
#define PROMOTIONS "tocsin_promotions_total"
#define PROMOTIONS_HELP "Models that were trained anew and judged beside the live one, by result."
#define DROPPED "tocsin_dropped_total"
#define DROPPED_HELP "What was refused or thrown away, by reason."
#define DISCONTINUITIES "tocsin_discontinuities_total"
#define DISCONTINUITIES_HELP "Breaks in time that were recognised, by kind."
#define NOTIFICATIONS "tocsin_notifications_total"
#define NOTIFICATIONS_HELP "Alerts to each receiver, refreshes counted too, by what came of it."
#define RELOADS "tocsin_config_reloads_total"
#define RELOADS_HELP "Reloads of the configuration, by result."
#define PUSHES "tocsin_remote_write_requests_total"
#define PUSHES_HELP "Bodies that senders pushed by remote write, by result."
#define PUSHED "tocsin_remote_write_samples_total"
#define PUSHED_HELP "Samples of such bodies, by what became of them."
#define WRITTEN "tocsin_scores_written_total"
#define WRITTEN_HELP "Samples of scores written back by remote write, by result."
#define SCRAPES "tocsin_scrapes_total"
#define SCRAPES_HELP                                                                               \
    "Scrapes, by result: failed had no good answer, dropped one that was not taken, late were "    \
    "left out."

const struct telemetry_row telemetry_rows[TEL_COUNT] = {
    [TEL_TICKS] = {"tocsin_collections_total", "", "Collections of samples that worked."},
    [TEL_SAMPLES] = {"tocsin_samples_total", "", "Samples collected."},
    [TEL_COLLECT_ERRORS] = {"tocsin_collect_errors_total", "",
                            "Parts of a collection that failed."},
    [TEL_FRAMES] = {"tocsin_frames_total", "", "Frames of features evaluated."},
    [TEL_SCORES] = {"tocsin_scores_total", "", "Frames scored by a model."},
    [TEL_ANOMALOUS] = {"tocsin_anomalous_scores_total", "", "Scores over their threshold."},
    [TEL_INCIDENTS] = {INCIDENTS, "tier=\"page\"", INCIDENTS_HELP},
    [TEL_OBSERVED] = {INCIDENTS, "tier=\"observe\"", INCIDENTS_HELP},
    [TEL_MAINTAINED] = {INCIDENTS, "tier=\"maintenance\"", INCIDENTS_HELP},
    [TEL_TRAININGS] = {TRAININGS, "result=\"ok\"", TRAININGS_HELP},
    [TEL_TRAININGS_FAILED] = {TRAININGS, "result=\"failed\"", TRAININGS_HELP},
    [TEL_TRAININGS_SKIPPED] = {TRAININGS, "result=\"skipped\"", TRAININGS_HELP},
    [TEL_PROMOTED] = {PROMOTIONS, "result=\"promoted\"", PROMOTIONS_HELP},
    [TEL_REJECTED] = {PROMOTIONS, "result=\"rejected\"", PROMOTIONS_HELP},
    [TEL_DROPPED_SHARD_FULL] = {DROPPED, "reason=\"shard_queue_full\"", DROPPED_HELP},
    [TEL_DROPPED_STORE_FULL] = {DROPPED, "reason=\"store_queue_full\"", DROPPED_HELP},
    [TEL_DROPPED_OUT_OF_ORDER] = {DROPPED, "reason=\"out_of_order\"", DROPPED_HELP},
    [TEL_DROPPED_SERIES_LIMIT] = {DROPPED, "reason=\"series_limit\"", DROPPED_HELP},
    [TEL_DROPPED_NO_MEMORY] = {DROPPED, "reason=\"no_memory\"", DROPPED_HELP},
    [TEL_DROPPED_STORE_FAILED] = {DROPPED, "reason=\"store_failed\"", DROPPED_HELP},
    [TEL_STORE_COMMITS] = {"tocsin_store_commits_total", "", "Transactions committed."},
    [TEL_STORE_ERRORS] = {"tocsin_store_errors_total", "", "Writes to the store that failed."},
    [TEL_STORE_PRUNED] = {"tocsin_store_pruned_rows_total", "",
                          "Rows deleted because of their age or the size of the store."},
    [TEL_CLOCK_JUMP] = {DISCONTINUITIES, "kind=\"clock_jump\"", DISCONTINUITIES_HELP},
    [TEL_CLOCK_STOPPED] = {DISCONTINUITIES, "kind=\"clock_stopped\"", DISCONTINUITIES_HELP},
    [TEL_SUSPENDED] = {DISCONTINUITIES, "kind=\"suspended\"", DISCONTINUITIES_HELP},
    [TEL_REBOOTED] = {DISCONTINUITIES, "kind=\"rebooted\"", DISCONTINUITIES_HELP},
    [TEL_GAP] = {DISCONTINUITIES, "kind=\"gap\"", DISCONTINUITIES_HELP},
    [TEL_RELOADS] = {RELOADS, "result=\"ok\"", RELOADS_HELP},
    [TEL_RELOADS_FAILED] = {RELOADS, "result=\"failed\"", RELOADS_HELP},
    [TEL_NOTIFIED] = {NOTIFICATIONS, "receiver=\"alertmanager\",result=\"sent\"",
                      NOTIFICATIONS_HELP},
    [TEL_NOTIFY_FAILED] = {NOTIFICATIONS, "receiver=\"alertmanager\",result=\"failed\"",
                           NOTIFICATIONS_HELP},
    [TEL_NOTIFY_REFUSED] = {NOTIFICATIONS, "receiver=\"alertmanager\",result=\"refused\"",
                            NOTIFICATIONS_HELP},
    [TEL_NOTIFY_DROPPED] = {NOTIFICATIONS, "receiver=\"alertmanager\",result=\"dropped\"",
                            NOTIFICATIONS_HELP},
    [TEL_HTTP_REQUESTS] = {"tocsin_http_requests_total", "", "HTTP requests answered."},
    [TEL_HTTP_REFUSED] = {"tocsin_http_refused_total", "",
                          "HTTP requests answered with a 4xx or 5xx status."},
    [TEL_PUSHES] = {PUSHES, "result=\"taken\"", PUSHES_HELP},
    [TEL_PUSHES_PARTLY] = {PUSHES, "result=\"partly\"", PUSHES_HELP},
    [TEL_PUSHES_REFUSED] = {PUSHES, "result=\"refused\"", PUSHES_HELP},
    [TEL_PUSHES_FULL] = {PUSHES, "result=\"full\"", PUSHES_HELP},
    [TEL_PUSHED] = {PUSHED, "result=\"taken\"", PUSHED_HELP},
    [TEL_PUSHED_UNWANTED] = {PUSHED, "result=\"unwanted\"", PUSHED_HELP},
    [TEL_PUSHED_LATE] = {PUSHED, "result=\"late\"", PUSHED_HELP},
    [TEL_PUSHED_CONFLICTING] = {PUSHED, "result=\"conflicting\"", PUSHED_HELP},
    [TEL_PUSHED_FUTURE] = {PUSHED, "result=\"future\"", PUSHED_HELP},
    [TEL_PUSHED_REFUSED] = {PUSHED, "result=\"refused\"", PUSHED_HELP},
    [TEL_PUSHED_INVALID] = {PUSHED, "result=\"invalid\"", PUSHED_HELP},
    [TEL_PUSHED_HISTOGRAMS] = {PUSHED, "result=\"histogram\"", PUSHED_HELP},
    [TEL_WRITTEN] = {WRITTEN, "result=\"sent\"", WRITTEN_HELP},
    [TEL_WRITTEN_REFUSED] = {WRITTEN, "result=\"refused\"", WRITTEN_HELP},
    [TEL_WRITTEN_DROPPED] = {WRITTEN, "result=\"dropped\"", WRITTEN_HELP},
    [TEL_WRITE_RETRIES] = {"tocsin_score_write_retries_total", "",
                           "Times that scores had to be sent again."},
    [TEL_SCRAPES] = {SCRAPES, "result=\"ok\"", SCRAPES_HELP},
    [TEL_SCRAPES_FAILED] = {SCRAPES, "result=\"failed\"", SCRAPES_HELP},
    [TEL_SCRAPES_DROPPED] = {SCRAPES, "result=\"dropped\"", SCRAPES_HELP},
    [TEL_SCRAPES_LATE] = {SCRAPES, "result=\"late\"", SCRAPES_HELP},
};
