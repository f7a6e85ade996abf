# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Progress on stderr: the current step, its duration and its result."""

import contextlib
import sys
import threading
import time

_REDRAW_S = 1.0
_REPEAT_S = 30.0  # if stderr is no terminal
_WIDTH = 118  # a detail may be a compiler's command


def say(text):
    clear_line()
    print(f"lab: {text}", file=sys.stderr, flush=True)


def clear_line():
    """Call this before other output while a step is shown."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
        sys.stderr.flush()


class _Ticker(threading.Thread):
    def __init__(self, title, prints):
        super().__init__(daemon=True)
        self.title = title
        self.prints = prints
        self.detail = ""
        self.started = time.monotonic()
        self.over = threading.Event()

    def elapsed(self):
        return time.monotonic() - self.started

    def run(self):
        tty = sys.stderr.isatty()
        while not self.over.wait(_REDRAW_S if tty else _REPEAT_S):
            line = f"lab: {self.title} ... {self.elapsed():.0f} s {self.detail}"[:_WIDTH]
            if tty:
                sys.stderr.write(f"\r\033[K{line}")
            elif not self.prints:
                sys.stderr.write(line.rstrip() + "\n")
            sys.stderr.flush()


@contextlib.contextmanager
def step(title, prints=False):
    """Shows `title` while the block runs. The block may set .detail of the result.

    `prints`: the block prints lines of its own, after clear_line().
    """
    say(f"{title} ...")
    ticker = _Ticker(title, prints)
    ticker.start()
    result = "failed after"
    try:
        yield ticker
        result = "done in"
    finally:
        ticker.over.set()
        ticker.join()
        clear_line()
        say(f"{title}: {result} {ticker.elapsed():.0f} s")
