# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""What the programs hook and read of KVM stands in the BTF of both vendors' modules.

The lab's processor is of one vendor, so the other vendor's module cannot be loaded there."""

import lzma
import pathlib
import struct
import unittest

from settings import CACHE

_FUNC, _FUNC_PROTO, _STRUCT = 12, 13, 4
# Words behind struct btf_type by kind: fixed, and for each element.
_TRAILING = {1: (1, 0), 3: (3, 0), 4: (0, 3), 5: (0, 3), 6: (0, 2), 13: (0, 2), 14: (1, 0), 15: (0, 3), 17: (1, 0),
             19: (0, 3)}


def section(elf, name):
    """A section's bytes of a 64-bit ELF file."""
    offset, = struct.unpack_from("<Q", elf, 40)
    size, count, names = struct.unpack_from("<HHH", elf, 58)
    headers = [struct.unpack_from("<IIQQQQ", elf, offset + i * size) for i in range(count)]
    strings = headers[names][4]
    for header in headers:
        start = strings + header[0]
        if elf[start:elf.index(b"\0", start)].decode() == name:
            return elf[header[4]:header[4] + header[5]]
    raise ValueError(f"no section {name}")


class Btf:
    """Functions with the names of their parameters, and structs with their members."""

    def __init__(self, data, base=None):
        magic, _, _, header, types_at, types_size, strings_at, strings_size = struct.unpack_from("<HBBIIIII", data)
        if magic != 0xeb9f:
            raise ValueError("no BTF")
        self._base = base
        self._strings = data[header + strings_at:header + strings_at + strings_size]
        self.strings_end = (base.strings_end if base else 0) + strings_size
        self.first = base.end if base else 1
        self.functions, self.structs = {}, {}
        self._read(data[header + types_at:header + types_at + types_size])

    def _name(self, offset):
        start = self.strings_end - len(self._strings)
        if offset < start:
            return self._base._name(offset)
        offset -= start
        return self._strings[offset:self._strings.index(b"\0", offset)].decode()

    def _read(self, types):
        at, index, functions = 0, self.first, {}
        self.protos = dict(self._base.protos) if self._base else {}
        while at < len(types):
            name, info, kind_or_size = struct.unpack_from("<III", types, at)
            kind, elements = info >> 24 & 0x1f, info & 0xffff
            fixed, each = _TRAILING.get(kind, (0, 0))
            words = struct.unpack_from(f"<{fixed + each * elements}I", types, at + 12)
            if kind == _STRUCT:
                self.structs[self._name(name)] = [(self._name(words[3 * i]), words[3 * i + 2]) for i in range(elements)]
            elif kind == _FUNC_PROTO:
                self.protos[index] = [self._name(words[2 * i]) for i in range(elements)]
            elif kind == _FUNC:
                functions[self._name(name)] = kind_or_size
            at += 12 + 4 * len(words)
            index += 1
        self.end = index
        self.functions = {name: self.protos.get(proto, []) for name, proto in functions.items()}


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
        base = Btf(section(pathlib.Path(image).read_bytes(), ".BTF"))
        cls.btf = {name: Btf(section(lzma.decompress(path.read_bytes()), ".BTF"), base)
                   for name, path in modules.items()}

    def _structs(self, module):
        return {**self.btf["kvm"].structs, **self.btf[module].structs}

    def _has(self, module, name, *members):
        present = [member for member, _ in self._structs(module).get(name, [])]
        for member in members:
            self.assertIn(member, present, f"{module}'s struct {name}")

    def test_hooked_functions_take_the_vcpu_first(self):
        kick = "__kvm_vcpu_kick" if "__kvm_vcpu_kick" in self.btf["kvm"].functions else "kvm_vcpu_kick"
        for module, function in (("kvm", kick), ("kvm", "kvm_vcpu_wake_up"), ("kvm", "kvm_vcpu_halt"),
                                 ("kvm-amd", "svm_handle_exit"), ("kvm-intel", "vmx_handle_exit")):
            self.assertEqual(self.btf[module].functions.get(function, [])[:1], ["vcpu"], f"{function}() of {module}")

    def test_emulated_apic_has_the_fields_that_a_kick_shows(self):
        self._has("kvm", "kvm_vcpu", "vcpu_id", "pid", "arch")
        self._has("kvm", "kvm_vcpu_arch", "apic", "nmi_queued")
        self._has("kvm", "kvm_lapic", "lapic_timer", "apicv_active", "irr_pending", "pending_events", "regs")
        self._has("kvm", "kvm_timer", "pending")

    def test_intel_has_a_descriptor_of_posted_interrupts(self):
        members = self._structs("kvm-intel")["vcpu_vmx"]
        self.assertEqual(members[0], ("vcpu", 0))
        if "pi_desc" not in [name for name, _ in members]:
            self._has("kvm-intel", "vcpu_vmx", "vt")
            self._has("kvm-intel", "vcpu_vt", "pi_desc")


if __name__ == "__main__":
    unittest.main()
