# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The examples of docs/examples for Proxmox VE and KubeVirt."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path

from settings import CHECKOUT

try:
    import yaml
except ImportError:
    yaml = None

EXAMPLES = CHECKOUT / "docs/examples"
QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
# As KubeVirt passes a domain to a hook, shortened.
DOMAIN = """<domain type="kvm" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
<name>default_vm1</name><memory unit="b">2147483648</memory><os><type machine="q35">hvm</type></os>
{}<devices></devices></domain>"""


class _Programs:
    """Stand-ins for programs, in a directory that comes first in PATH."""

    def __init__(self, folder, **programs):
        for name, body in programs.items():
            path = Path(folder) / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
            path.chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


class ProxmoxTest(unittest.TestCase):
    def _hook(self, phase, has_socket=True, vms="VM PID\nweb_1  42"):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            path = f"{folder}/s"
            if has_socket:
                listener.bind(path)
            environment = _Programs(folder, systemctl="true", qm="echo 'name: web 1'",
                                    pvschedctl=f"echo '{vms}'").environment
            return subprocess.run(
                [EXAMPLES / "proxmox/pvsched-hook.sh", "100", phase], capture_output=True, text=True,
                check=False, env={**environment, "PVSCHED_SOCKET": path, "PVSCHED_WAIT": "0"})

    def test_hook_prevents_a_start_without_the_socket(self):
        self.assertEqual(self._hook("pre-start").returncode, 0)
        refused = self._hook("pre-start", has_socket=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("does not exist", refused.stderr)

    def test_hook_warns_of_a_vm_that_pvschedd_does_not_know(self):
        self.assertEqual(self._hook("post-start").stderr, "")
        warned = self._hook("post-start", vms="VM PID")
        self.assertIn("does not know VM 100", warned.stderr)
        self.assertEqual(warned.returncode, 0)

    def test_arguments_of_the_page_are_those_of_qemu(self):
        page = (CHECKOUT / "docs/how-to/proxmox.md").read_text(encoding="utf-8")
        line = re.search(r"^    (qm set 100 --args .*)$", page, re.M)[1]
        arguments = shlex.split(shlex.split(line)[-1])
        self.assertEqual(arguments[::2], ["-object", "-machine", "-device", "-device"])
        port = dict(item.split("=") for item in arguments[5].split(",")[1:])
        device = json.loads(arguments[7])
        self.assertEqual(device["driver"], "vfio-user-pci")
        self.assertEqual(device["bus"], port["id"])

    def test_pages_with_pvsched_deviced_give_qemu_one_device(self):
        devices = []
        for name in ("install", "libvirt", "proxmox"):
            page = (CHECKOUT / f"docs/how-to/{name}.md").read_text(encoding="utf-8").replace("\\\"", '"')
            text = re.search(r'{"driver":"vfio-user-pci".*?}}', page, re.S)[0]
            devices.append(json.loads(text))
        self.assertIn("x-msg-timeout", devices[0])
        self.assertEqual(devices, [devices[0]] * 3)


@unittest.skipIf(yaml is None, "python3-yaml is not installed")
class KubevirtTest(unittest.TestCase):
    def _documents(self, name):
        return list(yaml.safe_load_all((EXAMPLES / "kubevirt" / name).read_text(encoding="utf-8")))

    def _define(self, folder, domain=DOMAIN.format("")):
        """Runs the hook, and returns the domain that it prints."""
        script = Path(folder) / "onDefineDomain"
        script.write_text(self._documents("hook.yaml")[0]["data"]["onDefineDomain"], encoding="utf-8")
        environment = _Programs(folder, pvsched_device=f'echo "$@" >>{folder}/started; touch "$2"; sleep 5').environment
        vmi = json.dumps({"metadata": {"namespace": "blue", "name": "vm1"}})
        done = subprocess.run(
            [sys.executable, script, "--vmi", vmi, "--domain", domain], text=True, capture_output=True,
            check=True, timeout=4,
            env={**environment, "PVSCHED_HOOK_DIR": folder, "PVSCHED_LOG": os.devnull})
        return ET.fromstring(done.stdout)

    def test_hook_adds_device_and_shared_memory(self):
        with tempfile.TemporaryDirectory() as folder:
            domain = self._define(folder)
            started = (Path(folder) / "started").read_text(encoding="utf-8")
        self.assertEqual(domain.find("memoryBacking/source").get("type"), "memfd")
        self.assertEqual(domain.find("memoryBacking/access").get("mode"), "shared")
        values = [arg.get("value") for arg in domain.findall(f"{QEMU}commandline/{QEMU}arg")]
        self.assertEqual(values[::2], ["-device", "-device"])
        port, device = (json.loads(value) for value in values[1::2])
        self.assertEqual(device["bus"], port["id"])
        self.assertEqual(device["socket"]["path"], "/var/run/kubevirt-hooks/hook-sidecar-0/vfio-user.sock")
        self.assertIn("--name blue.vm1 --persist", started)
        self.assertEqual(domain.find("name").text, "default_vm1")

    def test_hook_keeps_huge_pages_and_other_arguments(self):
        more = ("<memoryBacking><hugepages/></memoryBacking>"
                "<qemu:commandline><qemu:arg value='-name'/></qemu:commandline>")
        with tempfile.TemporaryDirectory() as folder:
            domain = self._define(folder, DOMAIN.format(more))
        self.assertIsNone(domain.find("memoryBacking/source"))
        self.assertEqual(domain.find("memoryBacking/access").get("mode"), "shared")
        lines = domain.findall(f"{QEMU}commandline")
        self.assertEqual([len(line) for line in lines], [5])

    def test_hook_starts_one_device(self):
        with tempfile.TemporaryDirectory() as folder:
            self._define(folder)
            self._define(folder)
            started = (Path(folder) / "started").read_text(encoding="utf-8")
        self.assertEqual(len(started.splitlines()), 1)

    def test_annotation_names_the_hook(self):
        hook = self._documents("hook.yaml")[0]
        vmi = self._documents("vmi.yaml")[0]
        sidecars = json.loads(vmi["metadata"]["annotations"]["hooks.kubevirt.io/hookSidecars"])
        self.assertEqual(len(sidecars), 1)
        self.assertEqual(sidecars[0]["configMap"]["name"], hook["metadata"]["name"])
        self.assertIn(sidecars[0]["configMap"]["key"], hook["data"])
        self.assertEqual(Path(sidecars[0]["configMap"]["hookPath"]).name, "onDefineDomain")
        self.assertIn(f"{sidecars[0]['hostPath']['volumePath']}/device.sock", hook["data"]["onDefineDomain"])

    def test_daemon_set_has_what_pvschedd_needs(self):
        daemons, config = self._documents("pvschedd.yaml")
        pod = daemons["spec"]["template"]["spec"]
        self.assertEqual(daemons["spec"]["selector"]["matchLabels"],
                         daemons["spec"]["template"]["metadata"]["labels"])
        self.assertTrue(pod["hostPID"])
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in pod["containers"] + pod["initContainers"]:
            for mount in container["volumeMounts"]:
                self.assertIn(mount["name"], volumes, container["name"])
        self.assertTrue(pod["containers"][0]["securityContext"]["privileged"])
        self.assertEqual(volumes["run"]["hostPath"]["path"], "/run/pvsched")
        self.assertEqual(volumes["config"]["configMap"]["name"], config["metadata"]["name"])
        self.assertIn("pvsched.toml", config["data"])

    def test_options_of_the_manifests_exist(self):
        for container in self._documents("pvschedd.yaml")[0]["spec"]["template"]["spec"]["containers"]:
            page = (CHECKOUT / f"docs/reference/{container['command'][0]}.md").read_text(encoding="utf-8")
            for option in container["command"][1::2]:
                self.assertIn(option, page)


if __name__ == "__main__":
    unittest.main()
