/* SPDX-License-Identifier: Apache-2.0 */
#include "source/push_type.h"

#include "../test.h"

static void the_content_type_names_the_protocol(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int protocol; /* -1: refused */
    } cases[] = {
        {"", WRITE_1}, /* early 1.0 senders gave none */
        {"application/x-protobuf", WRITE_1},
        {" Application/X-Protobuf ", WRITE_1},
        {"application/x-protobuf;proto=prometheus.WriteRequest", WRITE_1},
        {"application/x-protobuf;proto=io.prometheus.write.v2.Request", WRITE_2},
        {"application/x-protobuf; Proto=\"io.prometheus.write.v2.Request\"", WRITE_2},
        {"application/x-protobuf;charset=utf-8;proto=io.prometheus.write.v2.Request", WRITE_2},
        {"application/x-protobuf;charset=utf-8", WRITE_1},
        {"application/x-protobuf;", WRITE_1},
        {"application/x-protobuf;proto=io.prometheus.write.v3.Request", -1},
        {"application/x-protobuf;proto=IO.PROMETHEUS.WRITE.V2.REQUEST", -1},
        {"application/x-protobuf;proto=", -1},
        {"application/x-protobuf;proto=\"", -1},
        {"application/x-protobuf2", -1},
        {"application/json", -1},
        {"text/plain", -1},
        {";", -1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum write_protocol found = WRITE_1;
        const bool taken = push_type_protocol(str_of(cases[i].type), &found);
        if ((taken ? (int)found : -1) != cases[i].protocol)
            fail_msg("'%s'", cases[i].type);
    }
}

static void snappy_is_the_only_encoding(void **state)
{
    (void)state;
    assert_true(push_type_is_snappy(STR("snappy")));
    assert_true(push_type_is_snappy(STR("Snappy ")));
    assert_true(push_type_is_snappy(STR("")));
    assert_false(push_type_is_snappy(STR("gzip")));
    assert_false(push_type_is_snappy(STR("zstd")));
    assert_false(push_type_is_snappy(STR("snappy, gzip")));
    assert_false(push_type_is_snappy(STR("identity")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_content_type_names_the_protocol),
        cmocka_unit_test(snappy_is_the_only_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
