# SPDX-License-Identifier: GPL-2.0-only
"""L1: the emulated AMD host. Boots Debian's kernel in QEMU with this machine's tree over 9p, loads a KVM, runs one
script in it and gives back its output and status. What the kernel of L1 complains about fails the run."""

import os
import pathlib
import re
import shlex
import socket
import subprocess
import time

from . import emulated, initramfs, paths

MODULES = {
    "files": ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "virtio_blk"],
    "linux": ["kvm-amd"],
    "kvmono": ["irqbypass"],
    "net": ["vhost_net", "tun"],
    "msr": ["msr"],
    "swap": ["zram"],
}


EMULATED = ["-accel", "tcg,thread=single", "-cpu", "EPYC,+svm"]


def accelerator():
    """QEMU's arguments for an AMD host, and what to tell the user: real nested virtualization where there is some."""
    flags = re.search(r"^flags\s*:(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    svm = flags and " svm " in flags[1] + " "
    nested = pathlib.Path("/sys/module/kvm_amd/parameters/nested")
    if svm and nested.exists() and nested.read_text().strip() in "1Y" and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return ["-accel", "kvm", "-cpu", "host"], "nested virtualization of this machine (-accel kvm)"
    return EMULATED, "emulated AMD processor (-accel tcg)"


def ask_where(monitor):
    """An NMI makes a kernel that hangs panic, so that its log says where it was."""
    try:
        monitor.sendall(b"nmi\n")
        time.sleep(5)
    except OSError:
        pass


def covered(path):
    """L1 has its own /tmp and /dev; what lies there on this machine must be put back on top."""
    return re.match(r"/(tmp|dev|proc|sys)(/|$)", str(path))


class Host(emulated.Host):
    """One L1. Fill in what differs from the defaults, then run() it."""

    def __init__(self, name, kvm="kvmono", params="", smp=1, mem=4096, icount=False, timeout=600, series=paths.HOST):
        super().__init__(name, kvm, params, timeout, series)
        self.smp, self.mem, self.icount = smp, mem, icount
        self.more = []          # arguments of QEMU
        self.disks = []         # images that L1 sees as /dev/vda, vdb, …
        self.expose = [paths.TOP]
        self.append = ""
        self.cpu = ""           # more of QEMU's -cpu: ",-svm"

    def run(self, script):
        """Boots, runs the bash script with the checkout as its folder, and gives back a Result."""
        started = time.monotonic()
        self.log.write_bytes(b"")
        image = self.folder / "image"
        image.write_bytes(initramfs.cached_base("l1", paths.TOP / "tools/init/l1", MODULES, self.series) + self._job(script))
        bulk, bulk_inside = os.pipe()
        monitor, monitor_inside = socket.socketpair()
        qemu = subprocess.Popen(self._command(image, bulk_inside, monitor_inside.fileno()), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=(self.folder / "qemu").open("wb"), start_new_session=True,
                                pass_fds=[bulk_inside, monitor_inside.fileno()])
        os.close(bulk_inside)
        monitor_inside.close()
        try:
            lines = {qemu.stdout.fileno(): emulated.Stream(self.on_data, self.on_record).feed, bulk: self._bulk}
            watch = emulated.Watch(self, lines, keys=qemu.stdin.fileno())
            ended = watch.until_end(started + self.timeout)
            seconds = time.monotonic() - started
            if ended == "exit":
                qemu.wait(10)
            if ended == "timeout":
                self.own_words = self.log.stat().st_size
                ask_where(monitor)
        finally:
            qemu.kill()
            qemu.wait()
            image.unlink()
            os.close(bulk)
            os.close(self._lock)
            monitor.close()
        told = re.findall(rb"^kvmono: status (\d+)", self.log.read_bytes(), re.M)
        return self.judge(ended, seconds, int(told[-1]) if told else None)

    def _bulk(self, data):
        if data:
            self.on_bulk(data)

    def _job(self, script):
        load, module = emulated.module_words(self.kvm, self.params)
        exposed = [str(p) for p in self.expose if covered(p) and not set(self.expose) & set(p.parents)]
        env = {"EXPOSE": " ".join(exposed), "LOAD": " ".join(load + self.sets),
               "MODULE": module, "TTY": self.tty or ""}
        job = initramfs.Archive()
        job.file("job/env", "".join(f"{k}={shlex.quote(v)}\n" for k, v in env.items()))
        job.file("job/script", f"cd {shlex.quote(str(paths.TOP))}\n{self.exports(paths.vmlinuz(self.series), self.folder / 'image')}{script}\n")
        return job.finish()

    def _command(self, image, bulk, monitor):
        # Only an emulator counts instructions.
        accelerator_and_cpu = list(EMULATED if self.icount else accelerator()[0])
        accelerator_and_cpu[-1] += self.cpu
        command = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", *accelerator_and_cpu, "-smp", str(self.smp), "-m", str(self.mem),
                   "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                   "-kernel", paths.vmlinuz(self.series), "-initrd", image,
                   "-append", f"console=ttyS0 quiet panic=-1 oops=panic unknown_nmi_panic {self.append}",
                   "-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor",
                   "-serial", f"file:{self.log}",
                   "-device", "virtio-serial-pci", "-chardev", "stdio,id=job,signal=off",
                   "-device", "virtconsole,chardev=job",
                   "-chardev", f"file,id=bulk,path=/dev/fd/{bulk}", "-device", "virtconsole,chardev=bulk",
                   "-object", "memory-backend-ram,id=shared,size=16M", "-device", "ivshmem-plain,memdev=shared",
                   "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"]
        for disk in self.disks:
            command += ["-drive", f"if=virtio,{disk}"]
        if self.icount:
            command += ["-icount", "shift=0"]
        return command + self.more

    def emulators_words(self):
        lines = (self.folder / "qemu").read_text(errors="replace").splitlines()
        return [line for line in lines if "TCG doesn't support requested feature" not in line]
