# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Writes the files of a run of ./lab bench: results.json, report.html, summary.md."""

from bench import html_page, markdown, results as results_file


def write(results, out_dir, command):
    """Checks `results` first: a broken result writes no file."""
    results_file.check(results, "the result of this run")
    out_dir.mkdir(parents=True, exist_ok=True)
    results_file.save(results, out_dir / "results.json")
    (out_dir / "report.html").write_text(html_page.report(results, command))
    (out_dir / "summary.md").write_text(markdown.summary(results, command))


def rewrite(folders, out_dir, command):
    """Writes a report of earlier runs, merged; returns the merged result."""
    merged = results_file.merge([results_file.load(folder / "results.json") for folder in folders])
    write(merged, out_dir, command)
    return merged
