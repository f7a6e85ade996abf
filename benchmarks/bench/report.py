# SPDX-License-Identifier: Apache-2.0
"""Writes what a run of ./lab bench leaves: results.json, report.html, summary.md."""

from bench import markdown, page, results as results_file, words
from settings import CHECKOUT

REASONS = CHECKOUT / "docs" / "results-why.toml"


def write(results, out_dir, command):
    """Checks `results` first, so that nothing is written of a broken one."""
    results_file.check(results, "the result of this run")
    reasons = words.load_reasons(REASONS)
    out_dir.mkdir(parents=True, exist_ok=True)
    results_file.save(results, out_dir / "results.json")
    (out_dir / "report.html").write_text(page.report(results, command, reasons))
    (out_dir / "summary.md").write_text(markdown.summary(results, command, reasons))


def rewrite(folders, out_dir, command):
    """A report of runs that are there already: one, or several merged. Returns the result."""
    merged = results_file.merge([results_file.load(folder / "results.json") for folder in folders])
    write(merged, out_dir, command)
    return merged
