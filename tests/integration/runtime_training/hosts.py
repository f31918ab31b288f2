"""The hosts of one training job, each a real ``train`` in namespaces of its own, joined by a network.

    host       network, mount, process and host-name namespaces; ``train`` is process 1, as in a container
    network    a bridge in a namespace that only the test knows; every host has an ``eth0`` on it
    names      ``algo-N``, through a hosts file that only the hosts see

Each host has its own ``/opt/ml`` tree, and all see it at the same path. Everything ends with the test: a host with its
process 1, a namespace with its last process.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from job_dir import JobDir, TrainProcess

from seatrial.contract.training import ResourceConfig, write_resource_config

TRAIN = Path(sys.executable).with_name("train")

_INSIDE = """
set -eu
ip link set lo up
hostname "$HOST_NAME"
mount --make-rprivate /
mount --bind "$HOSTS_FILE" /etc/hosts
mount --bind "$HOST_ML" "$SHARED_ML"
if [ -n "${HOST_SSH:-}" ]; then
  mount -t tmpfs -o mode=755 tmpfs /etc/ssh
  cp "$HOST_SSH"/* /etc/ssh
  mount -t tmpfs -o mode=755 tmpfs /run
fi
echo here
read -r _
exec "$@" </dev/null
"""


_SSH_CLIENT = """Host *
  IdentityFile /etc/ssh/key
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
"""
_SSH_DAEMON = """HostKey /etc/ssh/key
AuthorizedKeysFile /etc/ssh/key.pub
PermitRootLogin prohibit-password
UsePAM no
"""


def make_ssh_settings(directory: Path) -> Path:
    """What an image for mpirun has: one key pair for all hosts, and settings of client and daemon."""
    directory.mkdir()
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "key")]
    subprocess.run(keygen, check=True)
    (directory / "ssh_config").write_text(_SSH_CLIENT)
    (directory / "sshd_config").write_text(_SSH_DAEMON)
    return directory


def why_no_hosts() -> str | None:
    """Why hosts cannot be made here; ``None`` when they can."""
    missing = [tool for tool in ("ip", "unshare", "nsenter", "mount") if shutil.which(tool) is None]
    if missing:
        return f"no {', '.join(missing)}"
    tried = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "namespaces need root here"


class Host:
    """One host: its tree, and its ``train`` once started."""

    def __init__(self, job: JobDir, name: str, address: str) -> None:
        self.job = job
        self.name = name
        self.address = address
        self.running: TrainProcess | None = None
        self.pid = 0

    @property
    def log(self) -> str:
        assert self.running
        return "\n".join(self.running.lines)

    def wait(self) -> int:
        assert self.running
        return self.running.wait(90)

    def signal(self, number: int) -> None:
        """Signal process 1 of the host, as ``docker stop`` and ``docker kill`` do."""
        os.kill(self.pid, number)


class Hosts:
    """The hosts of one job, not started yet; ``start`` starts them all or some."""

    def __init__(self, root: Path, count: int, switch: subprocess.Popen[bytes]) -> None:
        self._switch = switch
        self._root = root
        self.shared_ml = root / "ml"
        self.shared_ml.mkdir()
        self.hosts = [self._host(number) for number in range(1, count + 1)]
        names = "".join(f"{host.address} {host.name}\n" for host in self.hosts)
        (root / "hosts").write_text(f"127.0.0.1 localhost\n{names}")
        self.ssh_dir: Path | None = None

    def _host(self, number: int) -> Host:
        directory = self._root / f"algo-{number}"
        directory.mkdir()
        return Host(JobDir(directory), f"algo-{number}", f"10.77.0.{number}")

    def __getitem__(self, number: int) -> Host:
        """By the number in its name, from 1."""
        return self.hosts[number - 1]

    def configure(self, **hyperparameters: str) -> None:
        for host in self.hosts:
            host.job.configure(**hyperparameters)
            host.job.opt_ml.model_dir.mkdir(parents=True, exist_ok=True)  # SageMaker has made it
            config = ResourceConfig(current_host=host.name, hosts=tuple(each.name for each in self.hosts))
            write_resource_config(host.job.opt_ml, config)

    def code(self, name: str, source: str) -> None:
        for host in self.hosts:
            host.job.code(name, source)

    def start(self, *numbers: int, work_dir: Path | None = None, **environment: str) -> None:
        for host in [self[number] for number in numbers] or self.hosts:
            self._start(host, work_dir or host.job.work_dir, environment)

    def _start(self, host: Host, work_dir: Path, environment: Mapping[str, str]) -> None:
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": "/root",
            "HOST_NAME": host.name,
            "HOSTS_FILE": str(self._root / "hosts"),
            "HOST_ML": str(host.job.opt_ml.root),
            "SHARED_ML": str(self.shared_ml),
            "SAGEMAKER_BASE_DIR": str(self.shared_ml),
            **({"HOST_SSH": str(self.ssh_dir)} if self.ssh_dir else {}),
            **environment,
        }
        namespaces = ["--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        process = subprocess.Popen(
            [str(shutil.which("unshare")), *namespaces, "/bin/sh", "-c", _INSIDE, "host", str(TRAIN)],
            cwd=work_dir,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        host.running = TrainProcess(process)
        host.running.wait_for_line("here")
        host.pid = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        self._plug_in(host)
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.close()

    def _plug_in(self, host: Host) -> None:
        port = f"to-{host.name}"
        self.run_in(self._switch.pid, f"ip link add {port} type veth peer name eth0 netns {host.pid}")
        self.run_in(self._switch.pid, f"ip link set {port} master br0 up")
        self.run_in(host.pid, f"ip address add {host.address}/24 dev eth0")
        self.run_in(host.pid, "ip link set eth0 up")

    @staticmethod
    def run_in(pid: int, command: str) -> None:
        argv = ["nsenter", f"--target={pid}", "--net", *shlex.split(command)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"

    def wait(self) -> list[int]:
        return [host.wait() for host in self.hosts]

    def logs(self) -> str:
        """Of all hosts, for the message of a failed assertion."""
        return "\n".join(f"--- {host.name}\n{host.log}" for host in self.hosts if host.running)

    def stop_all(self) -> None:
        for host in self.hosts:
            if host.running is not None and host.running.process.poll() is None:
                host.signal(signal.SIGKILL)
                host.running.wait()


@contextmanager
def open_hosts(root: Path, count: int) -> Iterator[Hosts]:
    """Hosts on a network of their own; all are gone afterwards."""
    # It ends with our end of its stdin, even when the test run is killed.
    switch = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    hosts: Hosts | None = None
    try:
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{switch.pid}/ns/net") == own:
            assert switch.poll() is None
        Hosts.run_in(switch.pid, "ip link add br0 type bridge")
        Hosts.run_in(switch.pid, "ip link set br0 up")
        hosts = Hosts(root, count, switch)
        yield hosts
    finally:
        if hosts is not None:
            hosts.stop_all()
        assert switch.stdin
        switch.stdin.close()
        switch.wait()
