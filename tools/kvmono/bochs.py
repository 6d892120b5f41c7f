# SPDX-License-Identifier: GPL-2.0-only
"""L1 on an Intel processor, or on an AMD one of another make than QEMU's: Debian's kernel in Bochs.

Booting takes half a minute of processor time, so it is done once for each model: its state then is kept in .cache/bochs/,
and each run begins there, with a disc of its own in the drive that has the job and its files."""

import fcntl
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tty

from . import emulated, initramfs, paths

MODELS = {
    "corei7_skylake_x": "intel",
    "corei7_haswell_4770": "intel",
    "corei7_ivy_bridge_3770k": "intel",
    "corei7_icelake_u": "intel",
    "corei5_lynnfield_750": "intel",
    "ryzen": "amd",
}
DEFAULT_MODEL = "corei7_skylake_x"

SOURCES = paths.TOP / "tools/bochs"
CACHE = paths.CACHE / "bochs"
INIT = paths.TOP / "tools/init/bochs"

# In the image, so that they are part of the saved state. The drive looks at its disc when its module is loaded.
BOOT_MODULES = {"boot": ["ata_piix", "cdrom", "isofs"], "drive": ["sr_mod"]}
# On the disc.
MODULES = {
    "intel": {"linux": ["kvm-intel"], "kvmono": ["irqbypass"], "msr": ["msr"], "swap": ["zram"]},
    "amd": {"linux": ["kvm-amd"], "kvmono": ["irqbypass"], "msr": ["msr"], "swap": ["zram"]},
}

# A second is HZ instructions, for Bochs's timers as for the TSC, of which the model would tell another frequency.
HZ = 100_000_000
# These do nothing that a test needs, and take half of the time to boot.
SLOW = ["trace_eval_init", "load_system_certificate_list", "jent_mod_init", "bpf_tcp_ca_kfunc_init",
        "bpf_dummy_struct_ops_init"]
APPEND = (f"console=ttyS0,115200 quiet nokaslr panic=-1 oops=panic tsc=reliable tsc_early_khz={HZ // 1000} "
          f"cryptomgr.notests initcall_blacklist={','.join(SLOW)}")
# Linux waits with MWAITX where there is one, and Bochs's doesn't end; XRSTOR there refuses what a VM's FPU begins with, in the compacted format.
APPEND_FOR = {"ryzen": "clearcpuid=mwaitx,xsavec"}
# A CPU that was offline and waits with MWAIT isn't woken any more.
APPEND_SMP = f"clearcpuid=monitor {emulated.CRASHKERNEL}"
MEGABYTES = 1024
# Our module's parameter for whole guests: virtual interrupts that Bochs delivers by itself come now and then while IF is 0, and the guest hangs
# (tests/fuzz/README.md).
FOR_GUESTS = "enable_apicv=0"

CONFIGURATION = """\
plugin_ctrl: biosdev=1, extfpuirq=1, serial=1, unmapped=1, iodebug=0, parallel=0, gameport=0, speaker=0, usb_uhci=0, voodoo=0
megs: {megabytes}
cpu: model={model}, count={smp}, ips={hz}, reset_on_triple_fault=0
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0-master: type=cdrom, path="{disc}", status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev="{log}"
com2: enabled=1, mode=null
port_e9_hack: enabled=1
display_library: term
vga: update_freq=1, realtime=0
clock: sync=none
log: "{bochs_log}"
panic: action=fatal
"""


def compiled(name, *flags):
    """A program of tools/bochs/, built into .cache/ when it is missing or older than its source."""
    source = next(SOURCES.glob(f"{name}.[cS]"))
    out = CACHE / name
    if not out.exists() or out.stat().st_mtime < source.stat().st_mtime:
        mine = f"{out}.{threading.get_native_id()}"     # two hosts may begin at a time
        subprocess.run(["gcc", "-O2", "-s", *flags, "-o", mine, source], check=True)
        os.replace(mine, out)
    return out


def say():
    return compiled("say", "-nostdlib", "-static")


def shim():
    return compiled("shim", "-shared", "-fPIC")


def write_disc(disc, files, *more):
    """An ISO image of {path on the disc: path here}."""
    escaped = (f"{quote(inside)}={quote(str(path))}\n" for inside, path in files.items())
    subprocess.run(["genisoimage", "-quiet", "-R", "-f", "-D", "-iso-level", "3", *more, "-graft-points", "-path-list", "-", "-o", disc],
                   input="".join(escaped), check=True, text=True)


def quote(path):
    """As genisoimage wants it in its list."""
    return path.replace("\\", "\\\\").replace("=", "\\=")


def boot_image(series):
    """The image whose init saves the state."""
    program = initramfs.Archive()
    program.file("bin/say", say().read_bytes(), 0o755)
    return initramfs.base(INIT, BOOT_MODULES, series) + program.finish()


def boot_disc(disc, folder, series, more):
    """What a machine boots from: isolinux, the kernel, and its image. Made in `folder`."""
    for name in ("/usr/lib/ISOLINUX/isolinux.bin", "/usr/lib/syslinux/modules/bios/ldlinux.c32"):
        shutil.copy(name, folder)
    (folder / "initrd").write_bytes(boot_image(series))
    (folder / "isolinux.cfg").write_text(f"default l1\nlabel l1\n kernel /isolinux/vmlinuz\n append initrd=/isolinux/initrd {APPEND} {more}\n")
    files = {f"/isolinux/{name}": folder / name for name in ("isolinux.bin", "ldlinux.c32", "isolinux.cfg", "initrd")}
    files["/isolinux/vmlinuz"] = paths.vmlinuz(series)
    write_disc(disc, files, "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot",
               "-boot-load-size", "4", "-boot-info-table")


class Bochs:
    """A running Bochs. It draws on a terminal that it opens itself, and waits until that is read."""

    def __init__(self, folder, arguments, save=None, commands="c\n"):
        (folder / "go").write_text(commands)
        env = dict(os.environ, LD_PRELOAD=str(shim()), TERM="linux")
        if save:
            env["BOCHS_SAVE"] = str(save)
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "bochs-bin", "-q", *arguments, "-rc", folder / "go"], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.out = self.process.stdout.fileno()
        self.screen = self._screen()

    def _screen(self):
        """Reads what it writes until it tells which terminal it draws on."""
        words = b""
        while not (told := re.search(rb'connected to screen "([^"]+)"', words)):
            data = os.read(self.out, 1)
            if not data:
                raise SystemExit(f"Bochs does not start:\n{words.decode(errors='replace')}")
            words += data
        screen = os.open(told[1], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(screen)
        return screen

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        os.close(self.screen)


def kernel_parameters(model, smp, mitigations):
    """Those that depend on the machine."""
    words = [f"mitigations={mitigations}", APPEND_FOR.get(model, ""), APPEND_SMP if smp > 1 else ""]
    return " ".join(filter(None, words))


def state_of(model, smp, series, mitigations):
    """The folder with the saved state of a model and what the kernel's parameter "mitigations" says; boots it when there is none, or an older one."""
    key = hashlib.sha256()
    key.update(repr((model, smp, paths.kver(series), APPEND, kernel_parameters(model, smp, mitigations), CONFIGURATION, MEGABYTES, HZ,
                     BOOT_MODULES)).encode())
    for path in (INIT, initramfs.BUSYBOX, *sorted(SOURCES.iterdir())):
        key.update(path.read_bytes())
    CACHE.mkdir(parents=True, exist_ok=True)
    name = f"{model}-{smp}-{paths.kver(series)}-{mitigations}"
    state = CACHE / f"{name}-{key.hexdigest()[:16]}"
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not state.exists():
            for old in CACHE.glob(f"{name}-{'?' * 16}"):
                shutil.rmtree(old)
            Boot(f"boot-{model}", model, smp, series, mitigations).save(state)
    return state


class Boot(emulated.Host):
    """The one boot of a model, up to where its state is saved."""

    def __init__(self, name, model, smp, series, mitigations):
        super().__init__(name, series=series)
        self.model, self.smp, self.mitigations = model, smp, mitigations
        self.saved = False

    def save(self, state):
        print(f"            booting {self.model}, once: a minute or two", file=sys.stderr, flush=True)
        disc, new = self.folder / "disc", state.with_name(f"{state.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            boot_disc(disc, pathlib.Path(folder), self.series, kernel_parameters(self.model, self.smp, self.mitigations))
        self.log.write_bytes(b"")
        (self.folder / "bochsrc").write_text(CONFIGURATION.format(
            megabytes=MEGABYTES, model=self.model, smp=self.smp, hz=HZ, disc=disc, log=self.log, bochs_log=self.folder / "bochs.log"))
        bochs = Bochs(self.folder, ["-f", self.folder / "bochsrc"], save=new)
        try:
            stream = emulated.Stream(ignore, self._record)
            emulated.Watch(self, {bochs.out: stream.feed}, {bochs.screen: ignore}).until_end(time.monotonic() + self.timeout, lambda: self.saved)
        finally:
            bochs.end()
            os.close(self._lock)
        if not self.saved:
            raise SystemExit(f"{self.model} does not boot, log in {self.log}")
        new.rename(state)

    def _record(self, text):
        self.saved = self.saved or text == "saved"


def ignore(data):
    pass


class Host(emulated.Host):
    """One L1 in Bochs. Fill in what differs from the defaults, then run() it."""

    def __init__(self, name, kvm="kvmono", params="", model=DEFAULT_MODEL, smp=1, timeout=600, series=paths.HOST):
        super().__init__(name, kvm, params, timeout, series)
        if model not in MODELS:
            raise SystemExit(f"{model}: not one of {' '.join(MODELS)}")
        self.model, self.smp, self.vendor = model, smp, MODELS[model]
        self.mitigations = "off"    # or "auto", the kernel's default
        self.commands = None    # for Bochs's debugger, which then stops at each XCHG BX, BX; what it says comes with what the job writes
        self.files = []         # that the job needs, each at its own path; of a program its libraries come along
        self.next = False       # the job boots this kernel once more
        self._status = None     # what L1 told in the end
        self._up = False        # between the first record and the last; what Bochs itself writes comes before or behind
        self._words = b""

    def run(self, script):
        """Runs the shell script with the checkout as its folder, and gives back a Result."""
        state = state_of(self.model, self.smp, self.series, self.mitigations)
        started = time.monotonic()
        self.log.write_bytes(b"")
        disc = self.folder / "disc"
        self._job(disc, script)
        keys, inside = os.openpty()  # L1's second serial line
        tty.setraw(inside)
        bochs = Bochs(self.folder, ["-r", self._own_state(state, disc, os.ttyname(inside))], commands=self.commands or "c\n")
        lines = {bochs.out: emulated.Stream(self._data, self._record).feed}
        others = {bochs.screen: ignore, keys: emulated.Stream(self.on_data, self.on_record).feed}
        try:
            ended = emulated.Watch(self, lines, others, keys).until_end(started + self.timeout)
        finally:
            bochs.end()
            disc.unlink()
            for fd in (keys, inside, self._lock):
                os.close(fd)
        return self.judge(ended, time.monotonic() - started, self._status)

    def _record(self, text):
        self._up = not text.startswith("status ")
        if self._up:
            self.on_record(text)
        else:
            self._status = int(text.split()[1])

    def _data(self, data):
        if self._up:
            self.on_data(data)
        else:
            self._words += data

    def _own_state(self, state, disc, line):
        """A folder that is the saved state but for the files that this run reads and writes."""
        folder = self.folder / "state"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for path in state.iterdir():
            (folder / path.name).symlink_to(path)
        config = (state / "config").read_text()
        # The order of the plugins is that of their timers.
        config = re.sub(r"^(plugin_ctrl:.*?) usb_uhci=true,(.*)$", r"\1\2, usb_uhci=true", config, flags=re.M)
        config = re.sub(r'^(ata0-master:.* path=)"[^"]*"', rf'\1"{disc}"', config, flags=re.M)
        config = re.sub(r'^(com1:.* dev=).*$', rf'\1"{self.log}"', config, flags=re.M)
        if self.commands:
            config = re.sub(r"^magic_break: .*$", "magic_break: enabled=1", config, flags=re.M)
        if self.tty:
            config = re.sub(r"^com2:.*$", f'com2: enabled=true, mode=term, dev="{line}"', config, flags=re.M)
        config = re.sub(r'^log: .*$', f"log: {self.folder / 'bochs.log'}", config, flags=re.M)
        (folder / "config").unlink()
        (folder / "config").write_text(config)
        return folder

    def _job(self, disc, script):
        """Writes the disc: the job, the modules, and the files, those of this run from a folder of its own."""
        load, module = emulated.module_words(self.kvm, self.params, self.vendor)
        sets = load + self.sets
        env = {"LOAD": " ".join(sets), "MODULE": module, "TTY": self.tty or ""}
        top = shlex.quote(str(paths.TOP))
        exports = self.exports("/disc/job/vmlinuz", "/disc/job/initrd") if self.next else self.exports()
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            made = {
                "/job/env": "".join(f"{k}={shlex.quote(v)}\n" for k, v in env.items()).encode(),
                "/job/script": f"mkdir -p {top}; cd {top}\n{exports}{script}\n".encode(),
            }
            if self.next:
                made |= {"/job/vmlinuz": paths.vmlinuz(self.series).read_bytes(), "/job/initrd": boot_image(self.series)}
            for name in sets:
                made.update(self._modules(name))
            files = {}
            for number, (inside, body) in enumerate(made.items()):
                files[inside] = pathlib.Path(folder) / str(number)
                files[inside].write_bytes(body)
            files.update((str(path), path) for path in with_libraries([*self.files, *module.split()[:1]]))
            write_disc(disc, files)

    def _modules(self, name):
        """A set of modules and the list of it, as {path on the disc: bytes}."""
        files = [f for module in MODULES[self.vendor][name] for f in initramfs.load_order(module, self.series)]
        bodies = {f"/modules/{path.name.removesuffix('.xz')}": initramfs.module_body(path) for path in dict.fromkeys(files)}
        return bodies | {f"/modules/{name}": "".join(f"/disc{inside}\n" for inside in bodies).encode()}

    def emulators_words(self):
        return self._words.decode(errors="replace").splitlines()


def with_libraries(files):
    """The files, without doubles, and the shared libraries that programs among them want."""
    files = list(dict.fromkeys(pathlib.Path(f) for f in files))
    wanted = []
    for path in files:
        if path.is_file() and os.access(path, os.X_OK):
            told = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
            wanted += [pathlib.Path(p) for p in re.findall(r"(/\S+) \(0x", told)]
    return dict.fromkeys(files + wanted)
