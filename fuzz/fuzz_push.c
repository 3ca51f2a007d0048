/* SPDX-License-Identifier: Apache-2.0 */
/* A whole push, compressed, against the receiver: the first byte says which protocol, whether the
 * intake is full, and how far the clock goes on; the body is sent twice. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "source/remote_write.h"

struct sink {
    bool full;
    int64_t last_ms;
};

static enum rc on_tick(void *arg, const char *instance, struct snapshot *s, struct err *err)
{
    struct sink *sink = arg;

    if (sink->full)
        return err_set(err, E_LIMIT, "full");
    promise(instance[0] != '\0' && s->n == series_set_count(s->set), "a tick is whole");
    promise(s->ts_ms >= 0, "its time is one");
    snapshot_free(s);
    return OK;
}

static void on_stale(void *arg, const char *instance, int64_t ts_ms, const char *why)
{
    (void)arg, (void)ts_ms;
    promise(instance[0] && why[0], "what is stale has a name and a reason");
}

static void check_reply(const struct push_reply *r)
{
    promise(r->status == 204 || r->status == 400 || r->status == 503, "one of three answers");
    promise((r->status == 503) == (r->retry_after_s > 0), "come again, and when");
    promise((r->status == 204) == (r->message[0] == '\0'), "a refusal has a sentence");
    promise(str_is_utf8(str_of(r->message)), "that can be shown");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char label[] = "instance";
    static struct telemetry telemetry;
    const struct remote_write_spec spec = {true, 1000, label, 1 << 20};
    struct sink sink = {0};
    const struct intake intake = {.arg = &sink, .tick = on_tick, .stale = on_stale};
    const struct remote_write_options o = {
        .spec = &spec, .intake = &intake, .telemetry = &telemetry, .seed = 3};
    const uint8_t how = size ? data[0] : 0;
    struct push push = {.content_type = how & 1 ? STR("application/x-protobuf;proto="
                                                      "io.prometheus.write.v2.Request")
                                                : STR("application/x-protobuf"),
                        .content_encoding = STR("snappy"),
                        .body = data + (size > 0),
                        .n = size - (size > 0),
                        .wall_ms = INT64_C(1740088500000),
                        .mono_ms = 1000};
    struct remote_write *r = NULL;
    struct push_reply reply;
    struct err err;

    if (remote_write_new(&o, &r, &err) != OK)
        return 0;
    for (int i = 0; i < 2; i++) {
        remote_write_take(r, &push, &reply);
        check_reply(&reply);
        sink.full = how & 2;
        push.mono_ms += (how >> 2) * 1000;
        push.wall_ms += (how >> 2) * 1000;
        remote_write_poll(r, push.wall_ms, push.mono_ms);
    }
    sink.full = false;
    remote_write_free(r);
    return 0;
}
