#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Put the live page into a C file, with the Content-Security-Policy that allows just its own
style and script: embed_page.py IN.html OUT.c"""
import base64
import hashlib
import re
import sys


def inline_hash(html, tag):
    """The hash source of the one inline <tag>; anything else is a mistake of the page's author."""
    bodies = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    if len(bodies) != 1 or len(re.findall(rf"<{tag}\b", html)) != 1:
        sys.exit(f"embed_page: the page must have exactly one <{tag}>, without attributes")
    digest = hashlib.sha256(bodies[0].encode()).digest()
    return "'sha256-" + base64.b64encode(digest).decode() + "'"


def c_line(chunk):
    # \ooo is at most three digits long, so a digit that follows is never taken in
    return '    "' + "".join(
        chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in chunk) + '"'


def main():
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8") as f:
        html = f.read()
    if re.search(r"""\s(?:src|href)\s*=\s*["']?(?:https?:)?//""", html):
        sys.exit("embed_page: the page must not load anything from elsewhere")
    csp = "; ".join([
        "default-src 'none'", "script-src " + inline_hash(html, "script"),
        "style-src " + inline_hash(html, "style"), "connect-src 'self'", "img-src data:",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"])
    data = html.encode()
    lines = [c_line(data[i:i + 64]) for i in range(0, len(data), 64)]
    with open(target, "w", encoding="ascii") as f:
        f.write('#include "serve/page.h"\n\nconst char page_html[] =\n' + "\n".join(lines) +
                f';\nconst size_t page_html_size = {len(data)};\nconst char page_csp[] =\n'
                f'    "{csp}";\n')


if __name__ == "__main__":
    main()
