/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

/* process - what this process costs, from /proc/self and the kernel's clocks. Thread: any. */
struct process_cost {
    double cpu_seconds;
    uint64_t resident_bytes, virtual_bytes, open_fds, max_fds; /* 0 = the system would not say */
};

void process_cost(struct process_cost *ret);

/* When this process was started, Unix ms, by the wall clock as it stands now. */
int64_t process_start_ms(int64_t now_ms);
