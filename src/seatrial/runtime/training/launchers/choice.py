"""Which launcher a job asks for: AWS's hyperparameters where they exist, else ``seatrial.toml`` beside the program.

    [training]
    launcher = "dask"            # or "torchrun", "mpirun"
    processes_per_host = 2       # the GPUs of a host, or 1, where it is left out
    mpi_options = "--verbose"    # more arguments of mpirun

A hyperparameter goes before the file. Source: contract.md §1.3, behaviour of the toolkit 5.1.4.
"""

from __future__ import annotations

import enum
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.contract.training import decode_hyperparameter
from seatrial.core.errors import ContractError

SETTINGS_FILE = "seatrial.toml"
_TABLE = "training"
_KEYS = ("launcher", "processes_per_host", "mpi_options")


class Launcher(enum.Enum):
    """An engine; the value is its name in ``seatrial.toml``."""

    TORCHRUN = "torchrun"
    MPIRUN = "mpirun"
    DASK = "dask"


LAUNCHER_HYPERPARAMETERS = {
    "sagemaker_torch_distributed_enabled": Launcher.TORCHRUN,
    "sagemaker_mpi_enabled": Launcher.MPIRUN,
}
PROCESSES_PER_HOST_HYPERPARAMETER = "sagemaker_mpi_num_of_processes_per_host"
"""The toolkit reads it for torchrun too."""
PROCESS_COUNT_HYPERPARAMETER = "sagemaker_mpi_num_processes"
MPI_OPTIONS_HYPERPARAMETER = "sagemaker_mpi_custom_mpi_options"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSettings:
    """What the job says about its launcher."""

    launcher: Launcher
    processes_per_host: int | None = None
    """``None``: one a GPU, or one where there is none."""
    process_count: int | None = None
    """Of MPI: processes on all hosts together; ``None``: those of a host times the hosts."""
    mpi_options: tuple[str, ...] = ()


def choose_launcher(hyperparameters: Mapping[str, str], directories: Iterable[Path]) -> LaunchSettings | None:
    """What starts the user's program; ``None`` when it is started as it is, once on each host.

    Args:
        hyperparameters: As in ``hyperparameters.json``.
        directories: Where ``seatrial.toml`` is looked for, in order.

    Raises:
        ContractError: two launchers are asked for, or a setting cannot be.
    """
    decoded = {name: decode_hyperparameter(value) for name, value in hyperparameters.items()}
    asked = [name for name in LAUNCHER_HYPERPARAMETERS if decoded.get(name)]
    if len(asked) > 1:
        raise ContractError(
            "launcher-ambiguous",
            "the job asks for two launchers",
            where="hyperparameters",
            found=" and ".join(map(repr, asked)),
            fix="leave one of them out",
        )
    path = next((directory / SETTINGS_FILE for directory in directories if (directory / SETTINGS_FILE).is_file()), None)
    table = _read_table(path) if path else {}
    from_file = _launcher_of(table, where=f"{path}, [{_TABLE}]")
    launcher = LAUNCHER_HYPERPARAMETERS[asked[0]] if asked else from_file
    if launcher is None:
        return None
    return LaunchSettings(
        launcher=launcher,
        processes_per_host=_count(decoded.get(PROCESSES_PER_HOST_HYPERPARAMETER), PROCESSES_PER_HOST_HYPERPARAMETER)
        or _count(table.get("processes_per_host"), f"{path}, [{_TABLE}] processes_per_host"),
        process_count=_count(decoded.get(PROCESS_COUNT_HYPERPARAMETER), PROCESS_COUNT_HYPERPARAMETER),
        mpi_options=_words(decoded.get(MPI_OPTIONS_HYPERPARAMETER) or table.get("mpi_options") or ""),
    )


def _read_table(path: Path) -> Mapping[str, Any]:
    import sys  # noqa: PLC0415 (this and the parser are for jobs that have such a file)

    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415
    else:
        import tomli as tomllib  # noqa: PLC0415
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get(_TABLE, {})
    except (OSError, ValueError) as error:
        raise ContractError(
            "launcher-settings-invalid", "the file cannot be read as TOML", where=str(path), found=str(error)
        ) from None
    if not isinstance(table, dict):
        raise _invalid(f"{path}, {_TABLE}", table, "a table")
    unknown = [name for name in table if name not in _KEYS]
    if unknown:
        raise _invalid(f"{path}, [{_TABLE}]", ", ".join(unknown), f"keys among {', '.join(_KEYS)}")
    return table


def _launcher_of(table: Mapping[str, Any], *, where: str) -> Launcher | None:
    name = table.get("launcher")
    if name is None:
        return None
    try:
        return Launcher(name)
    except ValueError:
        raise _invalid(f"{where} launcher", name, f"one of {', '.join(each.value for each in Launcher)}") from None


def _count(value: object, where: str) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise _invalid(where, value, "a whole number of at least 1")


def _words(value: object) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(str(value)))
    except ValueError as error:
        raise _invalid(f"{MPI_OPTIONS_HYPERPARAMETER} or mpi_options", f"{value!r} ({error})", "words") from None


def _invalid(where: str, found: object, expected: str) -> ContractError:
    return ContractError(
        "launcher-settings-invalid",
        "a setting of the launcher cannot be",
        where=where,
        found=found if isinstance(found, str) else repr(found),
        expected=expected,
    )
