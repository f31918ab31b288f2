"""Run the user's program under the launcher that the job asks for."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seatrial.contract.environment import (
    AWS_REGION,
    BASE_DIR,
    METRICS_DIRECTORY,
    TRAINING_JOB_ARN,
    TRAINING_JOB_NAME,
)
from seatrial.core.errors import ContractError
from seatrial.runtime.training import hardware
from seatrial.runtime.training.hosts import Cluster
from seatrial.runtime.training.launchers.choice import Launcher, LaunchSettings
from seatrial.runtime.training.stopping import Stopping

ERROR_CLASS = "ExecuteUserScriptError"
"""First word of a failed program's failure file, as the toolkit has it."""

SHARED_VARIABLES = (
    *(TRAINING_JOB_NAME, TRAINING_JOB_ARN, AWS_REGION, METRICS_DIRECTORY, BASE_DIR),
    *("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONFAULTHANDLER"),
)
"""What a process that mpirun starts over SSH lacks, beside the toolkit's ``SM_*``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One host's part of a distributed program."""

    settings: LaunchSettings
    cluster: Cluster
    command: tuple[str, ...]
    """The user's program as one process."""
    python_arguments: tuple[str, ...] | None
    """The same as arguments of a Python interpreter; ``None`` when it is another kind of program."""
    cwd: Path
    environment: Mapping[str, str]
    """All of the program's environment."""
    shared_variables: tuple[str, ...] = ()
    """Of the environment: what processes on other hosts are given too."""
    stopping: Stopping

    @property
    def processes_per_host(self) -> int:
        return self.settings.processes_per_host or hardware.count_gpus() or 1


def run_launched(launch: Launch) -> None:
    """Run this host's part to its end.

    Raises:
        ScriptFailure: the program failed.
        UserCodeError: another host, or a program beside the user's, failed.
        ContractError: the image lacks what the launcher needs, or hosts do not find each other.
        JobStopping: the job is being stopped.
    """
    # Each loads only what it runs; they in turn know Launch.
    if launch.settings.launcher is Launcher.TORCHRUN:
        from seatrial.runtime.training.launchers.torchrun import run_torchrun  # noqa: PLC0415

        run_torchrun(launch)
    elif launch.settings.launcher is Launcher.MPIRUN:
        from seatrial.runtime.training.launchers.mpirun import run_mpirun  # noqa: PLC0415

        run_mpirun(launch)
    else:
        from seatrial.runtime.training.launchers.dask import run_dask  # noqa: PLC0415

        run_dask(launch)


def check_module(module: str, launcher: Launcher, *, package: str) -> None:
    """Raises ``ContractError`` when the interpreter that runs the job lacks a module."""
    if importlib.util.find_spec(module) is None:
        raise launcher_not_installed(launcher, f"no module '{module}' for {sys.executable}", f"pip install {package}")


def launcher_not_installed(launcher: Launcher, found: str, fix: str) -> ContractError:
    """The error of an image that lacks what a launcher needs."""
    return ContractError(
        "launcher-not-installed",
        f"the job asks for {launcher.value}, which this image lacks",
        found=found,
        fix=f"install it in the image: {fix}",
    )
