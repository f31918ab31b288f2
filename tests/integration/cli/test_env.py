"""``eval "$(seatrial env)"``: the platform is what AWS's clients use, whatever the caller's environment says."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import botocore.session
import pytest

from seatrial.cli._platform import RunningPlatform
from seatrial.cli.env import client_environment, shell_lines

OURS = client_environment(RunningPlatform(pid=1, port=4577))
CALLER = {
    "AWS_PROFILE": "one-that-is-gone",
    "AWS_DEFAULT_PROFILE": "one-that-is-gone",
    "AWS_SESSION_TOKEN": "token",
    "AWS_SECURITY_TOKEN": "token",
    "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z",
    "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
    "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "https://runtime.example.com",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
}


def evaluated(lines: list[str], environment: dict[str, str]) -> dict[str, str]:
    """The environment of a program that is started after the lines."""
    show = shlex.join([sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"])
    script = "\n".join(["set -eu", *lines, show])
    shown = subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, check=True).stdout
    found: dict[str, str] = json.loads(shown)
    return found


def test_whatever_wins_over_our_variables_is_gone_after_the_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(
        "[default]\nignore_configured_endpoint_urls = true\nendpoint_url = https://config.example.com\n"
        "region = eu-west-1\n"
    )
    caller = {**CALLER, "AWS_CONFIG_FILE": str(tmp_path / "config"), "PATH": os.environ["PATH"]}
    found = evaluated(shell_lines(OURS, caller), caller)
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in found.items():
        monkeypatch.setenv(name, value)

    session = botocore.session.Session()
    credentials = session.get_credentials()

    assert (credentials.access_key, credentials.token) == ("seatrial", None)
    for service in ("s3", "sagemaker", "sagemaker-runtime", "sts"):
        client = session.create_client(service)
        assert client.meta.endpoint_url == "http://127.0.0.1:4577"
        assert client.meta.region_name == "us-east-1"


def test_caller_without_such_variables_gets_no_unset_line() -> None:
    assert not [line for line in shell_lines(OURS, {"AWS_PAGER": "", "PATH": "/bin"}) if line.startswith("unset")]


def test_token_of_ours_and_keys_of_the_users_own_stay() -> None:
    with_token = shell_lines({**OURS, "AWS_SESSION_TOKEN": "ours"}, CALLER)
    without_keys = {name: value for name, value in OURS.items() if "KEY" not in name}

    assert "export AWS_SESSION_TOKEN=ours" in with_token
    assert "unset AWS_SESSION_TOKEN" not in with_token
    assert [line for line in shell_lines(without_keys, CALLER) if line.startswith("unset")] == [
        "unset AWS_ENDPOINT_URL_S3",
        "unset AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME",
        "unset AWS_USE_DUALSTACK_ENDPOINT",
        "unset AWS_USE_FIPS_ENDPOINT",
    ]


def test_names_and_values_cannot_run_anything() -> None:
    lines = shell_lines({"AWS_SECRET_ACCESS_KEY": "a$(exit 1)'b"}, {"AWS_ENDPOINT_URL_;exit 1;": "x"})

    assert evaluated(lines, {"PATH": os.environ["PATH"]})["AWS_SECRET_ACCESS_KEY"] == "a$(exit 1)'b"  # noqa: S105
