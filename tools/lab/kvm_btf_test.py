# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""What the programs hook and read of KVM stands in the BTF of both vendors' modules.

The lab's processor is of one vendor, so the other vendor's module cannot be loaded there."""

import lzma
import unittest

import btf
from settings import CACHE


def _host():
    """The newest host root of the lab that has a kernel image and KVM's modules."""
    for root in sorted((CACHE / "roots").glob("host-*"), key=lambda path: path.stat().st_mtime, reverse=True):
        modules = {path.name.split(".")[0]: path for path in root.glob("usr/lib/modules/*/kernel/arch/x86/kvm/*.ko.xz")}
        if (root / "boot/lab-vmlinux").exists() and {"kvm", "kvm-amd", "kvm-intel"} <= set(modules):
            return root / "boot/lab-vmlinux", modules
    return None, None


class KvmBtfTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        image, modules = _host()
        if image is None:
            raise unittest.SkipTest("the lab has no host root with KVM's modules")
        kernel = btf.Btf(btf.sections(image.read_bytes())[".BTF"])
        cls.btf = {name: btf.Btf(btf.sections(lzma.decompress(path.read_bytes()))[".BTF"], kernel)
                   for name, path in modules.items()}

    def _members(self, module, name):
        """The names of a struct's members, as the vendor's module or kvm.ko has them."""
        for types in (self.btf[module], self.btf["kvm"]):
            ids = types.ids((btf.STRUCT,), name)
            if ids:
                return [member for member, _ in types.members(ids[-1])]
        return []

    def _has(self, module, name, *members):
        present = self._members(module, name)
        for member in members:
            self.assertIn(member, present, f"{module}'s struct {name}")

    def _parameters(self, module, function):
        types = self.btf[module]
        ids = types.ids((btf.FUNC,), function)
        return [name for name, _ in types.members(types.type(ids[0]).size_or_type)] if ids else []

    def test_hooked_functions_take_the_vcpu_first(self):
        kick = "__kvm_vcpu_kick" if self._parameters("kvm", "__kvm_vcpu_kick") else "kvm_vcpu_kick"
        for module, function in (("kvm", kick), ("kvm", "kvm_vcpu_wake_up"), ("kvm", "kvm_vcpu_halt"),
                                 ("kvm-amd", "svm_handle_exit"), ("kvm-intel", "vmx_handle_exit")):
            self.assertEqual(self._parameters(module, function)[:1], ["vcpu"], f"{function}() of {module}")
        self.assertEqual(self._parameters("kvm", "kvm_vcpu_on_spin")[:1], ["me"])

    def test_emulated_apic_has_the_fields_that_a_kick_shows(self):
        self._has("kvm", "kvm_vcpu", "vcpu_id", "pid", "arch")
        self._has("kvm", "kvm_vcpu_arch", "apic", "nmi_queued")
        self._has("kvm", "kvm_lapic", "lapic_timer", "apicv_active", "irr_pending", "pending_events", "regs")
        self._has("kvm", "kvm_timer", "pending")

    def test_intel_has_a_descriptor_of_posted_interrupts(self):
        members = self._members("kvm-intel", "vcpu_vmx")
        self.assertEqual(members[0], "vcpu")
        if "pi_desc" not in members:
            self._has("kvm-intel", "vcpu_vmx", "vt")
            self._has("kvm-intel", "vcpu_vt", "pi_desc")


if __name__ == "__main__":
    unittest.main()
