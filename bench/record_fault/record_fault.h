/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/drill_fault.h"

/* record_fault - faults of any strength for bench/record, beside those of `tocsin drill`
 *
 * Each body carries out a plan whose figures come from the command line, runs in a process of its
 * own until it is killed, and leaves nothing behind (`inodes`: at most plan->n files in plan->dir,
 * which is the caller's to remove). What n, bytes and bytes_a_second (here: any rate) mean is in
 * the table of main.c. A rate of 0 is no limit. */

/* work.c: processor, memory, scheduler */
enum rc record_spin(const struct drill_plan *plan, struct err *err);
enum rc record_leak(const struct drill_plan *plan, struct err *err);
enum rc record_page_faults(const struct drill_plan *plan, struct err *err);
enum rc record_timers(const struct drill_plan *plan, struct err *err);
enum rc record_switches(const struct drill_plan *plan, struct err *err);
enum rc record_processes(const struct drill_plan *plan, struct err *err);

/* disk.c */
enum rc record_write(const struct drill_plan *plan, struct err *err);
enum rc record_read(const struct drill_plan *plan, struct err *err);
enum rc record_fsync(const struct drill_plan *plan, struct err *err);
enum rc record_inodes(const struct drill_plan *plan, struct err *err);

/* tcp.c */
enum rc record_connections(const struct drill_plan *plan, struct err *err);
enum rc record_churn(const struct drill_plan *plan, struct err *err);
enum rc record_refused(const struct drill_plan *plan, struct err *err);

/* drill_pace, that knows no limit when the rate is 0. */
void record_pace(uint64_t started_ns, double done, double a_second);

/* Runs work(plan) in plan->n threads, each with a plan whose rate is its share; returns on failure
 * only: E_STATE when a thread could not be started or its work ended. */
MUST_CHECK enum rc record_threads(const struct drill_plan *plan,
                                  enum rc (*work)(const struct drill_plan *share, struct err *err),
                                  struct err *err);
