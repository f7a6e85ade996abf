# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Tests of the rules of ./lab check that need no build root: each with a bad example."""

import os
import re
import subprocess
import tempfile
import unittest
from unittest import mock

import check_headers
import check_includes
import check_links
import check_sizes
import check_tidy
import check_tools
import check_tree
from settings import CHECKOUT, LabError

SPDX = "SPDX-License-Identifier: Apache-2.0"


def tree(files, chosen=None):
    """A Tree of {name: text}, in memory."""
    made = check_tree.Tree("/nonexistent", files, chosen)
    made._texts = dict(files)
    return made


def function(lines, head="int f(void)"):
    return f"{head}\n{{\n" + "\tx();\n" * (lines - 3) + "}\n"


class FileSizeTest(unittest.TestCase):
    def test_file_above_the_limit_is_found(self):
        self.assertEqual(check_sizes.files(tree({"a.c": "\n" * 450})), [])
        self.assertEqual(check_sizes.files(tree({"a.c": "\n" * 451})), ["a.c:451: 451 lines, at most 450"])

    def test_raw_data_has_no_limit(self):
        self.assertEqual(check_sizes.files(tree({"a.json": "\n" * 999, "benchmarks/results/a.txt": "\n" * 999})), [])

    def test_exception_is_found_once_it_is_not_needed(self):
        with mock.patch.dict(check_sizes.LONG_FILES, {"a.c": "a table"}):
            self.assertEqual(check_sizes.files(tree({"a.c": "\n" * 451})), [])
            self.assertIn("no exception", check_sizes.files(tree({"a.c": "\n"}))[0])


class FunctionSizeTest(unittest.TestCase):
    def lengths(self, text):
        return [(name, length) for _, name, length in check_sizes.c_functions(text)]

    def test_function_above_the_limit_is_found(self):
        self.assertEqual(check_sizes.functions(tree({"a.c": function(60)})), [])
        self.assertEqual(check_sizes.functions(tree({"a.c": function(61)})), ["a.c:1: f has 61 lines, at most 60"])

    def test_python_function_above_the_limit_is_found(self):
        self.assertEqual(len(check_sizes.functions(tree({"a.py": "def f():\n" + "    x()\n" * 60}))), 1)

    def test_methods_tests_programs_and_constructors_have_names(self):
        text = ("namespace a {\nclass B : public C {\n  int Get() const { return 1; }\n};\n"
                "B::B(int x) : x_(x), y_{x} {\n  Do();\n}\n}\nTEST(ATest, Works) {\n}\n"
                'SEC("tp_btf/x")\nint BPF_PROG(on_x, int a)\n{\n}\nextern "C" {\nvoid f() {}\n}\n')
        self.assertEqual(self.lengths(text), [("Get", 1), ("B::B", 3), ("ATest.Works", 2), ("on_x", 4), ("f", 1)])

    def test_tables_types_and_braces_in_strings_are_no_functions(self):
        text = ('struct a {\n int x;\n};\nstatic const struct b t[] = {\n { "}{", f(1) },\n};\nenum c { A, B };\n'
                "#define X(a) do { \\\n} while (0)\n/* f() { */\n")
        self.assertEqual(self.lengths(text), [])

    def test_exception_is_found_once_it_is_not_needed(self):
        with mock.patch.dict(check_sizes.LONG_FUNCTIONS, {("a.c", "f"): "a table"}):
            self.assertEqual(check_sizes.functions(tree({"a.c": function(61)})), [])
            self.assertIn("no exception", check_sizes.functions(tree({"a.c": function(9)}))[0])


class IncludesTest(unittest.TestCase):
    def test_circle_is_found(self):
        files = {"a/a.h": '#include "a/b.h"\n', "a/b.h": '\n#include "c.h"\n', "a/c.h": '#include "a/a.h"\n'}
        self.assertEqual(check_includes.circles(tree(files)),
                         ["a/c.h:1: includes in a circle: a/a.h -> a/b.h -> a/c.h -> a/a.h"])
        self.assertEqual(check_includes.circles(tree({**files, "a/c.h": '/* #include "a/a.h" */\n'})), [])

    def test_floors_above_the_limit_are_found(self):
        def chain(count):
            files = {f"host-policy/bpf/{i}.bpf.h": f'#include "{i + 1}.bpf.h"\n' for i in range(1, count)}
            return tree({**files, "host-policy/bpf/a.bpf.c": '#include "host-policy/bpf/1.bpf.h"\n'})
        self.assertEqual(check_includes.floors(chain(5)), [])
        (found,) = check_includes.floors(chain(6))
        self.assertRegex(found, r"^host-policy/bpf/a\.bpf\.c:1: 6 floors, at most 5: ")

    def test_program_and_map_in_a_header_are_found(self):
        files = {"host-policy/bpf/a.bpf.h": 'struct {\n} m SEC(".maps");\n\nSEC("tp/x")\nint f(void *c)\n{\n}\n'}
        self.assertEqual([re.match(r"\S+:\d+", line)[0] for line in check_includes.programs_in_headers(tree(files))],
                         ["host-policy/bpf/a.bpf.h:2", "host-policy/bpf/a.bpf.h:4"])

    def test_header_that_includes_programs_is_found(self):
        files = {"host-policy/bpf/a.bpf.h": '\n#include "maps.bpf.c"\n', "host-policy/bpf/maps.bpf.c": "int x;\n",
                 "host-policy/bpf/b.bpf.c": '#include "maps.bpf.c"\n'}
        (found,) = check_includes.programs_in_headers(tree(files))
        self.assertIn("host-policy/bpf/a.bpf.h:2: a header includes host-policy/bpf/maps.bpf.c", found)

    def test_declaration_and_comment_may_stand_in_a_header(self):
        files = {"host-policy/bpf/a.bpf.h": '/* SEC("x") */\nextern struct {\n int x;\n} m SEC(".maps");\n',
                 "host-policy/bpf/a.bpf.c": 'SEC("tp/x")\nint f(void *c)\n{\n}\n', "tests/a.h": 'SEC("x")\n'}
        self.assertEqual(check_includes.programs_in_headers(tree(files)), [])

    def test_use_of_the_device_for_utilities_is_found(self):
        files = {"vmm-device/a.h": "", "vmm-device/b.cc": '#include "vmm-device/a.h"\n',
                 "tests/c.cc": '#include "vmm-device/a.h"\n', "host-policy/d.cc": '\n#include "vmm-device/a.h"\n'}
        self.assertEqual(check_includes.device_users(tree(files)),
                         ["host-policy/d.cc:2: includes vmm-device/a.h: utilities belong in common/"])


class HeadersTest(unittest.TestCase):
    def test_program_without_licence_or_copyright_is_found(self):
        good = f"// {SPDX}\n// {check_headers.COPYRIGHT}\n"
        found = check_headers.licences(tree({"good.cc": good, "none.cc": "int x;\n", "half.h": f"// {SPDX}\n",
                                             "a.sh": f"#!/bin/sh\n# {SPDX}\n# {check_headers.COPYRIGHT}\n"}))
        self.assertEqual([line.split(":")[0] for line in found], ["half.h", "none.cc"])

    def test_configuration_needs_a_licence_only(self):
        found = check_headers.licences(tree({"CMakeLists.txt": "x()\n", "a.toml": f"# {SPDX}\n", "a.md": "page\n"}))
        self.assertEqual([line.split(":")[0] for line in found], ["CMakeLists.txt"])

    def test_machines_path_and_package_host_are_found(self):
        for bad in ("see /home/joe/x", "cd /Users/joe", 'p = "/mnt/data/x"', "http://deb." + "debian.org/debian",
                    "mirror.corp.example.com", "http://10.0.0.1:80/", "https://pypi.org/simple"):
            self.assertEqual(len(check_headers.machines(tree({"a.md": f"\n{bad}\n"}))), 1, bad)

    def test_paths_in_the_system_and_other_hosts_pass(self):
        for good in ("/run/pvsched/device.sock", "/usr/src/linux", "https://ui.perfetto.dev", "a/build/lab", "$HOME/home/x",
                     "https://www.kernel.org/doc", "guest/home/x"):
            self.assertEqual(check_headers.machines(tree({"a.md": f"{good}\n"})), [], good)


class LinksTest(unittest.TestCase):
    def dead(self, text, **more):
        return check_links.dead(tree({"docs/a.md": text, "docs/b.md": "# One `two` & Three\n\n## Twice\n## Twice\n",
                                      "README.md": "", **more}))

    def test_dead_file_heading_and_reference_are_found(self):
        for bad in ("[x](c.md)", "[x](b.md#none)", "[x](../docs/c.md)", "[x](#none)", "[x]: c.md", "![x](c.svg)",
                    "[x](/docs/b.md)", '<a href="c.md">'):
            self.assertEqual(len(self.dead(f"\n{bad}\n")), 1, bad)

    def test_live_links_code_and_other_sites_pass(self):
        for good in ("[x](b.md)", "[x](b.md#one-two--three)", "[x](b.md#twice-1)", "[x](../README.md)", "[x](../docs)",
                     "[x](https://a.example/b)", "`[x](c.md)`", "```\n[x](c.md)\n```", "## Here\n[x](#here)"):
            self.assertEqual(self.dead(f"{good}\n"), [], good)


class ToolsTest(unittest.TestCase):
    class Root:
        def __init__(self, status, said):
            self.answer = mock.Mock(returncode=status, stdout=said)

        def run(self, argv, **_options):
            self.argv = argv
            return self.answer

    def test_findings_of_a_tool_are_taken_from_its_output(self):
        root = self.Root(1, "./a.py:3:1: 'x' imported but unused\nnoise\n")
        self.assertEqual(check_tools.pyflakes(root, tree({"a.py": "", "b.md": ""})), ["a.py:3: 'x' imported but unused"])
        self.assertEqual(root.argv, ["pyflakes3", "a.py"])

    def test_tool_that_fails_without_a_finding_is_an_error(self):
        with self.assertRaisesRegex(LabError, "pyflakes3 failed: not found"):
            check_tools.pyflakes(self.Root(127, "not found"), tree({"a.py": ""}))

    def test_no_file_no_run(self):
        self.assertEqual(check_tools.shellcheck(None, tree({"a.py": ""})), [])

    def test_kernel_style_sh_reads_the_same_files(self):
        listed = subprocess.run(["sh", str(CHECKOUT / "tests/unit/kernel_style.sh"), str(CHECKOUT), "--list"],
                                capture_output=True, text=True, check=True)
        self.assertEqual(sorted(listed.stdout.split()), check_tree.of_checkout(CHECKOUT).kernel())


class TidyTest(unittest.TestCase):
    FILES = {"a.cc": '#include "a.h"\n', "a.h": "int x;\n", "b.h": "int y;\n", ".clang-tidy": "Checks: x\n"}

    def key(self, root="root", command="c++", **changed):
        made = tree({**self.FILES, **{name.replace("_", ".", 1): text for name, text in changed.items()}})
        return check_tidy.key(root, made, check_includes.graph(made), "a.cc", command)

    def test_kept_findings_depend_on_all_that_clang_tidy_reads(self):
        known = self.key()
        self.assertEqual(known, self.key(b_h="int z;\n"))
        for changed in (self.key(a_h="int z;\n"), self.key(a_cc='#include "a.h"\nint z;\n'), self.key(root="another"),
                        self.key(command="c++ -O2"), self.key(**{"_clang-tidy": "Checks: y\n"})):
            self.assertNotEqual(known, changed)

    def test_findings_are_not_kept_if_a_file_was_edited_meanwhile(self):
        with tempfile.TemporaryDirectory() as folder:
            made = check_tree.Tree(folder, self.FILES)
            for name, text in self.FILES.items():
                (made.top / name).write_text(text, encoding="utf-8")
                os.utime(made.top / name, (100, 100))
            edges = check_includes.graph(made)
            self.assertFalse(check_tidy.changed_since(101, made, edges, "a.cc"))
            os.utime(made.top / "b.h", (102, 102))
            self.assertFalse(check_tidy.changed_since(101, made, edges, "a.cc"))
            os.utime(made.top / "a.h", (102, 102))
            self.assertTrue(check_tidy.changed_since(101, made, edges, "a.cc"))

    def test_findings_have_paths_of_the_tree(self):
        said = ("/src/a.cc:3:4: error: use nullptr [modernize-use-nullptr,-warnings-as-errors]\n   3 | x\n"
                "/usr/include/y.h:1:1: warning: z [w]\n")
        self.assertEqual(check_tidy.findings(said), ["a.cc:3: use nullptr [modernize-use-nullptr]"])

    def test_headers_are_precompiled_with_the_flags_of_every_command(self):
        commands = ["c++ -I/src -O2 -DX=1 -std=c++20 -Wall -c a.cc", "c++ -I/src -O0 -DY='a b' -std=c++20 -Wall -c b.cc"]
        self.assertEqual(check_tidy.common_flags(commands), ["-I/src", "-std=c++20", "-Wall"])


if __name__ == "__main__":
    unittest.main()
