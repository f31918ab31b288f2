"""``seatrial up -d`` starts itself again with the options that it was given; what clients are told is true."""

from pathlib import Path

import click
import pytest

from seatrial.cli import up
from seatrial.cli._output import Output
from seatrial.cli._platform import RunningPlatform
from seatrial.cli.env import client_environment
from seatrial.cli.main import main

GIVEN = {
    "--port": "5000",
    "--home": "/srv/home",
    "--bind": "0.0.0.0",
    "--keys": "/srv/keys",
    "--max-jobs": "3",
    "--engine": "process",
    "--s3-endpoint": "http://127.0.0.1:8333",
    "--upstream": "http://127.0.0.1:5001",
}


def test_process_in_the_background_gets_every_option() -> None:
    arguments = ["--no-instance-limits", *(f"{name}={value}" for name, value in GIVEN.items())]
    context = up.command.make_context("up", ["-d", *arguments])

    argv = up._argv(context, home=Path("/srv/home"))

    assert argv[3] == "up"
    again = up.command.make_context("up", argv[4:])
    assert again.params == {**context.params, "detach": False}
    given = {*GIVEN, "--detach", "--no-instance-limits"}
    assert [one.opts[0] for one in up.command.params if one.opts[0] not in given] == []


def test_process_in_the_background_gets_no_option_that_has_no_value() -> None:
    context: click.Context = up.command.make_context("up", [])

    argv = up._argv(context, home=Path("/srv/home"))

    assert "--home=/srv/home" in argv
    assert not any(one.startswith(("--upstream", "--s3-endpoint", "--detach")) for one in argv)


@pytest.mark.parametrize("option", ["--upstream", "--s3-endpoint"])
def test_address_that_is_none_is_refused_before_anything_starts(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "-d", f"--home={tmp_path / 'home'}", option, "localhost:5000"]) == 2
    assert f"error[endpoint-url-unusable]: {option} takes" in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_environment_has_keys_only_where_nobody_checks_them() -> None:
    ours = client_environment(RunningPlatform(pid=1, port=4577))
    others = client_environment(RunningPlatform(pid=1, port=4577, s3_endpoint="http://127.0.0.1:8333"))

    assert ours["AWS_ENDPOINT_URL"] == others["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4577"
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} == ours.keys() - others.keys()


def test_banner_marks_what_is_for_this_machine_and_leads_others_to_env(capsys: pytest.CaptureFixture[str]) -> None:
    up._say_ready(Output(), Path("/srv"), RunningPlatform(pid=1, port=4577, bind="192.0.2.7", keys="/srv/keys"))
    bound = capsys.readouterr().err
    up._say_ready(Output(), Path("/srv"), RunningPlatform(pid=1, port=4577))
    alone = capsys.readouterr().err

    assert "'seatrial env' prints what to set there\ntell AWS's clients on this machine with\n" in bound
    assert "tell AWS's clients with\n" in alone
    assert "seatrial env" not in alone
