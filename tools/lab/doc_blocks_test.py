# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors

import unittest

import doc_blocks

_HEADER = """\
/*
 *   event    condition                 proposal
 *   any      real-time demand          its own
 *   HALT     not acknowledged, within
 *            inject_hold_ns            halt_rt_prio
 *
 * Text.
 */
"""


class PolicyTableTest(unittest.TestCase):
    def test_page_has_the_rows_of_the_header(self):
        self.assertEqual(doc_blocks.differences(), [])

    def test_condition_of_two_lines_is_one_row(self):
        self.assertEqual(doc_blocks.policy_rows(_HEADER),
                         [["any", "real-time demand", "its own"],
                          ["HALT", "not acknowledged, within inject_hold_ns", "halt_rt_prio"]])

    def test_tunables_have_the_names_of_the_configuration_file(self):
        self.assertIn("| HALT | not acknowledged, within `inject-hold` | `halt-rt-prio` |",
                      doc_blocks.policy_table(_HEADER))

    def test_header_without_a_table_is_an_error(self):
        with self.assertRaises(doc_blocks.BlockError):
            doc_blocks.policy_rows("/* none */\n")


class BlockTest(unittest.TestCase):
    def test_text_outside_of_the_block_stays(self):
        page = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n"
        self.assertEqual(doc_blocks.replaced(page, "x", "new\n"),
                         "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n")

    def test_missing_block_is_an_error(self):
        with self.assertRaises(doc_blocks.BlockError):
            doc_blocks.replaced("a\n", "x", "new\n")
