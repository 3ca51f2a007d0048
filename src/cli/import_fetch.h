/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/import_options.h"
#include "cli/import_rows.h"
#include "source/prom_answer.h"

/* import_fetch - what `tocsin import` asks of a server: who is there, and one machine's rows
 *
 * Trouble that passes is told on standard error (a line each, none twice in a row) and waited out.
 * SIGINT and SIGTERM end it: E_STATE, and nothing half-written is left. Thread: main. */

struct import_fetch_counts {
    uint64_t requests, retries, halvings, missing, warnings;
};

struct import_fetch;

/* o is lent. E_CONFIG, E_NOMEM. */
MUST_CHECK enum rc import_fetch_open(const struct import_options *o, struct import_fetch **ret,
                                     struct err *err);
void import_fetch_close(struct import_fetch *f); /* NULL is fine */
static inline void import_fetch_closep(struct import_fetch **f)
{
    import_fetch_close(*f);
}

/* The machines with series of the profile in the span; the caller owns *ret. */
MUST_CHECK enum rc import_fetch_who(struct import_fetch *f, struct prom_names *ret,
                                    struct err *err);
/* Machine k of n, to the file at path; a span without any value is E_STATE and leaves no file. */
MUST_CHECK enum rc import_fetch_machine(struct import_fetch *f, const char *instance,
                                        const char *path, size_t k, size_t n,
                                        struct import_summary *ret, struct err *err);

/* Whether no signal has come to end it. */
bool import_fetch_goes_on(void);
const struct profile *import_fetch_profile(const struct import_fetch *f);
struct import_fetch_counts import_fetch_count(const struct import_fetch *f);
