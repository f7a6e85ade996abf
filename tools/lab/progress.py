# SPDX-License-Identifier: Apache-2.0
"""Progress on stderr: what is going on, for how long, how it ended."""

import contextlib
import sys
import threading
import time

_REDRAW_S = 1.0
_REPEAT_S = 30.0  # where there is no terminal to redraw


def say(text):
    clear_line()
    print(f"lab: {text}", file=sys.stderr, flush=True)


def clear_line():
    """To be called before anything else prints while a step is shown."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
        sys.stderr.flush()


class _Ticker(threading.Thread):
    def __init__(self, what, prints):
        super().__init__(daemon=True)
        self.what = what
        self.prints = prints
        self.detail = ""
        self.started = time.monotonic()
        self.over = threading.Event()

    def elapsed(self):
        return time.monotonic() - self.started

    def run(self):
        tty = sys.stderr.isatty()
        while not self.over.wait(_REDRAW_S if tty else _REPEAT_S):
            line = f"lab: {self.what} ... {self.elapsed():.0f} s {self.detail}"
            if tty:
                sys.stderr.write(f"\r\033[K{line[:118]}")
            elif not self.prints:
                sys.stderr.write(line.rstrip() + "\n")
            sys.stderr.flush()


@contextlib.contextmanager
def step(what, prints=False):
    """Shows `what` while the block runs. Set .detail on the result for more.

    `prints`: the block has lines of its own to show, with clear_line() before.
    """
    say(f"{what} ...")
    ticker = _Ticker(what, prints)
    ticker.start()
    word = "failed after"
    try:
        yield ticker
        word = "done in"
    finally:
        ticker.over.set()
        ticker.join()
        clear_line()
        say(f"{what}: {word} {ticker.elapsed():.0f} s")
