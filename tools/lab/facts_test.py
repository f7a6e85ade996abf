# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Facts that stand in several languages or documents: each copy equals its source."""

import re
import unittest

import packages
import recipes
from settings import BENCHMARKS, CHECKOUT


def _text(path):
    return (CHECKOUT / path).read_text(encoding="utf-8")


def _found(path, pattern):
    """The groups of the only match of `pattern` in a file."""
    found = re.findall(pattern, _text(path))
    if len(found) != 1:
        raise AssertionError(f"{path}: {len(found)} matches of {pattern!r}, expected 1")
    return found[0]


def _version(text):
    return tuple(int(n) for n in text.split("."))


def _documents():
    for path in [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]:
        yield path.relative_to(CHECKOUT), path.read_text(encoding="utf-8")


class KernelVersionTest(unittest.TestCase):
    def test_pvschedd_refuses_kernels_older_than_the_labs_oldest_host(self):
        path = "host-policy/loader/host_check.cc"
        constants = (int(_found(path, r"constexpr int kMajor = (\d+);")),
                     int(_found(path, r"constexpr int kMinor = (\d+);")))
        self.assertEqual(constants, packages.OLDEST_HOST_KERNEL)

    def test_dkms_builds_the_host_module_from_the_oldest_host_kernel_on(self):
        version = _found("host-policy/kmod/dkms.conf", r'BUILD_EXCLUSIVE_KERNEL_MIN="(.*)"')
        self.assertEqual(_version(version), packages.OLDEST_HOST_KERNEL)

    def test_modules_are_built_for_the_oldest_kernels(self):
        path = "tests/unit/CMakeLists.txt"
        self.assertEqual(_version(_found(path, r"guest-driver pvsched (\d+\.\d+) ")), packages.OLDEST_GUEST_KERNEL)
        self.assertEqual(_version(_found(path, r"pvsched_host (\d+\.\d+) ")), packages.OLDEST_HOST_KERNEL)

    def test_documents_name_the_oldest_kernels(self):
        mentions = 0
        for path, text in _documents():
            for found in re.finditer(r"\bkernel\s+(\d+\.\d+)\s+or\s+(?:newer|later)", text):
                before = text[:found.start()].lower()
                is_guest = before.rfind("guest") > before.rfind("host")
                self.assertEqual(_version(found[1]), packages.OLDEST_GUEST_KERNEL if is_guest else
                                 packages.OLDEST_HOST_KERNEL, f"{path}: {found[0]}")
                mentions += 1
        self.assertGreater(mentions, 0, "no document names a kernel version: adapt this test")


class ProjectVersionTest(unittest.TestCase):
    def test_the_modules_have_the_projects_version(self):
        version = _found("CMakeLists.txt", r"project\(pvsched VERSION ([\d.]+)")
        for path in ("guest-driver/pvsched_pci.c", "host-policy/kmod/pvsched_host_main.c"):
            self.assertEqual(_found(path, r'MODULE_VERSION\("(.*)"\)'), version, path)


class QemuVersionTest(unittest.TestCase):
    def test_documents_and_recipes_name_the_oldest_qemu(self):
        mentions = 0
        for path, text in [*_documents(), ("recipes.py", _text("tools/lab/recipes.py"))]:
            for found in re.finditer(r"QEMU\s+(?:>=\s+)?(\d+\.\d+)(?=\s+or\s+newer|\s+for `vfio-user-pci`|\s+and\s+newer)"
                                     r"|vfio-user needs >= (\d+\.\d+)", text):
                self.assertEqual(_version(found[1] or found[2]), packages.OLDEST_QEMU, f"{path}: {found[0]}")
                mentions += 1
        self.assertGreater(mentions, 0, "no document names a QEMU version: adapt this test")


class LoadTest(unittest.TestCase):
    def test_documents_show_the_load_that_the_measurements_run(self):
        sources = {found for path in (BENCHMARKS / "cases").iterdir() if path.is_file()
                   for found in re.findall(r'^load="(--cpu .*)"$', path.read_text(), re.M)}
        self.assertEqual(len(sources), 1, f"the load has one definition in benchmarks/cases: {sources}")
        load = sources.pop().split()
        for path, text in _documents():
            for found in re.finditer(r"stress-ng\s+(--cpu[^`)|]*)[`)]", text):
                self.assertEqual(found[1].split()[:len(load)], load, f"{path}: {found[0]}")


class PathTest(unittest.TestCase):
    def test_every_program_uses_the_runtime_directory_of_the_unit_file(self):
        runtime = "/run/" + _found("host-policy/systemd/pvschedd.service.in", r"(?m)^RuntimeDirectory=(\S+)$")
        sources = ("shared-abi/pvsched_control.h", "common", "host-policy/daemon", "host-policy/ctl")
        paths = {}
        for source in sources:
            path = CHECKOUT / source
            for file in [path] if path.is_file() else sorted(path.rglob("*.[ch]*")):
                # systemd's own sockets lie elsewhere.
                found_paths = re.findall(r'"(/run/(?!systemd/)[^"]*)"', file.read_text())
                paths.update({found: file.name for found in found_paths})
        self.assertTrue(paths)
        for path, file in paths.items():
            self.assertTrue(path == runtime or path.startswith(f"{runtime}/"), f"{file}: {path}")


class BuildDependenciesTest(unittest.TestCase):
    def test_install_page_lists_what_debian_control_names(self):
        wanted = set(recipes.build_depends(_text("debian/control"), with_tests=True))
        listed = re.search(r"apt install (cmake (?:.*\\\n)*.*)", _text("docs/how-to/install.md"))
        # debhelper and its parts make packages; the compiler and make are in build-essential.
        self.assertEqual(set(listed[1].replace("\\", " ").split()) - {"g++", "make"},
                         wanted - {"debhelper", "dh-dkms", "ninja-build", "systemd-dev"})


class KernelConditionTest(unittest.TestCase):
    def test_unit_starts_on_the_oldest_supported_host_kernel(self):
        wanted = _found("host-policy/systemd/pvschedd.service.in", r"(?m)^ConditionKernelVersion=>=(\S+)$")
        self.assertEqual(_version(wanted), packages.OLDEST_HOST_KERNEL)


class MarkTest(unittest.TestCase):
    def test_guests_write_the_mark_that_pvsched_boot_expects_by_default(self):
        interface = "tools/boot-trace/bpf/intf.h"
        mark = tuple(int(_found(interface, rf"#define PVS_BOOT_DEFAULT_{name} (0x\w+)"), 16)
                     for name in ("PORT", "VALUE"))
        init = "tools/lab/guest/boot_init.cc"
        self.assertEqual((int(_found(init, r"kPort = (0x\w+);"), 16), int(_found(init, r"kMark = (0x\w+);"), 16)), mark)
        value, port = _found("tests/modules/boot_mark/boot_mark.c", r"outb\((0x\w+), (0x\w+)\)")
        self.assertEqual((int(port, 16), int(value, 16)), mark)
        port, octal, seek = int(_found("tools/boot-trace/boot_main.cc", r"ioperm\((0x\w+), 1, 1\)"), 16), *_found(
            "tools/boot-trace/boot_main.cc", r"printf '\\\\(\d+)' \| dd of=/dev/port bs=1 seek=(\d+)")
        self.assertEqual((port, int(octal, 8)), mark)
        self.assertEqual(int(seek), port)


if __name__ == "__main__":
    unittest.main()
