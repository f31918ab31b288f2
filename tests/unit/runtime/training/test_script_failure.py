from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.failure import compose_failure_reason
from seatrial.runtime.training.script_failure import ScriptFailure, StderrTail

TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 3, in <module>
    main()
  File "train.py", line 2, in main
    raise ValueError("bad data")
ValueError: bad data"""


def tail_of(text: str) -> StderrTail:
    tail = StderrTail()
    for line in text.splitlines():
        tail.add(line)
    return tail


def failure(
    exit_code: int = 1, message: str = "ValueError: bad data", command: str = "python train.py"
) -> ScriptFailure:
    return ScriptFailure(
        "ExecuteUserScriptError", exit_code=exit_code, error_message=message, command=command.split(" ")
    )


def test_error_message_of_a_traceback_is_the_exception() -> None:
    assert tail_of(f"warning: old\n{TRACEBACK}").error_message() == "ValueError: bad data"


def test_error_message_of_a_chain_is_the_last_exception() -> None:
    chain = f"{TRACEBACK}\n\nDuring handling of the above exception, another exception occurred:\n\n"
    last = TRACEBACK.replace("ValueError: bad data", "KeyError: 'x'\nwith a second line")

    assert tail_of(chain + last).error_message() == "KeyError: 'x'\nwith a second line"


def test_error_message_of_a_launcher_s_marked_lines_is_without_the_mark() -> None:
    marked = "\n".join(f"[rank0]: {line}" for line in TRACEBACK.splitlines())

    assert tail_of(marked).error_message() == "ValueError: bad data"


def test_error_message_of_a_crash_is_its_python_stack() -> None:
    crash = (
        'Fatal Python error: Segmentation fault\n\nCurrent thread 0x1 (most recent call first):\n  File "t.py", line 2'
    )

    assert tail_of(f"{TRACEBACK}\n{crash}\n").error_message() == crash.replace("\n\n", "\n")
    assert tail_of(f"{crash}\n{TRACEBACK}\n").error_message() == "ValueError: bad data"


def test_error_message_without_a_traceback_is_the_last_lines() -> None:
    assert tail_of("\n".join(map(str, range(10))) + "\n\n").error_message() == "5\n6\n7\n8\n9"
    assert tail_of("").error_message() == ""


@given(st.lists(st.text(max_size=30)))
def test_error_message_of_any_lines_is_text(lines: list[str]) -> None:
    tail = StderrTail()
    for line in [*lines, "Traceback (most recent call last):", *lines]:
        tail.add(line)

    assert isinstance(tail.error_message(), str)


def test_failure_text_has_the_toolkit_s_shape() -> None:
    assert failure().failure_text() == (
        'ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: bad data"\nCommand "python train.py"'
    )


def test_failure_text_of_a_killed_program_says_out_of_memory() -> None:
    assert failure(137, "").failure_text() == (
        'ExecuteUserScriptError:\nExitCode 137\nErrorMessage ""\n'
        'ExtraInfo "OutOfMemory: Process killed by SIGKILL (signal 9)"\nCommand "python train.py"'
    )


@given(st.sampled_from([1, 137, 255]), st.text(max_size=2000), st.text(max_size=2000))
def test_failure_text_is_seen_whole_in_the_failure_reason(exit_code: int, message: str, command: str) -> None:
    text = failure(exit_code, message, command).failure_text()

    assert text in compose_failure_reason(text, 1)
    assert text.endswith('"')
    assert f"ExitCode {exit_code}\n" in text


def test_error_message_of_torchrun_is_that_of_the_process_that_failed_first() -> None:
    assert (
        tail_of(
            """\
[rank1]: Traceback (most recent call last):
[rank1]:   File "train.py", line 9, in <module>
[rank0]: Traceback (most recent call last):
[rank1]: ValueError: rank 1 is bad
[rank0]:   File "train.py", line 10, in <module>
[rank0]: RuntimeError: [gloo/transport/tcp/pair.cc:553] Connection closed by peer [10.77.0.1]:3987
E1123 failed (exitcode: 1) local_rank: 1
Traceback (most recent call last):
  File "run.py", line 1, in <module>
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
train.py FAILED
"""
        ).error_message()
        == "ValueError: rank 1 is bad"
    )


def test_error_message_of_mpirun_ends_with_the_lines_of_the_process() -> None:
    lines = (
        "[1,1]<stderr>:Traceback (most recent call last):\n[1,1]<stderr>:ValueError: bad\n-----\nPrimary job  ended\n"
    )

    assert tail_of(lines).error_message() == "ValueError: bad"


def test_error_message_of_a_lost_peer_is_told_when_there_is_nothing_else() -> None:
    lost = "RuntimeError: [pair.cc:553] Connection closed by peer [10.77.0.1]:3987"

    assert tail_of(f"Traceback (most recent call last):\n{lost}\n").error_message() == lost


def test_mark_that_mpirun_sets_for_each_write_is_no_part_of_the_message() -> None:
    pieces = TRACEBACK.replace("ValueError: bad data", "ValueError[1,3]<stderr>:: [1,3]<stderr>:bad data")
    marked = "\n".join(f"[1,3]<stderr>:{line}" for line in pieces.splitlines())

    assert tail_of(marked).error_message() == "ValueError: bad data"
