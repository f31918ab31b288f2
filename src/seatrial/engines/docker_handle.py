"""One container of the Docker engine: follow its output and its end, stop it, remove it."""

from __future__ import annotations

import calendar
import contextlib
import errno
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from docker.errors import APIError, DockerException, NotFound, create_api_error_from_http_exception

from seatrial.core.errors import EngineError
from seatrial.core.subprocesses import LineSplitter, OnLine
from seatrial.engines import docker_errors, docker_keep
from seatrial.engines.base import ExitStatus, Handle

if TYPE_CHECKING:
    from docker import APIClient

_NOT_RUNNING = (404, 409)
_REMOVE_SECONDS = 30.0
_FRAME_HEADER = struct.Struct(">BxxxL")
_STDERR = 2


@dataclass(slots=True, kw_only=True)
class Container:
    """A created container and what belongs to it."""

    id: str
    name: str
    output: Iterable[tuple[bytes | None, bytes | None]]
    """Pairs of stdout and stderr."""
    addresses: dict[int, tuple[str, int]]
    network_id: str | None = None
    """A network of its own."""
    keep_dir: Path | None = None
    """Where a later process finds it."""


class DockerHandle(Handle):
    """A started container.

    Args:
        api: The engine.
        container: What was started.
        on_line: Receives the output.
        at_end: Runs after the last process has ended and before ``wait`` returns.
    """

    def __init__(self, api: APIClient, container: Container, on_line: OnLine, at_end: Callable[[], None]) -> None:
        self.name = container.name
        self._api = api
        self._container = container
        self._status: ExitStatus | None = None
        self._loss: EngineError | None = None
        self._has_ended = threading.Event()
        self._is_removed = False
        self._removal = threading.Lock()
        self._follower = threading.Thread(
            target=self._follow, args=(on_line, at_end), name=f"output of {self.name}", daemon=True
        )
        self._follower.start()

    def wait(self, timeout_seconds: float | None = None) -> ExitStatus | None:
        if not self._has_ended.wait(timeout_seconds):
            return None
        if self._status is None:
            raise self._loss or EngineError("container-lost", f"container {self.name!r} was lost")
        return self._status

    def stop(self, grace_seconds: float) -> ExitStatus:
        self._signal(signal.SIGTERM)
        status = self.wait(grace_seconds)
        while status is None:
            self.kill()
            status = self.wait(1.0)
        return status

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def remove(self) -> None:
        with self._removal:
            if self._is_removed:
                return
            self.kill()
            self._has_ended.wait(_REMOVE_SECONDS)
            remove_container(self._api, self._container)
            self._follower.join(_REMOVE_SECONDS)
            self._is_removed = True

    def addresses(self) -> Mapping[int, tuple[str, int]]:
        return self._container.addresses

    def _signal(self, number: signal.Signals) -> None:
        try:
            self._api.kill(self._container.id, signal=number.name)
        except APIError as error:
            if error.status_code not in _NOT_RUNNING and "is not running" not in str(error):
                raise EngineError(
                    "engine-refused", f"the Docker engine cannot signal container {self.name!r}", found=str(error)
                ) from error
        except requests.RequestException as error:
            raise docker_errors.not_ready(error) from error

    def _follow(self, on_line: OnLine, at_end: Callable[[], None]) -> None:
        try:
            lines = _Lines(on_line)
            lines.take(self._container.output)
            # No time limit: a container may close its output long before it ends.
            code = int(self._api.wait(self._container.id, timeout=None)["StatusCode"])
            if isinstance(self._container.output, FollowedLog):
                lines.take(self._container.output.rest())
            lines.end()
            at_end()
            self._status = ExitStatus(exit_code=code & 0xFF, is_out_of_memory=code != 0 and self._is_out_of_memory())
        except (DockerException, requests.RequestException, OSError) as error:
            self._loss = EngineError(
                "container-lost",
                f"the Docker engine lost container {self.name!r}",
                found=str(error),
                fix="look whether the engine was restarted, or the container removed by someone else",
            )
        finally:
            close_output(self._container.output)
            self._has_ended.set()

    def _is_out_of_memory(self) -> bool:
        try:
            return bool(self._api.inspect_container(self._container.id)["State"]["OOMKilled"])
        except NotFound:  # somebody else has removed it meanwhile
            return False


def remove_container(api: APIClient, container: Container) -> None:
    """Remove a container, its anonymous volumes and its network; returns when they are gone."""
    close_output(container.output)
    deadline = time.monotonic() + _REMOVE_SECONDS
    while True:
        try:
            api.remove_container(container.id, v=True, force=True)
        except NotFound:
            break
        except APIError as error:
            if error.status_code != 409 or time.monotonic() > deadline:  # 409: somebody else is removing it
                raise EngineError(
                    "engine-refused", f"the Docker engine cannot remove container {container.name!r}", found=str(error)
                ) from error
            time.sleep(0.05)
        except requests.RequestException as error:
            raise docker_errors.not_ready(error) from error
    if container.network_id is not None:
        remove_network(api, container.network_id)
    if container.keep_dir is not None:
        docker_keep.remove(container.keep_dir)


def remove_network(api: APIClient, network_id: str) -> None:
    """Remove a network that nobody uses any more; one that is gone is no fault."""
    try:
        with contextlib.suppress(NotFound):
            api.remove_network(network_id)
    except (DockerException, requests.RequestException) as error:
        raise docker_errors.not_ready(error) from error


class FollowedLog:
    """The output of a container as the daemon has written it down, from the first line on.

    Unlike an attached stream it gives every reader the same pieces in the same order. Following it is not enough: a
    daemon may end the stream before it has sent the last lines (seen with Docker 20.10, one container in six), so what
    came after the last piece is asked for once more when the container has ended.

    Args:
        api: The engine.
        container_id: Whose.

    Raises:
        APIError: there is no such container.
    """

    def __init__(self, api: APIClient, container_id: str) -> None:
        self._api = api
        self._url = f"{api.base_url}/v{api.api_version}/containers/{container_id}/logs"
        self._last_time = b""
        self._last_time_count = 0
        """Pieces that had it."""
        self._response = self._ask(follow=1)

    def __iter__(self) -> Iterator[tuple[bytes | None, bytes | None]]:
        """Pairs of stdout and stderr, one of them ``None``; ends with the container."""
        for stream, time_written, data in _read_frames(self._response):
            self._last_time_count = self._last_time_count + 1 if time_written == self._last_time else 1
            self._last_time = time_written
            yield (None, data) if stream == _STDERR else (data, None)

    def rest(self) -> Iterator[tuple[bytes | None, bytes | None]]:
        """What was written after the last piece; of a container that has ended."""
        since = {"since": unix_time(self._last_time)} if self._last_time else {}
        known_count = self._last_time_count
        with contextlib.closing(self._ask(follow=0, **since)) as response:
            for stream, time_written, data in _read_frames(response):
                if time_written == self._last_time and known_count:
                    known_count -= 1
                else:
                    yield (None, data) if stream == _STDERR else (data, None)

    def close(self) -> None:
        self._response.close()

    def _ask(self, **options: int | str) -> requests.Response:
        params = {"stdout": 1, "stderr": 1, "timestamps": 1, "tail": "all", **options}
        response = self._api.get(self._url, params=params, stream=True)
        try:
            response.raise_for_status()
        except requests.HTTPError as error:
            response.close()
            raise create_api_error_from_http_exception(error) from error
        return response


def unix_time(text: bytes) -> str:
    """Docker's ``2026-11-23T16:00:00.123456789Z`` as its ``since`` takes it, no digit lost."""
    whole, _, fraction = text.decode("ascii").removesuffix("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return f"{seconds}.{fraction or '0'}"


def _read_frames(response: requests.Response) -> Iterator[tuple[int, bytes, bytes]]:
    """Stream, time and bytes of each piece."""
    read = response.raw.read
    while header := read(_FRAME_HEADER.size):
        if len(header) < _FRAME_HEADER.size:
            raise OSError(errno.EPIPE, "the daemon's log was cut off")
        stream, length = _FRAME_HEADER.unpack(header)
        time_written, _, data = read(length).partition(b" ")
        yield stream, time_written, data


def close_output(output: Any) -> None:  # noqa: ANN401 (the SDK's stream type is private)
    """Close an attached stream; its response holds the connection."""
    response = getattr(output, "_response", None)
    if response is not None:
        with contextlib.suppress(OSError, AttributeError):
            output.close()
        response.close()


class _Lines:
    """Makes lines of two streams of bytes."""

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self._splitters = (LineSplitter(), LineSplitter())

    def take(self, output: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        for pair in output:
            for chunk, splitter in zip(pair, self._splitters, strict=True):
                for line in splitter.feed(chunk or b""):
                    self._on_line(line)

    def end(self) -> None:
        """The last line of a stream may have no line end."""
        for splitter in self._splitters:
            for line in splitter.flush():
                self._on_line(line)
