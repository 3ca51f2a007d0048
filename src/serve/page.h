/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

/* page - web/index.html, put into the binary at build (tools/embed_page.py) */
extern const char page_html[];
extern const size_t page_html_size;
/* Its Content-Security-Policy: the hashes of its one style and one script, and nothing else. */
extern const char page_csp[];
