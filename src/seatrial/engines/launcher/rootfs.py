"""The container's file system: the host's files through copy-on-write views, so that nothing written stays behind.

Rules:

- Every file system of the host that holds data becomes an overlay whose upper half is in memory: the program may
  write wherever its rights allow, install packages, leave sockets and pid files, and the host never sees it.
- In a user namespace the kernel allows no overlay over a directory with mounts below it, such as the root, and no
  writing below other users' directories: there the root is read-only, and ``writable_views`` alone can be written.
- ``/proc``, ``/dev`` and ``/dev/shm`` are the container's own; ``/sys`` is read-only.
- ``empty_dir`` (``/opt/ml``) exists and is empty, whatever the host has there.
- What the caller mounts is the host's own directory, writable unless asked otherwise; or an overlay of directories
  that the caller names.
- A file system that cannot be a layer of an overlay (FAT, some network drives) is shown read-only.
"""

from __future__ import annotations

import contextlib
import os
import stat

from seatrial.engines.launcher import syscalls
from seatrial.engines.launcher.syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_REC, SetUpError

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from seatrial.engines.launcher.instructions import Instructions, MountInstruction

_STAGE_CANDIDATES = ("/tmp", "/run", "/var", "/mnt")  # noqa: S108 (covered in our own mount namespace only)

_OWN_TREES = ("/proc", "/sys", "/dev")
_FOREIGN_TREES = ("/var/lib/docker", "/var/lib/containers", "/var/lib/containerd", "/run/docker", "/run/containerd")
"""Where container engines keep the mounted roots of other containers."""

_NO_DATA_KINDS = frozenset(
    {
        *("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs"),
        *("efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs"),
        *("sysfs", "tracefs"),
    }
)

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_ACCELERATOR_PREFIXES = ("nvidia", "neuron", "kfd", "dri", "infiniband", "accel", "dxg")
_DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}


def data_mount_points(mount_info: str) -> list[str]:
    """Mount points of file systems that hold data, outermost first, without the root.

    Args:
        mount_info: Text of ``/proc/self/mountinfo``.
    """
    kinds: dict[str, str] = {}
    for line in mount_info.splitlines():
        left, _, right = line.partition(" - ")
        kinds[_unescape(left.split(" ")[4])] = right.split(" ")[0]  # a later mount hides an earlier one
    points = [path for path, kind in kinds.items() if kind not in _NO_DATA_KINDS and path != "/"]
    skipped = _OWN_TREES + _FOREIGN_TREES
    return sorted(path for path in points if not any(is_below(path, tree) for tree in skipped))


def is_below(path: str, tree: str) -> bool:
    """Whether ``path`` is ``tree`` or inside it."""
    return path == tree or path.startswith(tree.rstrip("/") + "/")


def _unescape(field: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field


class _Stage:
    """A private tmpfs with the new root and the upper halves of its overlays."""

    def __init__(self, path: str, options: str) -> None:
        self.path = path
        self.root = f"{path}/root"
        self._options = options
        self._count = 0

    def mount(self) -> None:
        syscalls.mount("tmpfs", self.path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
        os.mkdir(self.root)

    def overlay(self, lower: int, mode: int, target: str) -> None:
        """Mount a copy-on-write view of the directory behind the descriptor ``lower``."""
        self._count += 1
        upper, work = f"{self.path}/upper{self._count}", f"{self.path}/work{self._count}"
        os.mkdir(upper)
        os.mkdir(work)
        os.chmod(upper, mode & 0o7777)
        data = f"lowerdir=/proc/self/fd/{lower},upperdir={upper},workdir={work}{self._options}"
        syscalls.mount("overlay", target, "overlay", MS_NODEV, data)


def enter(instructions: Instructions) -> None:
    """Build the container's root and make it ours. The process is in a mount namespace of its own."""
    syscalls.mount(None, "/", None, MS_REC | MS_PRIVATE)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        mount_info = file.read()
    # The stage will cover a directory of the host: everything needed of the host is opened before.
    is_user = instructions["needs_user_namespace"]
    views = _open_views(instructions["writable_views"] if is_user else data_mount_points(mount_info))
    host_root = _open("/", "open")
    sources = [_open_source(mount) for mount in instructions["mounts"]]
    empty_dir, resolver = os.path.realpath(instructions["empty_dir"]), os.path.realpath("/etc/resolv.conf")
    hosts = os.path.realpath("/etc/hosts")
    targets = [_resolve(mount["target"], instructions["empty_dir"], empty_dir) for mount in instructions["mounts"]]
    system, devices = _open("/sys", "open"), _open("/dev", "open")
    stage = _Stage(next(path for path in _STAGE_CANDIDATES if os.path.isdir(path)), ",userxattr" if is_user else "")
    stage.mount()
    if not is_user:
        stage.overlay(host_root, os.stat(host_root).st_mode, stage.root)
    elif views.pop("/", None) is None:
        _bind_read_only(f"/proc/self/fd/{host_root}", stage.root)
    else:
        _show_entries(f"/proc/self/fd/{host_root}", os.stat(host_root).st_mode, stage.root)
    for path, fd in views.items():
        _show(stage, path, fd, must_be_writable=is_user)
    _mount_kernel_trees(stage.root, system, devices, instructions["shm_bytes"])
    _mount_names(stage, instructions, resolver, hosts)
    for path in (*instructions["empty_dirs"], empty_dir):
        _mount_over(stage.root, path)
    for (fd, layers), target in zip(sources, targets, strict=True):
        if layers:
            _mount_layers(layers, stage.root + target, ",userxattr" if is_user else "")
        else:
            _bind_source(fd, stage.root, target)
    for mount, target in zip(instructions["mounts"], targets, strict=True):
        if mount["is_read_only"]:
            syscalls.make_read_only(stage.root + target)
    syscalls.change_root(stage.root)


def _mount_names(stage: _Stage, instructions: Instructions, resolver: str, hosts: str) -> None:
    """Who the container asks for names, and whom it knows."""
    if instructions["name_server"] is not None:
        _mount_text(stage, f"nameserver {instructions['name_server']}\n", resolver)
    if instructions["hosts_file"] is not None:
        _mount_text(stage, instructions["hosts_file"], hosts)


def _resolve(target: str, empty_dir: str, real_empty_dir: str) -> str:
    """The target without links: one that is absolute would lead out of the new root while it is being built."""
    if is_below(target, empty_dir):  # nothing of the host's is left there
        return real_empty_dir + target[len(empty_dir) :]
    return os.path.realpath(target)


def _open(path: str, step: str) -> int:
    try:
        return os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise SetUpError(f"{step} {path}", error.errno or 0) from error


def _open_source(mount: MountInstruction) -> tuple[int, str]:
    """A descriptor of a mount's source, and the overlay's options when it is one."""
    step = "open the mount source"
    layers = mount["layers"]
    if layers is None:
        return _open(mount["source"], step), ""
    options = "lowerdir=" + ":".join(f"/proc/self/fd/{_open(path, step)}" for path in layers["lower"])
    for name, path in (("upperdir", layers["upper"]), ("workdir", layers["work"])):
        if path is not None:
            options += f",{name}=/proc/self/fd/{_open(path, step)}"
    return -1, options


def _mount_layers(options: str, target: str, more: str) -> None:
    try:
        os.makedirs(target, exist_ok=True)
    except OSError as error:
        raise SetUpError(f"make the mount target {target}", error.errno or 0) from error
    syscalls.mount("overlay", target, "overlay", MS_NODEV, options + more)


def _open_views(paths: list[str]) -> dict[str, int]:
    """Descriptors of what to show, outermost first; what cannot be reached is left out."""
    views: dict[str, int] = {}
    for path in sorted(set(paths)):
        with contextlib.suppress(OSError):
            views[path] = os.open(path, os.O_PATH | os.O_CLOEXEC)
    return views


def _show(stage: _Stage, path: str, fd: int, *, must_be_writable: bool) -> None:
    target, source = stage.root + path, f"/proc/self/fd/{fd}"
    mode = os.stat(fd).st_mode
    if not os.path.lexists(target):
        return  # hidden by another mount
    if not stat.S_ISDIR(mode):  # a file mounted over a file, as container engines do with resolv.conf
        _bind_read_only(source, target)
        return
    try:
        stage.overlay(fd, mode, target)
    except SetUpError:
        if must_be_writable:
            _show_entries(source, mode, target)
        else:
            _bind_read_only(source, target)


def _show_entries(source: str, mode: int, target: str) -> None:
    """A writable directory in memory with the entries of ``source``, each read-only."""
    names = os.listdir(source)
    syscalls.mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, f"mode={mode & 0o7777:o}")
    for name in names:
        if os.path.islink(f"{source}/{name}"):
            os.symlink(os.readlink(f"{source}/{name}"), f"{target}/{name}")
            continue
        if os.path.isdir(f"{source}/{name}"):
            os.mkdir(f"{target}/{name}")
        else:
            _touch(f"{target}/{name}")
        with contextlib.suppress(SetUpError):  # what the user may not even look into stays empty
            _bind_read_only(f"{source}/{name}", f"{target}/{name}")


def _bind_read_only(source: str, target: str) -> None:
    syscalls.bind(source, target)
    syscalls.make_read_only(target)


def _mount_kernel_trees(root: str, system: int, devices: int, shm_bytes: int | None) -> None:
    syscalls.mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _bind_read_only(f"/proc/self/fd/{system}", f"{root}/sys")
    _mount_devices(f"{root}/dev", f"/proc/self/fd/{devices}")
    size = f",size={shm_bytes}" if shm_bytes is not None else ""
    syscalls.mount("tmpfs", f"{root}/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, f"mode=1777{size}")  # noqa: S108


def _mount_devices(target: str, host: str) -> None:
    names = [name for name in os.listdir(host) if name in _DEVICES or name.startswith(_ACCELERATOR_PREFIXES)]
    syscalls.mount("tmpfs", target, "tmpfs", MS_NOSUID, "mode=755")
    for name in names:
        if os.path.isdir(f"{host}/{name}"):
            os.mkdir(f"{target}/{name}")
        else:
            _touch(f"{target}/{name}")
        syscalls.bind(f"{host}/{name}", f"{target}/{name}")
    for name in ("pts", "shm"):
        os.mkdir(f"{target}/{name}")
    syscalls.mount("devpts", f"{target}/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    for name, link in _DEVICE_LINKS.items():
        os.symlink(link, f"{target}/{name}")


def _mount_over(root: str, path: str) -> None:
    os.makedirs(root + path, exist_ok=True)
    syscalls.mount("tmpfs", root + path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")


def _mount_text(stage: _Stage, text: str, target: str) -> None:
    """Show a file of the container's own instead of the host's."""
    source = f"{stage.path}/{os.path.basename(target)}"
    with open(source, "w", encoding="ascii") as file:
        file.write(text)
    _bind_source(_open(source, "open"), stage.root, target)


def _bind_source(fd: int, root: str, target: str) -> None:
    try:
        if stat.S_ISDIR(os.stat(fd).st_mode):
            os.makedirs(root + target, exist_ok=True)
        elif not os.path.lexists(root + target):
            os.makedirs(os.path.dirname(root + target), exist_ok=True)
            _touch(root + target)
    except OSError as error:
        raise SetUpError(f"make the mount target {target}", error.errno or 0) from error
    syscalls.bind(f"/proc/self/fd/{fd}", root + target)


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
