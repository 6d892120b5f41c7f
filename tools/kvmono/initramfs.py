# SPDX-License-Identifier: GPL-2.0-only
"""Makes initramfs images: the newc cpio format that the kernel unpacks, busybox, and kernel modules in load order."""

import fcntl
import lzma
import os
import pathlib
import stat
import subprocess

from . import paths

BUSYBOX = pathlib.Path("/bin/busybox")


class Archive:
    """A cpio archive in memory. The kernel accepts several, one behind the other."""

    def __init__(self):
        self.data = bytearray()
        self.seen = {""}

    def _entry(self, name, mode, body=b"", rdev=(0, 0)):
        inode = len(self.seen)
        encoded = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(body), 0, 0, *rdev, len(encoded), 0)
        self.data += b"070701" + b"".join(b"%08x" % f for f in fields) + encoded
        self._pad()
        self.data += body
        self._pad()
        self.seen.add(name)

    def _pad(self):
        self.data += bytes(-len(self.data) % 4)

    def directory(self, name):
        if name not in self.seen:
            self._parents(name)
            self._entry(name, stat.S_IFDIR | 0o755)

    def _parents(self, name):
        self.directory(os.path.dirname(name))

    def file(self, name, body, mode=0o644):
        self._parents(name)
        self._entry(name, stat.S_IFREG | mode, body.encode() if isinstance(body, str) else body)

    def link(self, name, target):
        self._parents(name)
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name, major, minor):
        self._parents(name)
        self._entry(name, stat.S_IFCHR | 0o600, rdev=(major, minor))

    def finish(self):
        self._entry("TRAILER!!!", 0)
        self.data += bytes(-len(self.data) % 512)
        return bytes(self.data)


def load_order(name, series):
    """The .ko files that `modprobe name` would load, in that order."""
    shown = subprocess.run(
        ["/sbin/modprobe", "-d", paths.kernel_dir(series), "-S", paths.kver(series), "--show-depends", name],
        check=True, stdout=subprocess.PIPE, text=True)
    words = (line.split() for line in shown.stdout.splitlines())
    return [pathlib.Path(w[1]) for w in words if w[0] == "insmod"]


def module_body(path):
    packed = path.read_bytes()
    return lzma.decompress(packed) if path.suffix == ".xz" else packed


def base(init, modules, series):
    """An image of busybox, the script `init` as /init, and modules of the kernel of that series.

    `modules` is {set: names}; /modules/<set> lists the files to insmod, in order.
    """
    image = Archive()
    for folder in ("dev", "proc", "sys", "tmp", "mnt"):
        image.directory(folder)
    image.character_device("dev/console", 5, 1)
    image.file("bin/busybox", BUSYBOX.read_bytes(), 0o755)
    image.link("bin/sh", "busybox")
    image.file("init", init.read_bytes(), 0o755)
    for group, names in modules.items():
        files = dict.fromkeys(f for name in names for f in load_order(name, series))
        for f in files:
            inside = "lib/modules/" + f.name.removesuffix(".xz")
            if inside not in image.seen:
                image.file(inside, module_body(f))
        listing = "".join("/lib/modules/%s\n" % f.name.removesuffix(".xz") for f in files)
        image.file(f"modules/{group}", listing)
    return image.finish()


def cached_base(name, init, modules, series):
    """base(), kept in .cache/ until the kernel, busybox, the script or the list of modules changes."""
    stamp = repr((modules, paths.kver(series), BUSYBOX.stat().st_mtime_ns, init.read_bytes(),
                  pathlib.Path(__file__).stat().st_mtime_ns))
    name += f"-{paths.kver(series)}"
    image, key = paths.CACHE / f"{name}.cpio", paths.CACHE / f"{name}.key"
    with (paths.CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (key.exists() and key.read_text() == stamp):
            key.unlink(missing_ok=True)
            image.write_bytes(base(init, modules, series))
            key.write_text(stamp)
        return image.read_bytes()
