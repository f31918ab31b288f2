"""Build an image through the Docker Engine API, its output line by line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import docker
import docker.errors

from seatrial.core.errors import BuildError
from seatrial.core.subprocesses import OnLine
from seatrial.engines.docker_errors import not_ready


def build_image(
    context_dir: Path, tag: str, on_line: OnLine, *, build_arguments: Mapping[str, str] | None = None
) -> str:
    """Build the Dockerfile of a directory.

    Args:
        context_dir: Holds ``Dockerfile`` and what it copies.
        tag: Name of the image.
        on_line: Receives the build's output.
        build_arguments: Values for the Dockerfile's ``ARG`` lines.

    Returns:
        ``tag``.

    Raises:
        EngineError: no Docker engine answers.
        BuildError: a step failed; ``found`` is what the engine said.
    """
    try:
        client = docker.from_env()
    except docker.errors.DockerException as error:
        raise not_ready(error) from error
    try:
        events = client.api.build(
            path=str(context_dir), tag=tag, buildargs=dict(build_arguments or {}), decode=True, rm=True, forcerm=True
        )
        _follow(events, on_line, context_dir)
    except docker.errors.APIError as error:
        raise _build_error(context_dir, error.explanation or str(error)) from error
    finally:
        client.close()
    return tag


def _follow(events: Iterable[Mapping[str, object]], on_line: OnLine, context_dir: Path) -> None:
    for event in events:
        if "error" in event:
            raise _build_error(context_dir, str(event["error"]))
        for line in str(event.get("stream", "")).splitlines():
            if line.strip():
                on_line(line)


def _build_error(context_dir: Path, found: str) -> BuildError:
    return BuildError(
        "image-build-failed",
        "the image could not be built",
        where=str(context_dir / "Dockerfile"),
        found=found,
        fix="read the step before it in the build's output",
    )
