# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import unittest

import build

_CACHE = """\
//Path to a program.
CMAKE_CXX_COMPILER:FILEPATH=/usr/bin/clang++
PVSCHED_SANITIZE:STRING=address,undefined
PVSCHED_WERROR:BOOL=ON
"""


class ConfiguredTest(unittest.TestCase):
    def test_folder_is_configured_again_only_if_an_option_differs(self):
        wanted = ["-DPVSCHED_SANITIZE=address,undefined", "-DCMAKE_CXX_COMPILER=/usr/bin/clang++"]
        self.assertTrue(build.is_configured(_CACHE, []))
        self.assertTrue(build.is_configured(_CACHE, wanted))
        self.assertFalse(build.is_configured(_CACHE, ["-DCMAKE_CXX_COMPILER=/usr/bin/c++"]))
        self.assertFalse(build.is_configured(_CACHE, [*wanted, "-DCMAKE_BUILD_TYPE=Debug"]))
        self.assertFalse(build.is_configured(_CACHE.replace("WERROR:BOOL=ON", "WERROR:BOOL=OFF"), []))
        self.assertFalse(build.is_configured("", []))


if __name__ == "__main__":
    unittest.main()
