# SPDX-License-Identifier: GPL-2.0-only
"""L2: the guest. Its initramfs, and the command line of the QEMU that runs it in L1."""

import pathlib
import shlex

from . import initramfs, paths

MODULES = {
    "mmio": ["virtio_mmio"],
    "net": ["virtio_net"],
    "block": ["virtio_blk"],
}

# What an L1 without this machine's tree needs to run it.
FILES = [pathlib.Path("/usr/bin/qemu-system-x86_64"), pathlib.Path("/usr/share/seabios"),
         *(pathlib.Path("/usr/share/qemu") / name for name in ("kvmvapic.bin", "linuxboot_dma.bin", "qboot.rom", "bios-microvm.bin"))]

VMM = "qemu-system-x86_64 -accel kvm -cpu host -nodefaults -no-user-config -display none"


def initrd(path, command=None, tty=None, scripts=None):
    """Writes the guest's initramfs: it runs the shell script `command`, or a shell on a terminal set by `tty`.

    The files of the folder `scripts` are in /job."""
    job = initramfs.Archive()
    for script in scripts.iterdir() if scripts else ():
        job.file(f"job/{script.name}", script.read_bytes())
    if command is not None:
        job.file("job/command", command + "\n")
    if tty:
        job.file("job/tty", tty)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(initramfs.cached_base("l2", paths.TOP / "tools/init/l2", MODULES, paths.GUEST) + job.finish())
    return path


def virtio(machine, device):
    """The name of a virtio device on that machine: microvm has no PCI."""
    return f"virtio-{device}-" + ("device" if machine.startswith("microvm") else "pci")


def console(machine, path):
    """QEMU's arguments for a virtio console that writes to `path`."""
    return ["-chardev", f"file,id=console,path={path}", "-device", virtio(machine, "serial"),
            "-device", "virtconsole,chardev=console"]


def qemu(machine="pc", smp=2, mem=512, kernel=None, initrd=None, append="", more=()):
    """QEMU's command line as a string for a shell. The guest's serial line is QEMU's stdin and stdout."""
    command = [*VMM.split(), "-M", machine, "-smp", str(smp), "-m", str(mem)]
    if kernel:
        command += ["-kernel", str(kernel), "-append", f"console=ttyS0 quiet panic=-1 {append}".strip()]
    if initrd:
        command += ["-initrd", str(initrd)]
    return shlex.join(command + list(more))
