"""Texts as the Docker Engine 20 to 28 and Podman send them."""

from __future__ import annotations

import pytest
from docker.errors import DockerException

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
