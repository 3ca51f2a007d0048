/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/restore_reference.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/marks.h"
#include "daemon/storekeeper.h"
#include "detect/material.h"
#include "store/store.h"

struct recall {
    struct entity *entity;
    const struct marks *marks;
    struct material *material; /* what was learnable: no margins, a frame is judged as it came */
    enum rc rc;
    struct err *err;
};

static bool bar_incident(void *arg, const struct store_incident *in)
{
    struct recall *c = arg;

    if (in->kind == INCIDENT_DEPARTURE && in->tier == INCIDENT_PAGE)
        c->rc = material_confirm(c->material, in->start_ms, in->end_ms ? in->end_ms : INT64_MAX,
                                 c->err);
    return c->rc == OK;
}

static bool recall_frame(void *arg, int64_t ts_ms, const float *frame, size_t n)
{
    struct recall *c = arg;

    if (n == entity_schema(c->entity)->n &&
        !marks_hold(c->marks, entity_instance(c->entity), ts_ms))
        entity_recall_slow(c->entity, ts_ms, frame, material_takes(c->material, ts_ms));
    return true;
}

static enum rc recall_frames(struct entity *e, const struct restore_options *o,
                             const struct marks *marks, struct store_reader *r, struct err *err)
{
    CLEANUP(material_freep) struct material *material = NULL;
    const int64_t resume_ms = reference_resume_ms(entity_reference(e));
    const int64_t least_ms = o->now_ms - RECALL_SLOW_MS;
    const int64_t from_ms = resume_ms > least_ms ? resume_ms : least_ms;
    const char *instance = entity_instance(e);

    if (material_new((struct material_margins){0}, &material, err) != OK)
        return err->rc;
    struct recall c = {.entity = e, .marks = marks, .material = material, .err = err};
    if (store_read_incidents(r, instance, from_ms, o->now_ms, bar_incident, &c, err) != OK)
        return err->rc;
    if (c.rc != OK)
        return c.rc;
    if (material_settle(material, 0, err) != OK)
        return err->rc;
    return store_read_frames(r, instance, entity_schema(e)->hash, from_ms, o->now_ms, false,
                             recall_frame, &c, err);
}

static enum rc take_state(struct entity *e, struct store_reader *r, struct err *err)
{
    const struct schema *schema = entity_schema(e);
    CLEANUP(buf_done) struct buf state;
    struct reference *reference = NULL;
    int64_t written_ms;

    buf_init(&state, STORE_STATE_MAX + 1);
    if (store_read_state(r, entity_instance(e), REFERENCE_STATE, schema->hash, &state, &written_ms,
                         err) != OK)
        return err->rc;
    if (reference_decode(state.p, state.n, schema, &reference, err) != OK) {
        if (err->rc == E_STATE) /* of another version: there is one, and it is not taken */
            err->rc = E_PARSE;
        return err->rc;
    }
    entity_take_reference(e, reference);
    return OK;
}

enum rc restore_reference(struct entity *e, const struct restore_options *o,
                          const struct marks *marks, struct store_reader *r, struct err *err)
{
    enum rc rc = take_state(e, r, err);

    /* There is none: an earlier run ended within its first hour, or there was no such run. */
    if (rc == E_STATE)
        rc = OK;
    if (rc == OK && (rc = recall_frames(e, o, marks, r, err)) != OK && rc != E_NOMEM) {
        log_event(LOG_WARN, "the reference for slow changes goes on with an hour less", "instance",
                  entity_instance(e), "err", err->msg, NULL);
        return OK;
    }
    if (rc == OK || rc == E_NOMEM)
        return rc;
    log_event(LOG_WARN, "the reference for slow changes was not taken; it begins anew", "instance",
              entity_instance(e), "reason", err->msg, NULL);
    return OK;
}
