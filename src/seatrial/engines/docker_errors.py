"""What the Docker Engine API's errors mean: the image's fault, the request's, or the engine's."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import requests
from docker.errors import APIError

from seatrial.core.errors import ContractError, EngineError, SeatrialError
from seatrial.engines.base import ContainerSpec

_Make = Callable[[ContainerSpec, str], SeatrialError]


def explain(error: Exception, spec: ContainerSpec, unexecutable: str | None = None) -> SeatrialError:
    """The error to raise for a container that the engine did not create or start.

    Args:
        error: The engine's answer.
        spec: The container.
        unexecutable: A file of the image that would be its program if it had its run bit.
    """
    text = str(error.explanation if isinstance(error, APIError) and error.explanation else error)
    if unexecutable is not None and "executable file not found" in text:
        return _not_executable(spec, f"{unexecutable} without run bit")
    for pattern, make in _MEANINGS:
        if re.search(pattern, text):
            return make(spec, text)
    if isinstance(error, requests.RequestException) and not isinstance(error, APIError):
        return not_ready(error)
    return EngineError("engine-refused", "the Docker engine refused the container", where=spec.image, found=text)


def not_ready(error: Exception) -> EngineError:
    """The error to raise when the engine cannot be asked."""
    if isinstance(error, APIError):
        return EngineError("engine-refused", "the Docker engine cannot answer", found=str(error))
    if _is_caused_by(error, PermissionError):
        return EngineError(
            "engine-not-ready",
            "this user may not use the Docker engine",
            where=os.environ.get("DOCKER_HOST", "/var/run/docker.sock"),
            found="permission denied",
            fix="add the user to the group docker (sudo usermod -aG docker USER, then log in again), run the command "
            "with sudo, or set DOCKER_HOST to the socket of a rootless engine",
        )
    return EngineError(
        "engine-not-ready",
        "no Docker engine answers",
        found=next(iter(str(error).splitlines()), type(error).__name__),
        fix="start Docker or Podman's socket, set DOCKER_HOST, or use the process engine",
    )


def _is_caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error is not None


def _program(spec: ContainerSpec) -> str:
    first = (*(spec.entrypoint or ()), *spec.arguments)[:1]
    return repr(first[0]) if first else "its program"


def _without_entrypoint(spec: ContainerSpec, text: str) -> SeatrialError:
    return ContractError(
        "program-without-entrypoint",
        f"the image cannot run {_program(spec)}: it is not on its PATH",
        where=spec.image,
        found=_reason(text),
        fix="in the Dockerfile, set ENV PATH to hold the program's directory, or give an exec-form ENTRYPOINT",
    )


def _not_executable(spec: ContainerSpec, text: str) -> SeatrialError:
    return ContractError(
        "program-not-executable",
        f"the image cannot run {_program(spec)}: it may not be executed",
        where=spec.image,
        found=_reason(text),
        fix="in the Dockerfile, RUN chmod +x on the program",
    )


def _wrong_format(spec: ContainerSpec, text: str) -> SeatrialError:
    return ContractError(
        "program-wrong-format",
        f"the image cannot run {_program(spec)}: it is for another processor, or a script without a #! line",
        where=spec.image,
        found=_reason(text),
        fix="build for this processor, or begin the script with a line such as #!/usr/bin/env python",
    )


def _without_command(spec: ContainerSpec, _text: str) -> SeatrialError:
    return EngineError(
        "program-without-command",
        "the image has neither ENTRYPOINT nor CMD",
        where=spec.image,
        fix="pass an argument such as train or serve",
    )


def _port_taken(_spec: ContainerSpec, text: str) -> SeatrialError:
    return EngineError(
        "port-taken",
        "a port to publish is taken by another program",
        found=_reason(text),
        fix="choose another port, or 0 for any free one",
    )


def _port_refused(_spec: ContainerSpec, text: str) -> SeatrialError:
    return EngineError(
        "port-refused",
        "the Docker engine cannot listen at this address",
        found=_reason(text),
        fix="name an address of the machine where the engine runs, such as 127.0.0.1, or 0.0.0.0 for all of them",
    )


def _name_taken(spec: ContainerSpec, _text: str) -> SeatrialError:
    return EngineError(
        "container-name-taken",
        f"a container named {spec.name!r} is there already",
        fix="choose another name, or remove that container",
    )


def _mount_missing(_spec: ContainerSpec, text: str) -> SeatrialError:
    return EngineError(
        "mount-source-missing",
        "what is to be mounted does not exist where the engine runs",
        found=_reason(text),
        fix="create it first",
    )


def _limit(spec: ContainerSpec, text: str) -> SeatrialError:
    return EngineError(
        "limit-not-possible", "the Docker engine cannot set this limit", where=spec.image, found=_reason(text)
    )


_MEANINGS: tuple[tuple[str, _Make], ...] = (
    (r"executable file not found|exec: .*no such file or directory|stat .*no such file or directory: unknown",
     _without_entrypoint),
    (r"exec: .*(permission denied|is a directory)", _not_executable),
    (r"exec format error", _wrong_format),
    (r"[Nn]o command specified", _without_command),
    (r"port is already allocated|address already in use|ports are not available", _port_taken),
    (r"cannot assign requested address|invalid (host ?IP|IP address)", _port_refused),
    (r"is already in use by container|name .* is in use", _name_taken),
    (r"bind source path does not exist|statfs .*no such file", _mount_missing),
    (r"[Rr]ange of CPUs|[Mm]inimum memory limit|[Mm]emory limit", _limit),
)  # fmt: skip


def _reason(text: str) -> str:
    """The daemon's last clauses: it wraps the reason into the names of everything it went through."""
    return ": ".join(text.removesuffix(": unknown").split(": ")[-3:])
