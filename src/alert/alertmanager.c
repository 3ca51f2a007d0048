/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/alertmanager.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "http/http_access.h"

struct alertmanager {
    size_t n;
    struct receiver *member[ALERTMANAGER_MEMBERS_MAX];
    const char *name[ALERTMANAGER_MEMBERS_MAX]; /* the members' own */
};

static enum rc check_urls(const struct text_list *urls, struct err *err)
{
    if (urls->n == 0)
        return err_set(err, E_CONFIG, "alertmanager: expected at least one URL");
    if (urls->n > ALERTMANAGER_MEMBERS_MAX)
        return err_set(err, E_CONFIG, "alertmanager: %zu URLs; at most %d are possible", urls->n,
                       ALERTMANAGER_MEMBERS_MAX);
    for (size_t i = 0; i < urls->n; i++) {
        if (http_url_check(urls->v[i], err) != OK)
            return err_wrap(err, "alertmanager");
        if (strpbrk(urls->v[i], "?#"))
            return err_set(err, E_CONFIG,
                           "alertmanager: expected a URL without '?' and '#', as in "
                           "http://am1:9093");
        for (size_t k = 0; k < i; k++)
            if (strcmp(urls->v[i], urls->v[k]) == 0)
                return err_set(err, E_CONFIG, "alertmanager: the URL '%.100s' comes twice",
                               urls->v[i]);
    }
    return OK;
}

static enum rc check(const struct alertmanager_spec *spec, struct err *err)
{
    if (check_urls(&spec->urls, err) != OK)
        return err->rc;
    if (postable_check(spec, err) != OK || /* generatorURL is of the format uri */
        (spec->external_url && http_url_check(spec->external_url, err) != OK))
        return err_wrap(err, "alertmanager");
    return OK;
}

static void alertmanager_stopp(struct alertmanager **am)
{
    alertmanager_stop(*am);
}

enum rc alertmanager_new(const struct alertmanager_options *o, struct alertmanager **ret,
                         struct err *err)
{
    CLEANUP(alertmanager_stopp) struct alertmanager *am = mem_alloc(sizeof *am);
    char name[HTTP_URL_MAX_BYTES + 16];

    if (!am)
        return err_set(err, E_NOMEM, "alertmanager: no memory");
    if (check(o->spec, err) != OK)
        return err->rc;
    for (size_t i = 0; i < o->spec->urls.n; i++) {
        (void)snprintf(name, sizeof name, "alertmanager:%s", o->spec->urls.v[i]);
        const struct receiver_options member = {.url = o->spec->urls.v[i],
                                                .name = name,
                                                .receiver = i,
                                                .postable = {o->spec, o->page},
                                                .telemetry = o->telemetry,
                                                .listener = o->listener,
                                                .seed = o->seed + i};
        if (receiver_new(&member, &am->member[i], err) != OK)
            return err->rc;
        am->name[i] = receiver_name(am->member[i]);
        am->n++;
    }
    *ret = TAKE(am);
    return OK;
}

const char *const *alertmanager_receivers(const struct alertmanager *am, size_t *ret_n)
{
    *ret_n = am->n;
    return am->name;
}

void alertmanager_recall(struct alertmanager *am, const char *receiver, const struct alert *a)
{
    for (size_t i = 0; i < am->n; i++)
        if (strcmp(am->name[i], receiver) == 0)
            receiver_recall(am->member[i], a);
}

enum rc alertmanager_start(struct alertmanager *am, struct err *err)
{
    for (size_t i = 0; i < am->n; i++)
        if (receiver_start(am->member[i], err) != OK)
            return err->rc;
    return OK;
}

void alertmanager_tell(struct alertmanager *am, const char *instance, const struct schema *schema,
                       const struct incident *in, const char *words)
{
    struct alert a;

    if (!am)
        return;
    alert_of_incident(instance, schema, in, words, &a);
    for (size_t i = 0; i < am->n; i++)
        receiver_tell(am->member[i], &a);
}

void alertmanager_stop(struct alertmanager *am)
{
    if (!am)
        return;
    for (size_t i = 0; i < am->n; i++)
        receiver_end(am->member[i]); /* all at once: each has its own goodbye to say */
    for (size_t i = 0; i < am->n; i++)
        receiver_free(am->member[i]);
    mem_free(am);
}
