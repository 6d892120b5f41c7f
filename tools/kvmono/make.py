# SPDX-License-Identifier: GPL-2.0-only
"""Calls make from a program that make may have called."""

import os
import subprocess

from . import paths

# Of the make that called us: not for the one that we call.
_OUTER = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "GNUMAKEFLAGS", "KVER", "OUT", "T")


def set_up():
    """Packages and kernels are there; else tools/setup has said why not, and this program ends."""
    if subprocess.run([paths.TOP / "tools/setup"]).returncode:
        raise SystemExit(1)


def make(*arguments):
    """Runs make in the checkout; gives back its output. Raises CalledProcessError, with the output, when it fails."""
    env = {k: v for k, v in os.environ.items() if k not in _OUTER}
    return subprocess.run(["make", "--no-print-directory", *map(str, arguments)], cwd=paths.TOP, env=env, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace").stdout


def module(series=paths.HOST, *more):
    """Builds our module for a kernel; gives back its path and make's output."""
    out = paths.BUILD / paths.kver(series)
    return out / "kvm-amd.ko", make(f"KVER={series}", f"OUT={out.relative_to(paths.TOP)}", *more, "all")
