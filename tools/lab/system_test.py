# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import contextlib
import io
import json
import pathlib
import re
import tempfile
import unittest
from unittest import mock
from xml.etree import ElementTree

import host
import image
import recipes
import suite
import system


class ScriptTest(unittest.TestCase):
    def test_each_step_has_a_function_and_each_function_is_a_step(self):
        script = (system._TESTS / system._SCRIPT).read_text()
        self.assertEqual(re.findall(r"^step_([a-z-]+)\(\)", script, re.M), system.steps())


class DomainTest(unittest.TestCase):
    def test_elements_replace_the_dots_of_the_page(self):
        page = "text\n\n    <domain type='kvm'>\n      ...\n      <a/>\n      ...\n    </domain>\n\ntext\n"
        self.assertEqual(system.domain(page, "  <b/>\n"), "<domain type='kvm'>\n  <b/>\n  <a/>\n</domain>\n")

    def test_page_without_a_domain_is_an_error(self):
        for page, why in (("text\n", "no block"), ("    <domain x>\n      <a/>\n    </domain>\n", "no line of dots")):
            with self.assertRaisesRegex(system.LabError, why):
                system.domain(page, "")

    def test_domain_is_well_formed_and_has_the_device_of_the_page(self):
        text = system.domain(system._PAGE.read_text(), (system._TESTS / "domain.xml").read_text())
        domain = ElementTree.fromstring(text)
        self.assertEqual(domain.findtext("name"), "vm1")
        self.assertIsNotNone(domain.find("memoryBacking/access[@mode='shared']"))
        arguments = [arg.get("value") for arg in domain.iter("{http://libvirt.org/schemas/domain/qemu/1.0}arg")]
        port, device = (json.loads(value) for value in arguments if value.startswith("{"))
        self.assertEqual((port["driver"], device["driver"]), ("pcie-root-port", "vfio-user-pci"))
        # An answer after QEMU's default, 5 s, would cost the VM its device.
        self.assertGreaterEqual(device["x-msg-timeout"], 60000)


class RunTest(unittest.TestCase):
    """Results of hosts that a test invents."""

    def _tally(self, *boots, emulated=True, in_background=False):
        tally = suite.Tally()
        with mock.patch.object(system, "_run_host", side_effect=boots[0] if callable(boots[0]) else boots), \
             mock.patch.object(system, "steps", return_value=["a", "b"]), \
             mock.patch.object(system, "_files", return_value={}), \
             mock.patch.object(system.image, "system_image"), \
             mock.patch.object(system.machine, "why_no_kvm", return_value="no" if emulated else None), \
             contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            steps = system.Steps(None, [])
            if in_background:
                steps.try_in_background()
            steps.finish(tally)
        return tally.passed, tally.failures, tally.skipped

    def test_one_boot_is_enough_if_each_step_passes_or_is_skipped(self):
        self.assertEqual(self._tally(([("pass", "a"), ("skip", "b")], None)), (1, [], 1))

    def test_step_that_fails_on_an_emulated_host_is_tried_again(self):
        self.assertEqual(self._tally(([("pass", "a"), ("fail", "b")], None), ([("fail", "a"), ("pass", "b")], None)),
                         (2, [], 0))

    def test_step_that_fails_each_time_has_failed(self):
        boot = ([("pass", "a"), ("fail", "b")], None)
        self.assertEqual(self._tally(boot, boot, boot), (1, ["system: b"], 0))
        self.assertEqual(self._tally(boot, emulated=False), (1, ["system: b"], 0))

    def test_first_try_runs_in_the_background_where_another_may_follow(self):
        jobs = []
        failed, passed = ([("fail", "a"), ("pass", "b")], None), ([("pass", "a"), ("pass", "b")], None)

        def boot(*results):
            left = list(results)
            return lambda job: jobs.append(job.is_background) or left.pop(0)

        for emulated, results, expected in ((True, (failed, passed), [True, False]), (False, (passed,), [False])):
            jobs.clear()
            self.assertEqual(self._tally(boot(*results), emulated=emulated, in_background=True), (2, [], 0))
            self.assertEqual(jobs, expected)

    def test_step_that_never_ran_has_failed(self):
        boot = ([("pass", "a")], host.HostDied("reset"))
        self.assertEqual(self._tally(boot, boot, boot), (1, ["system: b"], 0))


class ImageTest(unittest.TestCase):
    def test_systemd_starts_the_job_and_no_login_writes_to_its_console(self):
        files = image._systemd_files()
        self.assertIn(b"ExecStart=/usr/local/sbin/lab-init", files["etc/systemd/system/lab-init.service"])
        self.assertIn("etc/systemd/system/multi-user.target.wants/lab-init.service", files)
        self.assertEqual(files["etc/systemd/system/serial-getty@hvc0.service"], "/dev/null")

    def test_files_are_written_with_their_modes_and_links_with_their_targets(self):
        with contextlib.ExitStack() as stack:
            top = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for content in (b"#!/bin/sh\n", b"text\n", "/dev/null"):
                image._write(top / "etc/file", content)
                if isinstance(content, str):
                    self.assertEqual(str((top / "etc/file").readlink()), content)
                else:
                    self.assertEqual((top / "etc/file").stat().st_mode & 0o777, 0o755 if b"#!" in content else 0o644)


    def test_profiles_but_libvirts_and_all_generators_are_disabled(self):
        with tempfile.TemporaryDirectory() as top:
            root = pathlib.Path(top)
            (root / "etc/apparmor.d/abstractions").mkdir(parents=True)
            (root / "usr/lib/systemd/system-generators").mkdir(parents=True)
            for name in ("etc/apparmor.d/firefox", "etc/apparmor.d/usr.sbin.libvirtd",
                         "usr/lib/systemd/system-generators/getty"):
                (root / name).touch()
            self.assertEqual(image._without_slow_work(root),
                             {"etc/apparmor.d/disable/firefox": "/etc/apparmor.d/firefox",
                              "etc/systemd/system-generators/getty": "/dev/null"})


class RecipeTest(unittest.TestCase):
    def test_only_the_host_with_libvirt_prefers_the_backported_libvirt(self):
        self.assertIn("Package: libvirt*", recipes.SYSTEM.preferences)
        for recipe in (recipes.BUILD, recipes.HOST, recipes.PACKAGE):
            self.assertNotIn("libvirt", recipe.preferences)


if __name__ == "__main__":
    unittest.main()
