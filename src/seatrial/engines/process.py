"""The process engine: run a program directory as if it were an image, without any container engine.

On Linux, as root or where user namespaces are allowed, the program is process 1 of namespaces of its own: it sees a
private, empty ``/opt/ml`` with the spec's mounts in it, the host's files through copy-on-write views in memory
(``launcher/rootfs.py``), its own ``/dev/shm``, and a network in which every port is free. Elsewhere it is a plain
process that shares all of that; what cannot work there is refused (``plan.without_namespaces``).

The program's environment is the spec's plus PATH, HOME, LANG and PYTHONUNBUFFERED. HOME is an empty private directory,
so that no credentials of the developer are found.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from seatrial.core.errors import ContractError, EngineError, SeatrialError
from seatrial.core.subprocesses import OnLine
from seatrial.engines import cgroups, overlays, plan, process_network, program
from seatrial.engines.base import ContainerSpec, Engine, ExitStatus, Handle, HostAccess, ResourceLimits
from seatrial.engines.cluster_network import ClusterNetwork, ClusterNetworkSpec
from seatrial.engines.isolation import Finding, Isolation, find_isolation, find_outbound_program
from seatrial.engines.keep import Keep, KeptLauncher, lost
from seatrial.engines.launch import Launcher, LaunchFailedError, launch, launch_kept
from seatrial.engines.launcher.container import EXECUTE_STEP
from seatrial.engines.plan import Plan, Traces
from seatrial.engines.program import Program

LOOPBACK = "127.0.0.1"
"""A host port is found where the host has it: in a network of its own, the container's loopback leads on to it."""

_STARTING_POLL_SECONDS = 0.01


class ProcessHandle(Handle):
    """One started program."""

    def __init__(self, name: str, launcher: Launcher | KeptLauncher, addresses: Mapping[int, tuple[str, int]]) -> None:
        self.name = name
        self._launcher = launcher
        self._addresses = addresses

    def wait(self, timeout_seconds: float | None = None) -> ExitStatus | None:
        exit_code = self._launcher.wait(timeout_seconds)
        if exit_code is None:
            return None
        was_killed_for_memory = exit_code != 0 and self._launcher.oom_kill_count() > 0
        return ExitStatus(exit_code=exit_code, is_out_of_memory=was_killed_for_memory)

    def stop(self, grace_seconds: float) -> ExitStatus:
        self._launcher.terminate()
        status = self.wait(grace_seconds)
        if status is None:
            self.kill()
        while status is None:
            status = self.wait(None)
        return status

    def kill(self) -> None:
        self._launcher.kill()

    def remove(self) -> None:
        self.kill()
        with contextlib.suppress(EngineError):  # it was lost: nothing of it runs any more
            self.wait(None)
        self._launcher.close()

    def addresses(self) -> Mapping[int, tuple[str, int]]:
        return self._addresses


class ProcessEngine(Engine):
    """Runs program directories.

    Args:
        python: Interpreter of the Python environment whose programs come after the program directory's own on PATH;
            ``None`` takes the one that runs this.
        isolation: What to set between programs and host; ``None`` takes the best this machine allows.
    """

    name = "process"

    def __init__(self, python: Path | None = None, isolation: Isolation | None = None) -> None:
        self._python = Path(python or sys.executable).absolute()  # not resolved: a link in a virtual environment
        self._forced = isolation

    def check_ready(self) -> None:
        if not os.access(self._python, os.X_OK):
            raise EngineError(
                "python-not-found",
                "the chosen Python environment has no such interpreter",
                where=str(self._python),
                fix="pass the path of a python executable, such as .venv/bin/python",
            )

    def check_image(self, spec: ContainerSpec) -> None:
        self._resolve(spec)

    def start(self, spec: ContainerSpec, on_line: OnLine, keep_dir: Path | None = None) -> Handle:
        self.check_ready()
        _check_mount_sources(spec)
        found = self._resolve(spec)
        name = spec.name or f"seatrial-{secrets.token_hex(4)}"
        prepared = self._plan(spec, name, found)
        launcher: Launcher | KeptLauncher
        try:
            if keep_dir is None:
                launcher = launch(prepared.instructions, prepared.fds, on_line)
            else:
                launcher = launch_kept(prepared.instructions, prepared.fds, on_line, Keep(keep_dir), prepared.traces)
        except LaunchFailedError as error:
            prepared.take_back()
            raise _explain(error, found) from error
        except BaseException:
            prepared.take_back()
            raise
        finally:
            prepared.close_listeners()
        return ProcessHandle(name, launcher, prepared.addresses)

    def check_limits(self, limits: ResourceLimits) -> None:
        cgroups.create(f"check-{secrets.token_hex(4)}", limits).remove()

    def host_access(self) -> HostAccess | None:
        return HostAccess(listen_address=LOOPBACK, container_address=LOOPBACK, is_shared=False)

    def shares_kernel(self) -> bool:
        return sys.platform == "linux"

    def can_overlay(self, directory: Path) -> bool:
        isolation = self._finding().isolation
        return isolation is not Isolation.NONE and overlays.can_mount(directory, isolation)

    def wait_for_end(self, keep_dir: Path) -> None:
        keep = Keep(keep_dir)
        if keep.was_used:
            keep.wait_for_end()

    def find(self, spec: ContainerSpec, on_line: OnLine, keep_dir: Path) -> Handle | None:
        keep = Keep(keep_dir)
        while keep.was_used and keep.is_running and not keep.has_started:
            time.sleep(_STARTING_POLL_SECONDS)
        traces = Traces.from_json(keep.read_traces())
        if keep.was_used and keep.has_started:
            if keep.is_running or keep.read_end() is not None:
                return ProcessHandle(spec.name or keep_dir.name, KeptLauncher(keep, on_line), traces.addresses)
            traces.take_back()
            keep.remove()
            raise lost(keep)
        traces.take_back()
        keep.remove()
        return None

    def create_network(self, spec: ClusterNetworkSpec, keep_dir: Path | None = None) -> ClusterNetwork:
        return process_network.create(spec, self._finding(), keep_dir)

    def find_network(self, spec: ClusterNetworkSpec, keep_dir: Path) -> ClusterNetwork | None:
        return process_network.find(spec, keep_dir)

    def limitations(self) -> tuple[str, ...]:
        finding = self._finding()
        if finding.isolation is Isolation.NONE:
            reason = f" ({finding.reason})" if finding.reason else ""
            return (
                f"programs share the host's files, ports, processes and network: no namespaces here{reason}",
                "read-only mounts can be written to",
            )
        found = ["programs run as your user, not as root"] if finding.isolation is Isolation.USER else []
        if find_outbound_program() is None:
            found.append(plan.NO_OUTBOUND)
        return tuple(found)

    def _finding(self) -> Finding:
        return find_isolation() if self._forced is None else Finding(self._forced)

    def _resolve(self, spec: ContainerSpec) -> Program:
        return program.resolve(spec, python=self._python, inherited_path=os.environ.get("PATH", ""))

    def _plan(self, spec: ContainerSpec, name: str, found: Program) -> Plan:
        isolation = self._finding().isolation
        if isolation is Isolation.NONE:
            return plan.without_namespaces(spec, name, found)
        return plan.with_namespaces(spec, name, found, self._python, isolation)


def _check_mount_sources(spec: ContainerSpec) -> None:
    for mount in spec.mounts:
        if not mount.source.exists():
            raise EngineError(
                "mount-source-missing",
                f"what is to be mounted at {mount.target} does not exist",
                where=str(mount.source),
                fix="create it first",
            )


def _explain(error: LaunchFailedError, found: Program) -> SeatrialError:
    """What a failed start means: the program's fault where it lies in its file, else ours or the machine's."""
    where = str(found.executable)
    if error.step == EXECUTE_STEP and error.errno in (errno.ENOENT, errno.ENOTDIR):
        return ContractError(
            "program-interpreter-missing",
            "the program's interpreter or loader does not exist inside the container",
            where=where,
            fix="check its first line; files below /dev, /run or /opt/ml of the host are not visible there",
        )
    if error.step == EXECUTE_STEP and error.errno == errno.EACCES:
        return ContractError(
            "program-not-executable", "the program may not be executed", where=where, fix=f"run chmod +x {where}"
        )
    if error.step == EXECUTE_STEP and error.errno == errno.ENOEXEC:
        return ContractError(
            "program-wrong-format",
            "the program is in no format this system executes",
            where=where,
            fix="begin a script with a line such as #!/usr/bin/env python, or build for this processor",
        )
    return EngineError("launch-failed", "the container could not be made", where=where, found=error.text())
