# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Makes roots, images and another kernel ready while the checks and the compilers run.

A bootstrap waits for the network and the disk, and never uses more than one CPU. What fails
here is made again, and its error is shown, when a test needs it.
"""

import contextlib
import functools
import threading

import guest_kernels
import image
import kernels
import roots
from progress import say
from settings import LabError


def steps(tiers, guests=()):
    """The functions that make what these tiers need, first that which is needed first. `guests`: names of guest kernels."""
    wanted = []
    if {"native", "nested"} & set(tiers):
        wanted.append(image.host_image)
    if "nested" in tiers:
        wanted.append(kernels.fetch_tested)
        wanted += [functools.partial(guest_kernels.make, name) for name in guests]
    if {"packages", "system"} & set(tiers):
        wanted.append(roots.package_root)
    if "system" in tiers:
        wanted.append(image.system_image)
    return wanted


class Maker(threading.Thread):
    """Runs the steps one after another. It is a daemon: a lab that ends does not wait for it."""

    def __init__(self, wanted):
        super().__init__(daemon=True)
        self._wanted = wanted
        self._is_stopped = False

    def run(self):
        for make in self._wanted:
            if self._is_stopped:
                return
            try:
                make()
            except (LabError, OSError) as error:
                say(f"{str(error).splitlines()[0]}; it is tried again when it is needed")

    def wait(self):
        self.join()

    def stop(self):
        """No further step is started."""
        self._is_stopped = True


@contextlib.contextmanager
def made(tiers, guests=()):
    """A Maker that runs inside the block."""
    maker = Maker(steps(tiers, guests))
    maker.start()
    try:
        yield maker
    finally:
        maker.stop()
