/* SPDX-License-Identifier: Apache-2.0 */
/* What a Prometheus server answers: the first two bytes choose the HTTP status. */
#include "source/prom_answer.h"

#include <string.h>

#include "fuzz.h"
#include "source/prom_grid.h"

/* What an answer says of its points holds, and a grid takes them. */
static void check(const struct prom_answer *a)
{
    struct prom_grid *g = NULL;
    struct err err = {0};
    size_t points = 0;

    for (size_t i = 0; i < a->n_series; i++) {
        const struct prom_series *s = &a->series[i];
        promise(s->entity && s->entity[0] && strlen(s->entity) <= PROM_ENTITY_MAX, "a name");
        promise(s->first == points && s->n > 0, "points follow each other");
        points += s->n;
    }
    promise(points == a->n_points, "all of them");
    promise(strlen(a->warning) < PROM_WARNING_MAX, "a warning is bounded");
    promise(prom_grid_new(2, &g, &err) == OK && prom_grid_begin(g, 0, 15000, 1, &err) == OK,
            "a grid");
    promise(prom_grid_add(g, 1, a, true, &err) == OK, "takes it");
    promise(prom_grid_begin(g, 0, 15000, 3, &err) == OK, "and again");
    promise(prom_grid_add(g, 0, a, false, &err) == OK, "over a span");
    for (size_t i = 0; i < prom_grid_entities(g); i++)
        for (size_t k = 0; k < 3; k++) {
            const double *row = prom_grid_row(g, i, k);
            promise(!row || row[0] == row[0], "a frame has a value");
        }
    prom_grid_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prom_answer a = {0};
    struct prom_names n = {0};
    struct err err = {0};

    if (size < 2)
        return 0;
    const long status = data[0] == '2' ? 200 : 100 + (data[0] * 256 + data[1]) % 500;
    const struct str body = {(const char *)data + 2, size - 2};
    if (prom_answer_parse(body, status, "instance", &a, &err) == OK) {
        check(&a);
    } else {
        promise(err.rc != OK && err.msg[0] != '\0', "a failure explains itself");
        promise(!a.series && !a.ts_ms && !a.v, "and leaves the output alone");
    }
    prom_answer_done(&a);
    if (prom_names_parse(body, status, &n, &err) == OK)
        for (size_t i = 0; i < n.n; i++)
            promise(n.v[i][0] != '\0', "no name is empty");
    else
        promise(!n.v, "a failure leaves the output alone");
    prom_names_done(&n);
    return 0;
}
