/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* text - free text of the configuration (private to config/) */

/* UTF-8 of a sane length that a log line, a label and a YAML file can hold as it stands. */
bool text_is_plain(struct str s);
/* As YAML that reads back as the same: quoted where needed, "${" escaped. */
void text_format(const char *z, struct buf *out);
