"""What a program under ``seatrial run`` gets of the caller's environment."""

import os

import pytest

from seatrial.cli._child_environment import CHILD_PYTHON, child_environment

CLIENT = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4577", "AWS_ACCESS_KEY_ID": "seatrial"}


@pytest.mark.parametrize(
    "name",
    [
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_ENDPOINT_URL_S3",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_A_VARIABLE_OF_TOMORROW",
    ],
)
def test_child_does_not_get_what_leads_to_an_account(name: str) -> None:
    assert name not in child_environment({name: "x"}, CLIENT)


def test_child_gets_the_platform_instead_of_keys_and_files_of_the_caller() -> None:
    caller = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_CONFIG_FILE": "/my/config", "AWS_EC2_METADATA_DISABLED": "false"}
    given = child_environment(caller, CLIENT)

    assert given["AWS_ACCESS_KEY_ID"] == "seatrial"
    assert given["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4577"
    assert given["AWS_CONFIG_FILE"] == given["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert given["AWS_EC2_METADATA_DISABLED"] == "true"


def test_child_gets_everything_else() -> None:
    caller = {"HOME": "/home/me", "AWS_PAGER": "", "AWS_DEFAULT_OUTPUT": "text", "PYTHONHASHSEED": "0"}

    assert child_environment(caller, CLIENT).items() >= caller.items()


def test_python_path_keeps_that_of_the_caller_behind_ours() -> None:
    assert child_environment({"PYTHONPATH": "a:b"}, CLIENT)["PYTHONPATH"] == f"{CHILD_PYTHON}{os.pathsep}a:b"
    assert child_environment({"PYTHONPATH": ""}, CLIENT)["PYTHONPATH"] == str(CHILD_PYTHON)


@pytest.mark.parametrize(
    ("caller", "no_proxy"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "intra.example, localhost"}, "intra.example,localhost,127.0.0.1"),
        ({"no_proxy": "a", "NO_PROXY": "b"}, "a,127.0.0.1,localhost"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_proxy_is_told_to_leave_the_platform_alone(caller: dict[str, str], no_proxy: str) -> None:
    given = child_environment(caller, CLIENT)

    assert given["no_proxy"] == no_proxy
    assert given.get("NO_PROXY", no_proxy) == no_proxy
