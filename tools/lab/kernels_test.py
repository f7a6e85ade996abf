# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import unittest

import kernel_check
import kernel_matrix
import kernel_packages
import kernels
import packages

_VERIFIER = """\
the kernel refused the BPF programs (Invalid argument):
libbpf: prog 'pvs_tick': BPF program load failed: Invalid argument
libbpf: prog 'pvs_tick': -- BEGIN PROG LOAD LOG --
0: R1=ctx() R10=fp0
12: (85) call scx_bpf_x#7
calling kernel function scx_bpf_x is not allowed
processed 13 insns (limit 1000000) max_states_per_insn 0
-- END PROG LOAD LOG --
"""


def _row(release, **changes):
    return {"release": release, "suite": "sid", "verdicts": {"hooks": "loads", "scx": "refused"},
            "reasons": {"scx": "no | such"}, "instructions": {"hooks": 12, "scx": 0}, "missing_callbacks": ["cpu_release"],
            "targets": {"kvm_amd": ["svm_handle_exit"], "kvm_intel": []}, **changes}


class OfferTest(unittest.TestCase):
    def test_kernels_of_all_flavours_with_an_image_are_offered(self):
        index = packages.Index.__new__(packages.Index)
        index.names = {"linux-binary-unsigned-7.3.4+deb13-rt-amd64", "linux-modules-7.3.4+deb13-rt-amd64",
                       "linux-image-6.12.94+deb13-amd64-unsigned", "linux-image-6.1.0-50-cloud-amd64",
                       "linux-image-cloud-amd64", "linux-image-7.3.4+deb13-amd64-dbg", "linux-modules-7.4-amd64"}
        found = kernel_packages.of_index(index, "sid")
        self.assertEqual([(o.release, o.flavour) for o in found],
                         [("6.1.0-50-cloud-amd64", "cloud-amd64"), ("6.12.94+deb13-amd64", "amd64"),
                          ("7.3.4+deb13-rt-amd64", "rt-amd64")])
        self.assertEqual(found[2].packages, ("linux-binary-unsigned-7.3.4+deb13-rt-amd64", "linux-modules-7.3.4+deb13-rt-amd64"))

    def test_each_series_is_represented_and_the_newest_in_every_flavour(self):
        found = [kernel_packages.Offer(r, s, ()) for r, s in (
            ("7.3-cloud-amd64", "experimental"), ("7.3.4+deb13-cloud-amd64", "trixie-backports"),
            ("7.3.4+deb13-rt-amd64", "trixie-backports"), ("7.2.12+deb13-cloud-amd64", "trixie-backports"),
            ("7.2.12+deb13-rt-amd64", "trixie-backports"), ("7.2.9+deb13-cloud-amd64", "trixie-backports"),
            ("6.12.117+deb13-cloud-amd64", "trixie"))]
        found.sort(key=lambda o: kernel_packages.newest_first(o.release))
        self.assertEqual([o.release for o in kernel_packages.representative(found)],
                         ["7.3.4+deb13-cloud-amd64", "7.3.4+deb13-rt-amd64", "7.3-cloud-amd64", "7.2.12+deb13-cloud-amd64",
                          "6.12.117+deb13-cloud-amd64"])
        tested = kernels.candidates(found, "7.3.4+deb13-cloud-amd64")
        self.assertEqual({kind: o.release for kind, o in tested.items()},
                         {"another series": "7.2.12+deb13-cloud-amd64", "PREEMPT_RT": "7.3.4+deb13-rt-amd64"})


class AnswerTest(unittest.TestCase):
    def test_reason_is_the_verifiers_last_line(self):
        self.assertEqual(kernel_check.reason(_VERIFIER), "pvs_tick: calling kernel function scx_bpf_x is not allowed")

    def test_reason_without_a_log_is_the_first_line(self):
        self.assertEqual(kernel_check.reason("this kernel has no sched_ext: x\ny"), "this kernel has no sched_ext: x")

    def test_console_without_an_answer_is_an_error_with_its_end(self):
        with self.assertRaisesRegex(kernel_check.DidNotBoot, "Kernel panic"):
            kernel_check._answer("[1.0] Kernel panic - not syncing\n", "7.3")
        self.assertEqual(kernel_check._answer('x\r\nlab: answer {"kernel":"7.3"}\r\n', "7.3"), {"kernel": "7.3"})


class MatrixTest(unittest.TestCase):
    def test_row_names_verdict_reason_and_vendors_hooks(self):
        line = kernel_matrix.markdown([_row("7.3.4-amd64")]).splitlines()[2]
        self.assertEqual(line, "| 7.3.4-amd64 | sid | loads (12 instructions at most) | refused: no / such | `cpu_release` | "
                               "AMD: `svm_handle_exit`; Intel: none |")

    def test_new_rows_replace_rows_of_the_same_kernel(self):
        merged = kernel_matrix.merged([_row("a"), _row("b")], [_row("b", suite="new")])
        self.assertEqual([(r["release"], r["suite"]) for r in merged], [("b", "new"), ("a", "sid")])

    def test_stored_results_have_every_field_of_a_result(self):
        fields = set(kernel_check.Result.__dataclass_fields__)
        for row in kernel_matrix.stored():
            self.assertEqual(set(row), fields, row["release"])

    def test_intels_and_amds_hooks_resolve_on_every_supported_kernel(self):
        for row in kernel_matrix.stored():
            if "loads" in row["verdicts"].values():
                self.assertIn("svm_handle_exit", row["targets"]["kvm_amd"], row["release"])
                self.assertIn("vmx_handle_exit", row["targets"]["kvm_intel"], row["release"])


if __name__ == "__main__":
    unittest.main()
