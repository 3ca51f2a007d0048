/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/models_import.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "config/config.h"
#include "daemon/model_files.h"
#include "feature/profile.h"
#include "model/assemble.h"
#include "source/host.h"
#include "store/store.h"

static void store_closep(struct store **s)
{
    store_close(*s);
}

static enum rc configure(const struct models_import_options *o, struct config *ret, struct err *err)
{
    const struct {
        const char *key, *value, *where;
    } given[] = {{"data_dir", o->data_dir, "--data-dir"},
                 {"sources.host.instance", o->instance, "--instance"},
                 {"profile", o->profile, "--profile"},
                 {"sources.host.interval", o->interval, "--interval"}};

    if (o->config && config_load(o->config, ret, err) != OK)
        return err->rc;
    if (!o->config)
        config_defaults(ret);
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++)
        if (given[i].value &&
            config_set(ret, given[i].key, given[i].value, given[i].where, err) != OK)
            return err->rc;
    return config_validate(ret, err);
}

/* The instance that `tocsin run` would watch. */
static enum rc name_instance(const struct config *c, char ret[INSTANCE_MAX], struct err *err)
{
    const struct host_paths paths = {c->host.procfs, c->host.sysfs, c->host.rootfs};
    CLEANUP(host_closep) struct host *host = NULL;
    const char *name = c->host.instance;

    if (!name[0]) {
        if (host_open(&paths, &host, err) != OK)
            return err->rc;
        name = host_nodename(host);
    }
    if ((size_t)snprintf(ret, INSTANCE_MAX, "%s", name) >= INSTANCE_MAX)
        return err_set(err, E_LIMIT, "instance '%.40s': longer than %d bytes", name,
                       INSTANCE_MAX - 1);
    return OK;
}

/* The model of the file, for the profile's frames. */
static enum rc bind_model(const struct models_import_options *o, const struct config *c,
                          const struct profile *profile, const char *instance, struct model **ret,
                          struct err *err)
{
    CLEANUP(model_unrefp) struct model *m = NULL;

    enum rc rc = model_load(o->model, &m, err);
    if (rc != OK)
        return rc;
    struct model_provenance p = m->provenance;
    p.created_ms = clock_wall_ms();
    (void)snprintf(p.instance, sizeof p.instance, "%s", instance);
    (void)snprintf(p.profile, sizeof p.profile, "%s", c->profile);
    rc = model_rebind(m, profile_schema(profile), &p, c->host.interval_ms, ret, err);
    if (rc != OK)
        (void)err_wrap(err, "'%s' and profile %s", o->model, c->profile);
    return rc;
}

/* The file first: a row without it would be a model that is missing. */
static enum rc put(const struct config *c, const struct model *m, const char *instance,
                   struct err *err)
{
    CLEANUP(store_closep) struct store *store = NULL;
    char database[sizeof c->data_dir + 16], models[sizeof c->data_dir + 16];
    struct store_model row;
    int64_t entity = 0;

    (void)snprintf(database, sizeof database, "%s/tocsin.db", c->data_dir);
    (void)snprintf(models, sizeof models, "%s/models", c->data_dir);
    if (file_mkdirs(c->data_dir, err) != OK)
        return err_wrap(err, "data_dir");
    if (store_open(database, &store, err) != OK)
        return err->rc;
    model_files_describe(m, model_id(m), &row);
    row.state = STORE_MODEL_LIVE;
    row.state_ms = row.created_ms;
    (void)snprintf(row.reason, sizeof row.reason, "imported by an operator");
    if (model_files_save(models, m, row.model_id, err) != OK || store_begin(store, err) != OK ||
        store_entity(store, instance, &entity, err) != OK ||
        store_put_schema(store, m->schema, err) != OK ||
        store_put_model(store, entity, &row, err) != OK)
        return err->rc;
    return store_commit(store, err);
}

enum rc models_import(const struct models_import_options *o, struct err *err)
{
    CLEANUP(mem_freep) struct config *c = mem_alloc(sizeof *c);
    CLEANUP(profile_freep) struct profile *profile = NULL;
    CLEANUP(model_unrefp) struct model *m = NULL;
    char instance[INSTANCE_MAX], id[REPORT_ID_MAX];

    if (!c)
        return err_set(err, E_NOMEM, "no memory");
    if (configure(o, c, err) != OK ||
        verb_profile(c, o->config, o->profile ? "--profile" : NULL, &profile, err) != OK ||
        name_instance(c, instance, err) != OK ||
        bind_model(o, c, profile, instance, &m, err) != OK || put(c, m, instance, err) != OK)
        return err->rc;
    report_id(model_id(m), id);
    if (o->as_json)
        return report_json(json_pack("{s:s, s:s, s:s, s:o}", "model", id, "instance", instance,
                                     "profile", c->profile, "threshold",
                                     report_float(m->threshold)),
                           err);
    printf("model %s of %s is live: it holds from the next start of tocsin run\n", id, instance);
    return report_flush(err);
}
