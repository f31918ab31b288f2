"""Texts as the Docker Engine 20 to 28 and Podman send them."""

from __future__ import annotations

import pytest
import requests
from docker.errors import APIError, DockerException

from seatrial.core.errors import ContractError, EngineError, SeatrialError
from seatrial.engines import docker_errors
from seatrial.engines.base import ContainerSpec

_OCI = "failed to create task for container: OCI runtime create failed: runc create failed: unable to start container "
SPEC = ContainerSpec(image="forest:1", arguments=("train",), name="me")


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        (_OCI + 'process: exec: "train": executable file not found in $PATH: unknown', ContractError,
         "program-without-entrypoint"),
        (_OCI + 'process: exec: "./train": stat ./train: no such file or directory: unknown', ContractError,
         "program-without-entrypoint"),
        (_OCI + 'process: exec: "/opt/train": permission denied: unknown', ContractError, "program-not-executable"),
        (_OCI + 'process: exec: "/opt": is a directory: unknown', ContractError, "program-not-executable"),
        (_OCI + 'process: exec /train: exec format error', ContractError, "program-wrong-format"),
        ("No command specified", EngineError, "program-without-command"),
        ("driver failed programming external connectivity: Bind for 127.0.0.1:80 failed: port is already allocated",
         EngineError, "port-taken"),
        ("failed to bind host port for 127.0.0.1:80: address already in use", EngineError, "port-taken"),
        ("driver failed: listen tcp4 203.0.113.9:80: bind: cannot assign requested address", EngineError,
         "port-refused"),
        ('Conflict. The container name "/me" is already in use by container "1f"', EngineError,
         "container-name-taken"),
        ("invalid mount config for type \"bind\": bind source path does not exist: /x", EngineError,
         "mount-source-missing"),
        ("Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available", EngineError, "limit-not-possible"),
        ("something new", EngineError, "engine-refused"),
    ],
)  # fmt: skip
def test_explain_names_what_the_engine_means(text: str, kind: type[SeatrialError], code: str) -> None:
    fault = docker_errors.explain(DockerException(text), SPEC)
    assert type(fault) is kind
    assert fault.code == code


def test_explain_with_a_file_without_run_bit_names_it() -> None:
    text = _OCI + 'process: exec: "train": executable file not found in $PATH: unknown'
    fault = docker_errors.explain(DockerException(text), SPEC, "/opt/program/train")
    assert fault.code == "program-not-executable"
    assert "/opt/program/train" in (fault.found or "")


def _chained(text: str, cause: Exception) -> DockerException:
    """As the SDK raises it: the reason lies two exceptions below."""
    try:
        try:
            raise requests.ConnectionError("aborted") from cause
        except requests.ConnectionError as error:
            raise DockerException(text) from error
    except DockerException as error:
        return error


def test_not_ready_without_permission_names_the_ways_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    fault = docker_errors.not_ready(_chained("Error while fetching", PermissionError(13, "Permission denied")))
    assert (fault.code, fault.where) == ("engine-not-ready", "/var/run/docker.sock")
    assert fault.fix is not None
    assert all(word in fault.fix for word in ("group docker", "sudo", "rootless"))
    assert "start Docker" not in fault.fix


def test_not_ready_without_an_engine_says_what_to_start() -> None:
    fault = docker_errors.not_ready(_chained("Error\nmore", FileNotFoundError(2, "No such file or directory")))
    assert (fault.code, fault.found) == ("engine-not-ready", "Error")
    assert "start Docker" in (fault.fix or "")


def test_not_ready_of_an_error_without_a_word_names_its_kind() -> None:
    assert docker_errors.not_ready(requests.ConnectionError()).found == "ConnectionError"


def test_not_ready_of_an_answer_does_not_say_that_there_is_none() -> None:
    assert docker_errors.not_ready(APIError("500 Server Error")).code == "engine-refused"
