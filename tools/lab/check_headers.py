# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Licence and copyright lines, and names of machines that do not belong in the tree."""

import re

COPYRIGHT = "Copyright (C) 2026 The pvsched authors"
_SPDX = re.compile(r"SPDX-License-Identifier: [\w.() -]+")
# Files that are not programs, but have comments: a licence line only.
_CONFIGURATION = re.compile(r"(?:^|/)(?:CMakeLists\.txt|Makefile|Kbuild|\.clang-[a-z]+)$"
                            r"|\.(?:cmake|mk|toml|service|socket|conf|rules|yml|in|bash)$")

# A path of one machine, or a host that packages come from: both differ elsewhere.
_PATH = re.compile(r"(?<![\w./<$}~-])/(?:home|Users|work|workspace|builds?|mnt|tmp/wt)/[A-Za-z][\w.-]*")
_HOST = re.compile(r"\b(?:[\w-]+\.)*(?:deb|ftp|snapshot|security|archive|mirrors?|proxy|registry|artifactory|nexus|"
                   r"pypi|crates|packages)\.(?:[\w-]+\.)*(?:org|com|net|io|dev|internal|local|lan|corp)\b|"
                   r"https?://(?:\d+\.){3}\d+|https?://localhost")
_EXEMPT = {
    "tools/lab/check_rules_test.py": "bad examples",
}


def licences(tree):
    found = []
    for name in tree.sources():
        first = tree.lines(name)[:6]
        if not any(_SPDX.search(line) for line in first[:3]):
            found.append(f"{name}:1: no SPDX-License-Identifier in the first 3 lines")
        elif not any(COPYRIGHT in line for line in first):
            found.append(f'{name}:1: no line "{COPYRIGHT}" under the SPDX line')
    for name in tree.chosen:
        if _CONFIGURATION.search(name) and not any(_SPDX.search(line) for line in tree.lines(name)[:3]):
            found.append(f"{name}:1: no SPDX-License-Identifier in the first 3 lines")
    return found


def machines(tree):
    found = []
    for name in tree.texts():
        if name in _EXEMPT:
            continue
        for number, line in enumerate(tree.lines(name), 1):
            for rule, what in ((_PATH, "a path of one machine"), (_HOST, "a package host")):
                if (match := rule.search(line)):
                    found.append(f"{name}:{number}: {match[0]}: {what} does not belong in the tree")
    return found
