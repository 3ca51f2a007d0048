/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "fuzz.h"

/* Runs a fuzz target without libFuzzer, under any compiler: each file of a corpus as it is, then
 * cut short and with bytes changed, the same way every time. */

enum { FILE_MAX = 16 << 20, CUTS = 16, CHANGES = 64 };

/* In a block of exactly that size, so that AddressSanitizer sees a read past its end. */
static void run(const char *p, size_t n)
{
    uint8_t *copy = calloc(n ? n : 1, 1);

    promise(copy != NULL, "memory for the input");
    if (n)
        memcpy(copy, p, n);
    (void)LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void run_mutations(char *p, size_t n)
{
    struct rng rng;

    rng_init(&rng, n);
    for (int i = 0; i < CUTS && n; i++)
        run(p, rng_below(&rng, (uint32_t)n));
    for (int i = 0; i < CHANGES && n; i++) {
        const size_t at = rng_below(&rng, (uint32_t)n);
        const char old = p[at];
        p[at] = (char)rng_u64(&rng);
        run(p, n);
        if (i % 2) /* let changes add up half the time */
            p[at] = old;
    }
}

static void replay(const char *path)
{
    CLEANUP(mem_freep) char *p = NULL;
    struct err err;
    size_t n;

    fprintf(stderr, "%s\n", path); /* the last line names the input of a crash */
    if (file_read(path, FILE_MAX, &p, &n, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    run(p, n);
    run_mutations(p, n);
}

int main(int argc, char **argv)
{
    struct dirent **names;
    char path[4096];
    int files = 0;

    for (int i = 1; i < argc; i++) {
        const int n = scandir(argv[i], &names, NULL, alphasort);
        if (n < 0) {
            fprintf(stderr, "%s: not a folder\n", argv[i]);
            return 1;
        }
        for (int k = 0; k < n; k++) {
            if (names[k]->d_name[0] != '.') {
                (void)snprintf(path, sizeof path, "%s/%s", argv[i], names[k]->d_name);
                replay(path);
                files++;
            }
            free(names[k]);
        }
        free(names);
    }
    run("", 0);
    if (files == 0)
        fprintf(stderr, "no corpus\n");
    return files ? 0 : 1;
}
