# SPDX-License-Identifier: GPL-2.0-only
"""Where things are."""

import functools
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
CACHE = TOP / ".cache"
BUILD = TOP / "build"


@functools.cache
def kver(series="6.12"):
    """The full version of the kernel of a series, as tools/setup installed it."""
    done = subprocess.run([TOP / "tools/kver", series], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(1)
    return done.stdout.strip()


def kernel_dir():
    """The unpacked image package of the 6.12 kernel."""
    return CACHE / "kernel" / kver()


def vmlinuz():
    return kernel_dir() / "boot" / f"vmlinuz-{kver()}"


def module(vendor="amd"):
    """Our module, built for the 6.12 kernel."""
    return BUILD / kver() / f"kvm-{vendor}.ko"
