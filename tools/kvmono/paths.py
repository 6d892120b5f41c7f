# SPDX-License-Identifier: GPL-2.0-only
"""Where things are."""

import functools
import os
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
CACHE = TOP / ".cache"
BUILD = TOP / "build"

HOST = os.environ.get("KVER") or "6.12"  # the kernel of L1: a series, or a full version
GUEST = "6.12"  # the kernel of the guests there, and of the KVM that is the oracle


@functools.cache
def kver(series=HOST):
    """The full version of the kernel of a series, as tools/setup installed it."""
    done = subprocess.run([TOP / "tools/kver", series], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(1)
    return done.stdout.strip()


def kernel_dir(series=HOST):
    """The unpacked image package of that kernel."""
    return CACHE / "kernel" / kver(series)


def vmlinuz(series=HOST):
    return kernel_dir(series) / "boot" / f"vmlinuz-{kver(series)}"


def module(vendor="amd"):
    """Our module, built for L1's kernel."""
    return BUILD / kver() / f"kvm-{vendor}.ko"
