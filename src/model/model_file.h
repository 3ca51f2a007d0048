/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "model/model.h"

/* model_file - the numbers that reading and writing of a model file share; layout in model_file.c
 * Private to src/model, its tests and its fuzz target. */

enum {
    MODEL_MAGIC_SIZE = 8,
    MODEL_VERSION = 6,
    MODEL_HEAD_SIZE = 24,    /* magic, version, zero, length */
    MODEL_CHECKSUM_SIZE = 8, /* at the very end */
    MODEL_SECTION_HEAD = 12, /* tag, length */
    MODEL_SECTIONS = 11,
    MODEL_BYTES_MAX = 1 << 29,
};

extern const char model_magic[MODEL_MAGIC_SIZE];
extern const char model_tags[MODEL_SECTIONS][5]; /* in the file's order */

/* Append the whole file; out->failed when it does not fit. */
void model_encode(const struct model *m, struct buf *out);
