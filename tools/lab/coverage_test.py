# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Tests of ./lab coverage's reading of gcov."""

import unittest

import coverage


def document(file, lines, functions=()):
    return {"current_working_directory": "/src/build/coverage",
            "files": [{"file": file, "lines": [{"line_number": n, "count": c} for n, c in lines],
                       "functions": [{"start_line": n, "demangled_name": name, "execution_count": c}
                                     for n, name, c in functions]}]}


class CoverageTest(unittest.TestCase):
    def summary(self, *documents):
        return coverage.summary(coverage._merged(documents), lambda name: self.text)

    def test_counts_of_all_objects_are_summed(self):
        found = self.summary(document("/src/common/a.h", [(1, 0), (2, 0)], [(1, "f()", 0)]),
                             document("../../common/a.h", [(1, 3), (2, 0), (9, 1)], [(1, "f()", 2), (9, "g()", 0)]))
        self.assertEqual(found["folders"], {"common/": {"lines": 3, "covered": 2, "functions": 2, "entered": 1}})
        self.assertEqual(found["uncovered"], [{"file": "common/a.h", "line": 9, "function": "g"}])

    def test_system_headers_tests_and_generated_files_are_not_counted(self):
        found = self.summary(document("/usr/include/c++/x", [(1, 1)]), document("/src/tests/unit/a.cc", [(1, 1)]),
                             document("/src/build/coverage/x.skel.h", [(1, 1)]))
        self.assertEqual(found, {"folders": {}, "uncovered": []})

    def test_table_has_folders_total_and_functions(self):
        said = coverage.table(self.summary(document("/src/vmm-device/a.cc", [(1, 1), (2, 0)], [(2, "f()", 0)])))
        self.assertRegex(said, r"(?m)^vmm-device/ +2 +1 +50\.0 +1 +0$")
        self.assertRegex(said, r"(?m)^total +2 +1 +50\.0 +1 +0$")
        self.assertIn("vmm-device/a.cc:2: f", said)

    def test_functions_that_are_always_inlined_are_found_by_their_lines(self):
        self.text = "static int f(void)\n{\n\treturn 1;\n}\n\nstatic int g(void)\n{\n\treturn 2;\n}\n"
        found = self.summary(document("/src/host-policy/core/a.h", [(3, 5), (8, 0)]))
        self.assertEqual(found["uncovered"], [{"file": "host-policy/core/a.h", "line": 6, "function": "g"}])
        self.assertEqual(found["folders"]["host-policy/core/"]["functions"], 2)

    def test_names_are_short(self):
        for name, wanted in (("pvsched::(anonymous namespace)::Get(std::string const&, int)", "Get"),
                             ("pvsched::A::Start(int)::{lambda()#1}::operator()() const", "A::Start, a lambda"),
                             ("pvsched::A::operator()(int)", "A::operator()"), ("pvsched::A::~A()", "A::~A")):
            self.assertEqual(coverage.short(name), wanted)

    def test_functions_elsewhere_are_not_listed(self):
        found = self.summary(document("/src/tools/boot-trace/a.cc", [(1, 0)], [(1, "f()", 0)]))
        self.assertEqual(found["uncovered"], [])


if __name__ == "__main__":
    unittest.main()
