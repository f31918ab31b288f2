"""The command group: exit codes, and errors that are sentences instead of tracebacks."""

import pytest

from seatrial.cli import main as cli_main
from seatrial.cli._options import choose_engine, parse_pairs
from seatrial.cli._output import without_controls
from seatrial.cli.main import COMMANDS, exit_code_of, main
from seatrial.core.errors import ConfigError, ContractError, EngineError, SeatrialError, UserCodeError


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_works(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert "Usage: seatrial" in capsys.readouterr().out


def test_wrong_usage_with_escape_sequences_shows_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["\x1b[2Jfly", "\x07"]) == 2
    shown = capsys.readouterr().err
    assert "No such command" in shown
    assert not set("\x1b\x07") & set(shown)


def test_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fly"]) == 2
    assert "No such command 'fly'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (ConfigError("x", "x"), 2),
        (EngineError("x", "x"), 125),
        (ContractError("program-not-executable", "x"), 126),
        (ContractError("program-wrong-format", "x"), 126),
        (ContractError("program-without-entrypoint", "x"), 127),
        (ContractError("hyperparameters-over-limit", "x"), 2),
        (ContractError("environment-over-limit", "x"), 2),
        (ContractError("program-not-found", "x"), 2),
        (ConfigError("startup-interrupted", "x"), 130),
        (UserCodeError("x", "x"), 1),
    ],
)
def test_exit_code_of_error_follows_docker_run(error: SeatrialError, exit_code: int) -> None:
    assert exit_code_of(error) == exit_code


def test_neither_program_nor_image_is_one_sentence_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    shown = capsys.readouterr()
    assert "error[container-not-chosen]: say which container to run" in shown.err
    assert "fix" in shown.err
    assert "Traceback" not in shown.err + shown.out


def test_unexpected_exception_is_reported_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def explode(**_: object) -> None:
        raise RuntimeError("oh no")

    monkeypatch.setattr(cli_main.cli, "main", explode)

    assert main(["train"]) == 1
    shown = capsys.readouterr().err
    assert "error[internal]: Seatrial itself failed" in shown
    assert "RuntimeError: oh no" in shown
    assert "Traceback" not in shown


def test_unexpected_exception_with_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def explode(**_: object) -> None:
        raise RuntimeError("oh no \x1b[2J")

    monkeypatch.setattr(cli_main.cli, "main", explode)

    main(["--debug", "train"])
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "\x1b" not in shown


def test_choose_engine_both_program_and_image_is_refused(tmp_path: object) -> None:
    with pytest.raises(ConfigError, match="say which container"):
        choose_engine(None, None, None)


@pytest.mark.parametrize(
    ("texts", "code"),
    [(["novalue"], "option-not-a-pair"), (["=v"], "option-not-a-pair"), (["a=1", "a=2"], "option-repeated")],
)
def test_parse_pairs_bad_text_is_refused(texts: list[str], code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_pairs("--hyperparameter", texts)
    assert caught.value.code == code


def test_parse_pairs_value_keeps_its_equals_signs() -> None:
    assert parse_pairs("-e", ["a=b=c", "empty="]) == {"a": "b=c", "empty": ""}


@pytest.mark.parametrize(
    ("line", "harmless"),
    [
        ("plain\ttext", "plain\ttext"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07x", "]0;titlex"),
        ("\x1b[2J\x1b[Hgone", "[2J[Hgone"),
        ("a\rb\x00\x9b", "b"),
    ],
)
def test_without_controls_keeps_colours_only(line: str, harmless: str) -> None:
    assert without_controls(line) == harmless
