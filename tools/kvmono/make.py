# SPDX-License-Identifier: GPL-2.0-only
"""Calls make from a program that make may have called."""

import os
import subprocess

from . import paths, processes

# Of the make that called us: not for the one that we call.
_OUTER = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "GNUMAKEFLAGS", "KVER", "OUT", "T")


def set_up():
    """Packages and kernels are there; else tools/setup has said why not, and this program ends."""
    if subprocess.run([paths.TOP / "tools/setup"]).returncode:
        raise SystemExit(1)


def make(*arguments):
    """Runs make in the checkout; gives back its output. Raises CalledProcessError, with the output, when it fails."""
    env = {k: v for k, v in os.environ.items() if k not in _OUTER}
    done = processes.run(["make", "--no-print-directory", *map(str, arguments)], cwd=paths.TOP, env=env)
    done.check_returncode()
    return done.stdout


def module(series=paths.HOST, *more):
    """Builds our module for a kernel; gives back its path and make's output."""
    out = paths.BUILD / paths.kver(series)
    return out / "kvm-amd.ko", make(f"KVER={series}", f"OUT={out.relative_to(paths.TOP)}", *more, "all")


def built(series):
    """Our modules for that kernel, both vendors', built; when they don't, this program ends and says why."""
    try:
        return sorted(module(series)[0].parent.glob("kvm-*.ko"))
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{error.stdout}\nthe module does not build for {series}")
