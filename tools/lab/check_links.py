# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Links of Markdown pages into the tree: the file exists, and the heading does."""

import posixpath
import re
import urllib.parse

_CODE = re.compile(r"^(```+|~~~+).*?^\1|`[^`\n]*`", re.S | re.M)
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^()\s>]+(?:\([^()\s]*\))?)>?(?:\s+\"[^\"]*\")?\s*\)"
                   r"|^\[[^\]]+\]:\s*(\S+)|<a\s[^>]*href=\"([^\"]+)\"|<img\s[^>]*src=\"([^\"]+)\"", re.M)


def dead(tree):
    known = set(tree.files)
    for name in tree.files:
        while (name := posixpath.dirname(name)):
            known.add(name)
    anchors, found = {}, []
    for page in tree.pages():
        text = _CODE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), tree.text(page))
        for link in _LINK.finditer(text):
            target = next(group for group in link.groups() if group)
            trouble = _trouble(tree, known, anchors, page, target)
            if trouble:
                found.append(f"{page}:{text.count(chr(10), 0, link.start()) + 1}: {target}: {trouble}")
    return found


def _trouble(tree, known, anchors, page, target):
    if re.match(r"[a-z][a-z0-9+.-]*:", target):  # elsewhere: not checked, as this runs offline
        return None
    path, _, anchor = urllib.parse.unquote(target).partition("#")
    if path.startswith("/"):
        return "a path from the root: write it relative to this page"
    file = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    if file != "." and file not in known:
        return "there is no such file"
    if anchor and file.endswith(".md"):
        if file not in anchors:
            anchors[file] = headings(tree.text(file))
        if anchor not in anchors[file]:
            return f"{file} has no such heading"
    return None


def headings(text):
    """The anchors of a page's headings, by GitHub's rules, and those it names itself."""
    found, counts = set(re.findall(r"<a\s[^>]*(?:id|name)=\"([^\"]+)\"", text)), {}
    text = re.sub(r"^(```+|~~~+).*?^\1", "", text, flags=re.S | re.M)
    for heading in re.findall(r"^#{1,6}[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*$", text, re.M):
        heading = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = counts.get(slug, 0)
        counts[slug] = count + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found
