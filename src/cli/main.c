/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/report.h"
#include "cli/verb.h"

static const struct verb *const verbs[] = {
    &verb_run,    &verb_train,  &verb_tune,   &verb_score,        &verb_evaluate, &verb_explain,
    &verb_replay, &verb_check,  &verb_status, &verb_drill,        &verb_sample,   &verb_mark,
    &verb_models, &verb_import, &verb_export, &verb_import_model, NULL,
};

static void print_help(FILE *out)
{
    fputs("tocsin - learns what normal looks like on this machine, and rings when it is not\n\n"
          "usage: tocsin VERB [OPTION...]\n\n",
          out);
    for (size_t i = 0; verbs[i]; i++)
        fprintf(out, "  %-12s %s\n", verbs[i]->name, verbs[i]->summary);
    fputs("\nTry `tocsin VERB --help`, or `tocsin run` to start watching this machine.\n", out);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_FINE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        puts("tocsin " TOCSIN_VERSION);
        return EXIT_FINE;
    }
    for (size_t i = 0; verbs[i]; i++)
        if (strcmp(argv[1], verbs[i]->name) == 0)
            return verbs[i]->run(argc - 1, argv + 1);
    fprintf(stderr, "tocsin: '%s' is not a verb; `tocsin --help` lists them\n", argv[1]);
    return EXIT_USAGE;
}

/* What was printed must have arrived, whatever printed it: a full disk is trouble. */
int main(int argc, char **argv)
{
    struct err err;

    const int code = dispatch(argc, argv);
    if (code == EXIT_TROUBLE || report_flush(&err) == OK)
        return code; /* trouble has said its sentence */
    return verb_fail(&err);
}
