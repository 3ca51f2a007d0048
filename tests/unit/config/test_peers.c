/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "config/peers.h"

static struct peers *loaded(const char *text)
{
    struct peers *p = NULL;
    struct err err = {0};

    if (peers_parse(str_of(text), "f.yml", &p, &err) != OK)
        fail_msg("%s", err.msg);
    return p;
}

static void refuse(const char *text, const char *sentence)
{
    struct peers *p = NULL;
    struct err err = {0};

    if (peers_parse(str_of(text), "f.yml", &p, &err) == OK)
        fail_msg("taken: %s", text);
    assert_int_equal(err.rc, E_CONFIG);
    assert_string_equal(err.msg, sentence);
    assert_null(p);
}

static void with_no_sources_this_machine_is_watched(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "sources:\n", "sources: [host: {}]\n",
                                        "listen: 127.0.0.1:1\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CLEANUP(peers_freep) struct peers *p = loaded(texts[i]);
        assert_true(p->host);
        assert_int_equal(p->n_scrape + p->n_prometheus, 0);
        assert_false(p->remote_write.enabled);
        assert_int_equal(p->alertmanager.urls.n, 0);
        assert_null(p->write.url);
    }
}

static void sources_have_prometheus_defaults(void **state)
{
    (void)state;
    CLEANUP(peers_freep)
    struct peers *p = loaded("sources:\n"
                             "  - scrape: {job: node, targets: [\"a:9100\", \"b:9100\"]}\n"
                             "  - prometheus: {url: \"http://p:9090\"}\n"
                             "  - remote_write:\n");
    assert_false(p->host);
    assert_int_equal(p->n_scrape, 1);
    assert_string_equal(p->scrape[0].job, "node");
    assert_string_equal(p->scrape[0].scheme, "http");
    assert_string_equal(p->scrape[0].path, "/metrics");
    assert_int_equal(p->scrape[0].interval_ms, 15000);
    assert_int_equal(p->scrape[0].access.timeout_ms, 10000);
    assert_int_equal(p->scrape[0].targets.n, 2);
    assert_string_equal(p->scrape[0].targets.v[1], "b:9100");
    assert_int_equal(p->n_prometheus, 1);
    assert_string_equal(p->prometheus[0].url, "http://p:9090");
    assert_string_equal(p->prometheus[0].entity_label, "instance");
    assert_int_equal(p->prometheus[0].backfill_ms, INT64_C(7) * 86400000);
    assert_true(p->remote_write.enabled);
    assert_int_equal(p->remote_write.interval_ms, 15000);
}

static void a_short_interval_shortens_the_timeout_unless_it_is_given(void **state)
{
    (void)state;
    CLEANUP(peers_freep)
    struct peers *p = loaded("sources: [scrape: {job: a, interval: 2s, targets: [\"a:1\"]}]");
    assert_int_equal(p->scrape[0].access.timeout_ms, 2000);
    refuse("sources: [scrape: {job: a, interval: 2s, timeout: 3s, targets: [\"a:1\"]}]",
           "f.yml:1:19: scrape.timeout: expected at most scrape.interval");
}

static void access_and_labels_are_read(void **state)
{
    (void)state;
    setenv("TOCSIN_TEST_SECRET", "s3cret", 1); /* NOLINT(concurrency-mt-unsafe) */
    CLEANUP(peers_freep)
    struct peers *p = loaded(
        "sources: [host: {}]\n"
        "alerts:\n"
        "  alertmanager:\n"
        "    urls: [\"http://am1:9093\", \"https://am2:9093\"]\n"
        "    labels: {team: infra, dc: \"fra 1\"}\n"
        "    basic_auth: {username: me, password: \"${TOCSIN_TEST_SECRET}\"}\n"
        "    tls_config: {ca_file: /ca.pem, insecure_skip_verify: true}\n"
        "    resend: 30s\n"
        "write: {url: \"http://vm:8428/api/v1/write\", authorization: {credentials_file: /tok}}\n");
    assert_int_equal(p->alertmanager.urls.n, 2);
    assert_int_equal(p->alertmanager.n_labels, 2);
    assert_string_equal(p->alertmanager.labels[1].name, "dc");
    assert_string_equal(p->alertmanager.labels[1].value, "fra 1");
    assert_string_equal(p->alertmanager.access.username, "me");
    assert_string_equal(p->alertmanager.access.password, "s3cret");
    assert_true(p->alertmanager.access.insecure_skip_verify);
    assert_int_equal(p->alertmanager.resend_ms, 30000);
    assert_string_equal(p->write.access.bearer_token_file, "/tok");
}

static void what_is_wrong_is_named_with_its_place(void **state)
{
    (void)state;
    refuse("sources: {}", "f.yml:1:10: sources: expected a list such as [host: {interval: 1s}], "
                          "found a map");
    refuse("sources: []", "f.yml:1:10: sources: expected a source; known: host, scrape, "
                          "prometheus, remote_write");
    refuse("sources: [scrap: {}]", "f.yml:1:11: source 'scrap' is not known; known: host, scrape, "
                                   "prometheus, remote_write");
    refuse("sources: [host: {}, host: {}]", "f.yml:1:21: a second source 'host'; expected one");
    refuse("sources: [scrape: {targets: [\"a:1\"]}]",
           "f.yml:1:19: scrape: expected job (the label `job`)");
    refuse("sources: [scrape: {job: x}]",
           "f.yml:1:19: scrape: expected targets such as [\"db1:9100\"], or file_sd");
    refuse("sources: [scrape: {job: x, targets: \"a:1\"}]",
           "f.yml:1:37: scrape.targets: expected a list, found a single value");
    refuse("sources: [scrape: {job: x, scheme: ftp, targets: [a]}]",
           "f.yml:1:19: scrape.scheme: expected http or https, found 'ftp'");
    refuse("sources: [prometheus: {url: \"p:9090\"}]",
           "f.yml:1:29: prometheus.url: expected a URL such as http://localhost:9090, found "
           "'p:9090'");
    refuse("sources: [prometheus: {url: \"http://me:geheim@p\"}]",
           "f.yml:1:29: prometheus.url: the URL has a user and password in it; give them by their "
           "own settings");
    refuse("alerts: {alertmanager: {urls: [\"me:geheim@p\"]}}",
           "f.yml:1:32: alerts.alertmanager.urls: expected a URL such as http://localhost:9090, "
           "found '…'");
    refuse("sources: [prometheus: {url: \"http://p\", interval: 5}]",
           "f.yml:1:51: prometheus.interval: expected a time such as 15s from 1 to 3600 seconds, "
           "found '5'");
    refuse("alerts: {alertmanager: {urls: []}}",
           "f.yml:1:24: alerts.alertmanager.urls: expected at least one URL");
    refuse("alerts: {alertmanager: {urls: [\"http://a\"], labels: {\"a-b\": c}}}",
           "f.yml:1:54: alerts.alertmanager.labels: expected the name of a label (letters, "
           "digits, _), found 'a-b'");
}

static void what_the_run_would_refuse_is_refused_by_check(void **state)
{
    (void)state;
    refuse(
        "sources: [scrape: {job: x, targets: [\"http://db1:9100\"]}]",
        "f.yml:1:19: scrape.targets: expected HOST:PORT (scheme and path are keys of their own), "
        "found 'http://db1:9100'");
    refuse("sources: [scrape: {job: x, file_sd: [\"t.txt\"]}]",
           "f.yml:1:19: scrape.file_sd: expected a path that ends in .json, .yml or .yaml, found "
           "'t.txt'");
    refuse("sources: [prometheus: {url: \"http://a b\"}]",
           "f.yml:1:29: prometheus.url: expected a URL such as http://localhost:9090, found "
           "'http://a b'");
    refuse("sources: [prometheus: {url: \"http://p\", entity_label: \"a b\"}]",
           "f.yml:1:23: prometheus.entity_label: expected the name of a label such as instance, "
           "found 'a b'");
    refuse("sources: [remote_write: {entity_label: \"1\"}]",
           "f.yml:1:25: remote_write.entity_label: expected the name of a label such as instance, "
           "found '1'");
    refuse("write: {url: \"http://a\", basic_auth: {username: u}, authorization: {credentials: c}}",
           "f.yml:1:8: write: expected one of basic_auth and authorization");
    refuse("write: {url: \"http://a\", tls_config: {cert_file: /c}}",
           "f.yml:1:8: write.tls_config: expected cert_file and key_file, or neither");
}

static void a_near_key_is_named(void **state)
{
    (void)state;
    struct peers *p = NULL;
    struct err err = {0};

    assert_int_equal(peers_parse(STR("write: {urll: \"http://a\"}"), "f.yml", &p, &err), E_CONFIG);
    assert_non_null(strstr(err.msg, "url"));
}

/* Secrets stay out of what is printed, all else reads back as the same. */
static void what_is_printed_reads_back(void **state)
{
    (void)state;
    CLEANUP(peers_freep)
    struct peers *p =
        loaded("sources:\n"
               "  - host: {}\n"
               "  - scrape: {job: \"a \\\"b\\\"\", targets: [\"x:1\"], file_sd: [\"/sd/*.json\"]}\n"
               "  - prometheus: {url: \"http://p\", match: 'job=\"node\"', basic_auth: {username: "
               "u, password: hunter2}}\n"
               "alerts: {alertmanager: {urls: [\"http://a\"], labels: {x: \"$${y}\"}}}\n");
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, 1 << 16);
    buf_puts(&text, "sources:\n  - host: {}\n");
    peers_print_sources(p, &text);
    peers_print_receivers(p, &text);
    buf_add(&text, "", 1);
    assert_null(strstr(text.p, "hunter2"));
    assert_non_null(strstr(text.p, "<secret>"));
    CLEANUP(peers_freep) struct peers *again = loaded(text.p);
    assert_int_equal(again->hash, p->hash);
    assert_string_equal(again->prometheus[0].match, "job=\"node\"");
    assert_string_equal(again->alertmanager.labels[0].value, "${y}");
}

static void no_memory_is_told_and_leaks_nothing(void **state)
{
    (void)state;
    static const char text[] = "sources: [scrape: {job: a, targets: [\"a:1\", \"b:1\"]}]\n"
                               "alerts: {alertmanager: {urls: [\"http://a\"], labels: {x: y}}}\n";
    enum rc rc = E_NOMEM;

    for (uint64_t i = 1; rc != OK; i++) {
        CLEANUP(peers_freep) struct peers *p = NULL;
        struct err err = {0};
        mem_fail_at(i);
        rc = peers_parse(str_of(text), "f.yml", &p, &err);
        assert_true(rc == OK || rc == E_NOMEM);
    }
    mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_no_sources_this_machine_is_watched),
        cmocka_unit_test(sources_have_prometheus_defaults),
        cmocka_unit_test(a_short_interval_shortens_the_timeout_unless_it_is_given),
        cmocka_unit_test(access_and_labels_are_read),
        cmocka_unit_test(what_is_wrong_is_named_with_its_place),
        cmocka_unit_test(what_the_run_would_refuse_is_refused_by_check),
        cmocka_unit_test(a_near_key_is_named),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(no_memory_is_told_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
