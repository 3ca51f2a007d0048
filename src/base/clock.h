/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

/* clock - reads the system's clocks. Only base/log and base/queue, sources, serve/, daemon/ and
 * cli/ call it: every other stage takes time as a parameter, so that a replay of a day is a
 * second's work. Thread: any. */

int64_t clock_wall_ms(void); /* Unix time */
int64_t clock_mono_ms(void); /* CLOCK_MONOTONIC: stands still while suspended */
int64_t clock_boot_ms(void); /* CLOCK_BOOTTIME: goes on while suspended */
uint64_t clock_mono_ns(void);
uint64_t clock_thread_cpu_ns(void);
