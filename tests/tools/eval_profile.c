/* SPDX-License-Identifier: Apache-2.0 */
/* eval_profile - evaluate a profile on samples from standard input, for tests against a server
 *
 *   eval_profile PROFILE INTERVAL_MS promql    prints "NAME TAB EXPRESSION" for each base feature
 *   eval_profile PROFILE INTERVAL_MS promql_by LABEL    prints the same for all entities at once,
 *     "NAME TAB !SENTENCE" where it cannot be
 *   eval_profile PROFILE INTERVAL_MS           reads lines, with tabs between their words:
 *     S NAME [LABEL VALUE]...   a series; they are numbered from 0
 *     T TIME_MS                 a tick begins; series without a sample in it are absent
 *     V NUMBER VALUE            a sample of it
 *     E TIME_MS                 take the tick, print "TIME_MS TAB VALUE..." of all base features */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/series.h"
#include "feature/evaluator_value.h"
#include "feature/expr_by.h"

enum { WORDS_MAX = 2 + 2 * SERIES_LABELS_MAX };

struct tool {
    struct profile *profile;
    struct evaluator *evaluator;
    struct series_set *set;
    struct snapshot *tick;
    struct err err;
};

static enum rc bad(struct tool *t, const char *what)
{
    return err_set(&t->err, E_PARSE, "expected %s", what);
}

static enum rc add_series(struct tool *t, char **word, size_t n)
{
    struct label labels[SERIES_LABELS_MAX];
    uint32_t id;

    if (n < 2 || n % 2 != 0)
        return bad(t, "S NAME [LABEL VALUE]...");
    for (size_t i = 2; i < n; i += 2)
        labels[i / 2 - 1] = (struct label){str_of(word[i]), str_of(word[i + 1])};
    return series_set_intern(t->set, str_of(word[1]), labels, n / 2 - 1, METRIC_UNTYPED, &id,
                             &t->err);
}

static enum rc begin(struct tool *t, char **word, size_t n)
{
    int64_t ts_ms;

    if (n != 2 || !str_to_i64(str_of(word[1]), &ts_ms))
        return bad(t, "T TIME_MS");
    snapshot_free(t->tick);
    t->tick = snapshot_new(t->set, ts_ms);
    return t->tick ? OK : err_set(&t->err, E_NOMEM, "no memory");
}

static enum rc sample(struct tool *t, char **word, size_t n)
{
    uint64_t id;

    if (n != 3 || !t->tick || !str_to_u64(str_of(word[1]), &id) || id >= t->tick->n ||
        !str_to_double(str_of(word[2]), &t->tick->v[id]))
        return bad(t, "V NUMBER VALUE in a tick");
    return OK;
}

static enum rc evaluate(struct tool *t, char **word, size_t n)
{
    double base[SCHEMA_FEATURES_MAX];
    int64_t ts_ms;

    if (n != 2 || !str_to_i64(str_of(word[1]), &ts_ms))
        return bad(t, "E TIME_MS");
    if (t->tick && evaluator_push(t->evaluator, t->tick, &t->err) != OK)
        return t->err.rc;
    snapshot_free(t->tick);
    t->tick = NULL;
    evaluator_eval(t->evaluator, ts_ms, base);
    printf("%lld", (long long)ts_ms);
    for (size_t i = 0; i < profile_base_count(t->profile); i++)
        printf("\t%.17g", evaluator_value(t->evaluator, i));
    printf("\n");
    return OK;
}

static enum rc line(struct tool *t, char *text)
{
    char *word[WORDS_MAX];
    size_t n = 0;

    text[strcspn(text, "\n")] = '\0';
    for (char *w = text; w && n < WORDS_MAX;)
        word[n++] = strsep(&w, "\t");
    if (strcmp(word[0], "S") == 0)
        return add_series(t, word, n);
    if (strcmp(word[0], "T") == 0)
        return begin(t, word, n);
    if (strcmp(word[0], "V") == 0)
        return sample(t, word, n);
    if (strcmp(word[0], "E") == 0)
        return evaluate(t, word, n);
    return bad(t, "a line that starts with S, T, V or E");
}

static enum rc run(struct tool *t)
{
    char *text = NULL;
    size_t room = 0, number = 0;
    enum rc rc = OK;

    while (rc == OK && getline(&text, &room, stdin) >= 0) {
        number++;
        rc = line(t, text);
    }
    free(text);
    return rc == OK ? OK : err_wrap(&t->err, "line %zu", number);
}

static void print_promql(const struct tool *t, const char *label)
{
    const struct expr_by by = {.label = label};

    for (size_t i = 0; i < profile_base_count(t->profile); i++) {
        const char *name = profile_schema(t->profile)->f[i].name;
        const char *plain = profile_promql(t->profile, i);
        struct err err;
        struct buf text;
        buf_init(&text, EXPR_BY_MAX);
        if (!label)
            printf("%s\t%s\n", name, plain);
        else if (expr_print_by(str_of(plain), 1, &by, &text, &err) == OK)
            printf("%s\t%s\n", name, text.p);
        else
            printf("%s\t!%s\n", name, err.msg);
        buf_done(&text);
    }
}

int main(int argc, char **argv)
{
    struct tool t = {0};
    int64_t interval_ms;
    enum rc rc;

    if (argc < 3 || !str_to_i64(str_of(argv[2]), &interval_ms) || interval_ms <= 0) {
        fprintf(stderr, "usage: eval_profile PROFILE INTERVAL_MS [promql | promql_by LABEL]\n");
        return 2;
    }
    rc = profile_load(argv[1], interval_ms, &t.profile, &t.err);
    if (rc == OK && argc > 3) {
        print_promql(&t, argc > 4 ? argv[4] : NULL);
    } else if (rc == OK) {
        rc = evaluator_new(t.profile, interval_ms, &t.evaluator, &t.err);
        if (rc == OK)
            rc = series_set_new(&t.set, &t.err);
        if (rc == OK)
            rc = run(&t);
    }
    if (rc != OK)
        fprintf(stderr, "eval_profile: %s\n", t.err.msg);
    snapshot_free(t.tick);
    evaluator_free(t.evaluator);
    series_set_unref(t.set);
    profile_free(t.profile);
    return rc != OK;
}
