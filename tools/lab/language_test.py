# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Tests of language.py and language_text.py."""

import contextlib
import io
import os
import pathlib
import tempfile
import unittest

import language
import language_text

LONG = "The host " + "really " * 44 + "runs."  # 47 words


def sentences(name, text):
    return [s.text for s in language.measure(name, text).sentences]


def errors(name, text):
    return language.measure(name, text).errors


class SplitTest(unittest.TestCase):
    def split(self, text):
        return [s.strip() for _, s in language.split(text)]

    def test_ends_at_full_stop_question_and_exclamation_mark(self):
        self.assertEqual(self.split("One runs. Does two? Three! pvschedd waits"),
                         ["One runs.", "Does two?", "Three!", "pvschedd waits"])

    def test_abbreviation_does_not_end(self):
        self.assertEqual(self.split("A class, e.g. RT, wins. Others, i.e. EEVDF, wait (cf. DL)."),
                         ["A class, e.g. RT, wins.", "Others, i.e. EEVDF, wait (cf. DL)."])

    def test_etc_ends_only_before_a_capital(self):
        self.assertEqual(self.split("RT, DL, etc. run first. It has RT, etc. Others wait."),
                         ["RT, DL, etc. run first.", "It has RT, etc.", "Others wait."])

    def test_file_name_number_and_version_do_not_end(self):
        self.assertEqual(len(self.split("pvschedd.toml sets 0.5 ms on 6.13.2 in a.b.c")), 1)

    def test_ellipsis_within_a_sentence_does_not_end(self):
        self.assertEqual(len(self.split("Bits 0 ... 7 are the nice value")), 1)

    def test_bracket_and_quote_belong_to_the_sentence(self):
        self.assertEqual(self.split('It ends. (So does this.) "And that." Last.'),
                         ["It ends.", "(So does this.)", '"And that."', "Last."])

    def test_colon_does_not_end(self):
        self.assertEqual(len(self.split("One rule: the host decides")), 1)


class MarkdownTest(unittest.TestCase):
    def test_code_blocks_tables_and_headings_are_not_measured(self):
        text = ("# A heading of four words\n\nThe guest writes.\n\n```\nsome code that is no prose\n```\n\n"
                "    indented code is none either\n\n| a cell | of a table |\n| --- | --- |\n\nThe host reads.\n")
        self.assertEqual(sentences("a.md", text), ["The guest writes.", "The host reads."])

    def test_each_bullet_is_a_sentence_of_its_own(self):
        text = "There are three:\n- the guest driver\n- the device\n  of the VM\n2. the host policy\n"
        self.assertEqual(sentences("a.md", text),
                         ["There are three:", "the guest driver", "the device of the VM", "the host policy"])

    def test_code_span_across_lines_is_one_word(self):
        text = "Run `apt install\ncmake. ninja` now.\n"
        self.assertEqual([s.words for s in language.measure("a.md", text).sentences], [3])

    def test_link_counts_its_text_only(self):
        text = "See [the page](https://a.example/b.c?d) at https://a.example/x.y/ now.\n"
        self.assertEqual([s.words for s in language.measure("a.md", text).sentences], [6])

    def test_wrapped_lines_are_one_sentence_at_its_first_line(self):
        found = language.measure("a.md", "One runs here.\nThe host\nreads the\npage.\n").sentences
        self.assertEqual([(s.line, s.words) for s in found], [(1, 3), (2, 5)])


class CommentTest(unittest.TestCase):
    def test_c_block_and_line_comments(self):
        text = ("/* SPDX-License-Identifier: GPL-2.0 */\n/*\n * The first\n * sentence.\n *\n *     code_is_not(prose);\n"
                " * - A bullet with\n *   two lines.\n */\nint a; // The value of a.\nint b; // The value of b.\n"
                "// Two lines,\n// one sentence.\nchar *s = \"// no comment here\";\n")
        self.assertEqual(sentences("a.bpf.h", text),
                         ["The first sentence.", "A bullet with two lines.", "The value of a.", "The value of b.",
                          "Two lines, one sentence."])

    def test_c_table_in_a_comment_is_not_measured(self):
        self.assertEqual(sentences("a.h", "/*\n * 0x00  magic   a value of four words\n * The end is here.\n */\n"),
                         ["The end is here."])

    def test_python_docstring_and_comment(self):
        text = ('"""The module docs.\n\nUsage:\n    code is not measured\n"""\n\ndef f():\n    """It does this.\n\n'
                '    And it does that.\n    """\n    return "a string is no sentence"  # It returns this.\n')
        self.assertEqual(sentences("a.py", text),
                         ["The module docs.", "It does this.", "And it does that.", "It returns this."])

    def test_shell_comment_but_not_a_hash_in_a_word_or_a_string(self):
        text = "#!/bin/sh\n# shellcheck disable=SC1\n# The first one.\necho ${#a} \"a # b c d\" a#b  # It says so.\n"
        self.assertEqual(sentences("a.sh", text), ["The first one.", "It says so."])

    def test_script_without_suffix_is_read_by_its_first_line(self):
        self.assertEqual(sentences("lab", "#!/bin/sh\n# It runs this.\n"), ["It runs this."])
        self.assertEqual(sentences("lab", "#!/usr/bin/env python3\n'''It runs this.'''\n"), ["It runs this."])


class ErrorsTest(unittest.TestCase):
    def test_long_sentence_is_an_error_at_its_line(self):
        (line, text), = errors("a.md", f"Short it is.\n\n{LONG}\n")
        self.assertEqual(line, 3)
        self.assertIn("47 words", text)

    def test_sentence_of_45_words_passes(self):
        self.assertEqual(errors("a.md", "word " * 45 + "\n"), [])

    def test_mean_is_an_error_from_five_sentences_on(self):
        sentence = "The host " + "really " * 20 + "runs. "  # 23 words
        self.assertEqual(errors("a.md", sentence * 4), [])
        (_, text), = errors("a.md", sentence * 5)
        self.assertIn("23.0 words", text)

    def test_forbidden_word_is_found_in_page_comment_and_message(self):
        for name, text in (("a.md", "The guest asks\nnobody.\n"),
                           ("a.md", "| a cell | for\n| nobody | x |\n"),
                           ("a.c", "\n/* Nobody reads it. */\n"),
                           ("a.cc", "\nLOG(INFO) << \"there is nobody here\";\n"),
                           ("a.py", "\nx = 1  # nobody reads it\n"),
                           ("a.py", "\ndef f():\n    '''Nobody reads it.'''\n".replace("\ndef", "def")),
                           ("a.sh", "\necho 'nobody reads the file'\n")):
            found = errors(name, text)
            self.assertEqual([line for line, _ in found], [2], (name, text))
            self.assertIn("name the subject", found[0][1])

    def test_forbidden_phrase_is_found_across_lines(self):
        self.assertEqual([line for line, _ in errors("a.c", "/* The CPU is\n * told so. */\n")], [1])

    def test_forbidden_word_in_code_or_a_name_passes(self):
        for name, text in (("a.md", "The user `nobody` owns it.\n"), ("a.md", "```\nnobody\n```\n"),
                           ("a.cc", 'const char* user = "nobody";\n'), ("a.md", "It runs crowd.sh and x-crowd.\n"),
                           ("a.c", "int nobody;\n")):
            self.assertEqual(errors(name, text), [], text)

    def test_what_runs_on_a_cpu_passes(self):
        self.assertEqual(errors("a.c", "/* The task goes on the local queue. */\n"), [])

    def test_exempt_file_may_hold_the_words(self):
        self.assertEqual(errors("tools/lab/language_test.py", "# nobody\n"), [])


class CommandTest(unittest.TestCase):
    def run_main(self, *argv):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = language.main(list(argv))
        return status, out.getvalue()

    def test_prints_figures_and_errors_and_exits_with_1(self):
        with tempfile.TemporaryDirectory() as folder:
            good, bad = os.path.join(folder, "good.md"), os.path.join(folder, "bad.md")
            pathlib.Path(good).write_text("The host reads. The guest writes.\n", encoding="utf-8")
            pathlib.Path(bad).write_text("It asks nobody.\n", encoding="utf-8")
            status, said = self.run_main(good)
            self.assertEqual(status, 0, said)
            self.assertRegex(said, r"2 +3\.0 +3 +\S+good\.md")
            status, said = self.run_main("--errors", good, bad)
            self.assertEqual((status, said.count("\n")), (1, 1), said)
            self.assertRegex(said, r"bad\.md:1: ")

    def test_missing_file_is_wrong_usage(self):
        self.assertEqual(self.run_main("/nonexistent.md")[0], 2)

    def test_python_that_does_not_parse_is_an_error(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "a.py"
            path.write_text("def\n", encoding="utf-8")
            self.assertIn("does not parse", language.measure_file(path).errors[0][1])

    def test_data_files_are_not_measured(self):
        self.assertIsNone(language_text.kind_of("benchmarks/results/raw.json"))


if __name__ == "__main__":
    unittest.main()
