/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_write_body.h"

#include "fuzz.h"

static void check_labels(struct str encoded)
{
    struct label labels[SERIES_LABELS_MAX];
    struct str name = {NULL, 0};
    struct err err = {0};
    size_t n = SIZE_MAX;

    if (write_labels_parse(encoded, &name, labels, &n, &err) != OK) {
        promise(err.rc != OK && err.msg[0], "a refusal of labels explains itself");
        promise(name.p == NULL && n == SIZE_MAX, "and leaves the outputs alone");
        return;
    }
    promise(n <= SERIES_LABELS_MAX, "labels are counted");
    promise(str_is_utf8(name), "a name is UTF-8");
    for (size_t i = 0; i < n; i++) {
        promise(labels[i].name.n > 0 && labels[i].value.n > 0, "labels have names and values");
        promise(str_is_utf8(labels[i].name) && str_is_utf8(labels[i].value), "labels are UTF-8");
        for (size_t k = 0; k < i; k++)
            promise(!str_eq(labels[i].name, labels[k].name), "no label comes twice");
    }
}

void fuzz_write_body(enum write_protocol protocol, const uint8_t *data, size_t size)
{
    struct write_request *r = NULL;
    struct write_series s = {0};
    struct err err = {0};
    size_t samples = 0, bytes = 0;
    bool more = true;

    if (write_request_new(&r, &err) != OK)
        return;
    enum rc rc = write_request_begin(r, protocol, data, size, &err);
    while (rc == OK && more) {
        rc = write_request_next(r, &s, &more, &err);
        if (rc != OK || !more)
            break;
        samples += s.n_samples;
        bytes += s.labels.n;
        promise(protocol == WRITE_2 || bytes <= size + WRITE_LABELS_BYTES_MAX,
                "labels of 1.0 are those of the body");
        promise(protocol == WRITE_1 || s.labels.n <= WRITE_LABELS_BYTES_MAX, "labels are bounded");
        promise(s.n_samples == 0 || s.samples, "samples are where it says");
        check_labels(s.labels);
    }
    promise(rc == OK || (err.rc == rc && err.msg[0]), "a refusal explains itself");
    promise(samples <= WRITE_SAMPLES_MAX && samples <= size, "samples are bounded");
    write_request_free(r);
}
