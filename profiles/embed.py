#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the profiles as a C file: embed.py OUT.c NAME.yml..."""
import pathlib
import sys


def c_string(text: bytes) -> str:
    """One C string literal a line; bytes that C or a reader could trip over as octal."""
    lines = []
    for line in text.splitlines(keepends=True):
        plain = "".join(
            chr(b) if 0x20 <= b < 0x7F and b not in b'"\\?' else f"\\{b:03o}" for b in line)
        lines.append(f'    "{plain}"')
    return "\n".join(lines) or '    ""'


def main() -> None:
    out, files = sys.argv[1], [pathlib.Path(f) for f in sys.argv[2:]]
    rows = []
    parts = ["/* SPDX-License-Identifier: Apache-2.0 */",
             "/* Made by profiles/embed.py from profiles/. */",
             '#include "feature/builtin.h"']
    for i, f in enumerate(files):
        text = f.read_bytes()
        parts.append(f"static const char text_{i}[] =\n{c_string(text)};")
        rows.append(f'    {{"{f.stem}", "profiles/{f.name}", text_{i}, {len(text)}}},')
    parts.append("const struct builtin_profile builtin_profiles[] = {\n" + "\n".join(rows) + "\n};")
    parts.append(f"const size_t builtin_profiles_n = {len(files)};")
    pathlib.Path(out).write_text("\n\n".join(parts) + "\n")


main()
