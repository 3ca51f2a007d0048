/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

/* builtin - the texts of profiles/, made part of the binary by profiles/embed.py */

struct builtin_profile {
    const char *name; /* "node" */
    const char *file; /* "profiles/node.yml", for messages */
    const char *text;
    size_t n;
};

extern const struct builtin_profile builtin_profiles[];
extern const size_t builtin_profiles_n;
