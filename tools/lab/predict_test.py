# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import struct
import unittest

import btf
import kernel_check
import kernel_matrix
import kernel_packages
import predict
from settings import CACHE


class Builder:
    """Builds a .BTF section."""

    def __init__(self, base=None):
        self._first = len(base) if base else 1
        self._skipped = base.strings_len if base else 0
        self._base = base
        self._types, self._count, self._strings = b"", 0, b"" if base else b"\0"

    def _string(self, text):
        if not text:
            return 0
        self._strings += text.encode() + b"\0"
        return self._skipped + len(self._strings) - len(text) - 1

    def add(self, kind, name="", value=0, extra=b"", vlen=0):
        self._types += struct.pack("<III", self._string(name), kind << 24 | vlen, value) + extra
        self._count += 1
        return self._first + self._count - 1

    def integer(self, name="int"):
        return self.add(btf.INT, name, 4, struct.pack("<I", 32))

    def aggregate(self, name, members, kind=btf.STRUCT):
        extra = b"".join(struct.pack("<III", self._string(n), t, 0) for n, t in members)
        return self.add(kind, name, 8, extra, len(members))

    def function(self, name, arguments, result=0):
        extra = b"".join(struct.pack("<II", self._string(n), t) for n, t in arguments)
        return self.add(btf.FUNC, name, self.add(btf.FUNC_PROTO, "", result, extra, len(arguments)))

    def btf(self):
        return btf.Btf(struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self._types), len(self._types),
                                   len(self._strings)) + self._types + self._strings, self._base)


def _kernel():
    """(kernel, id of int): a vmlinux with a task_struct and some kfuncs, and a kvm with a vcpu."""
    main = Builder()
    number = main.integer()
    inner = main.aggregate("", [("cpu", number)])
    main.aggregate("task_struct", [("pid", number), ("", inner)])
    main.function("scx_bpf_kick_cpu", [("cpu", number), ("flags", number)])
    main.function("scx_bpf_create_dsq", [("id", number), ("aux", main.add(btf.PTR, "", inner))])
    types = main.btf()
    module = Builder(types)
    module.aggregate("kvm_vcpu", [("vcpu_id", number)])
    module.function("kvm_vcpu_halt", [("vcpu", number)])
    module.add(btf.TYPEDEF, "btf_trace_kvm_exit", 0)
    return predict.Kernel(types, {"kvm": module.btf()})


class BtfTest(unittest.TestCase):
    def test_ids_and_strings_of_a_module_continue_those_of_the_kernel(self):
        kernel = _kernel()
        types = kernel.modules["kvm"]
        index, = types.ids((btf.STRUCT,), "kvm_vcpu")
        self.assertEqual(index, len(kernel.types))
        self.assertEqual([(name, types.type(t).name) for name, t in types.members(index)], [("vcpu_id", "int")])

    def test_a_flavour_is_no_part_of_the_name(self):
        builder = Builder()
        builder.aggregate("task_struct___old", [])
        self.assertEqual(len(builder.btf().ids((btf.STRUCT,), "task_struct")), 1)

    def test_file_that_is_no_elf_is_an_error(self):
        with self.assertRaisesRegex(btf.LabError, "not a 64-bit"):
            btf.sections(b"MZ")


class PredictTest(unittest.TestCase):
    def setUp(self):
        self.kernel = _kernel()

    def test_attach_targets_name_the_module_that_has_them(self):
        found = predict._targets(["fentry/kvm_vcpu_halt", "tp_btf/kvm_exit", "?fentry/vmx_handle_exit", "syscall",
                                  "struct_ops/pvs_enqueue"], self.kernel)
        self.assertEqual(found, {"fentry/kvm_vcpu_halt": "kvm", "tp_btf/kvm_exit": "kvm", "?fentry/vmx_handle_exit": ""})
        self.assertEqual(predict.Prediction(targets=found).missing_targets, [])
        self.assertEqual(predict.Prediction(targets={"tp_btf/x": ""}).why(), "no attach target for tp_btf/x")

    def _compatible(self, arguments, name):
        own = Builder()
        number, pointer = own.integer(), own.add(btf.PTR, "", 0)
        function = own.function(name, [(n, {"int": number, "ptr": pointer}[t]) for n, t in arguments])
        own = own.btf()
        _, theirs, index = self.kernel.holder((btf.FUNC,), name)
        return predict._is_compatible(own, own.type(function).size_or_type, theirs, theirs.type(index).size_or_type)

    def test_kfunc_with_the_arguments_of_the_object_is_compatible(self):
        self.assertTrue(self._compatible([("cpu", "int"), ("f", "int")], "scx_bpf_kick_cpu"))

    def test_hidden_argument_in_the_kernels_prototype_is_incompatible(self):
        self.assertFalse(self._compatible([("id", "int")], "scx_bpf_create_dsq"))

    def test_argument_of_another_kind_is_incompatible(self):
        self.assertFalse(self._compatible([("cpu", "int"), ("f", "ptr")], "scx_bpf_kick_cpu"))

    def test_fields_are_found_in_anonymous_members_too(self):
        index, = self.kernel.types.ids((btf.STRUCT,), "task_struct")
        for names, is_there in ((["pid"], True), (["cpu"], True), (["prio"], False), (["pid", "x"], False)):
            self.assertEqual(predict._finds(self.kernel.types, index, names), is_there, names)

    def test_field_of_a_modules_type_is_found(self):
        own = Builder()
        index = own.aggregate("kvm_vcpu", [("pid", own.integer()), ("vcpu_id", own.integer())])
        own = own.btf()
        for member, is_there in ((1, True), (0, False)):
            relocation = btf.Relocation(0, index, (0, member))
            self.assertEqual(predict._has_field(own, relocation, self.kernel), is_there)
        self.assertEqual(predict._field_name(own, relocation), "kvm_vcpu.pid")


class StoredKernelTest(unittest.TestCase):
    """The kernels in the lab's cache that ./lab kernels has fetched."""

    def test_prediction_is_not_worse_than_the_verifiers_answer(self):
        folders = [p for p in sorted((CACHE / "kernels").glob("*")) if not p.name.startswith(("making-", "tmp"))]
        if not folders or not all(path.exists() for path in kernel_check.OBJECTS.values()):
            self.skipTest("no kernel was fetched, or nothing is built: ./lab kernels --run")
        stored = {row["release"]: row["verdicts"] for row in kernel_matrix.stored()}
        loading = [folder for folder in folders if "loads" in stored.get(folder.name, {}).values()]
        for folder in loading[:1]:  # the oldest; a prediction takes half a minute
            verdicts = stored[folder.name]
            for name, found in kernel_check.predicted(kernel_packages.KernelFiles(folder)).items():
                if verdicts[name] == "loads":
                    self.assertTrue(found.resolves, f"{folder.name}, {name}: {found.why()}")


if __name__ == "__main__":
    unittest.main()
