"""The failure of a program that ``train`` started, in the words of AWS's training toolkit. Source: contract.md §1.7."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from seatrial.contract.failure import compose_failure_reason
from seatrial.contract.limits import FAILURE_REASON_MAX_CHARACTERS
from seatrial.core.errors import UserCodeError

OUT_OF_MEMORY_INFO = "OutOfMemory: Process killed by SIGKILL (signal 9)"
KILLED_EXIT_CODE = 137
"""128 + SIGKILL, as a shell counts."""

_TRACEBACK_MARK = "Traceback (most recent call last):"
_CRASH_MARK = "Fatal Python error: "
"""Of faulthandler, see ``show_crashes``."""
_CONSEQUENCE_MARKS = (
    "ChildFailedError",  # torchrun's own, around what a process of it has raised
    "Connection closed by peer",  # Gloo's
    "Connection reset by peer",
)
_KEPT_LINE_COUNT = 200
_KEPT_LINE_CHARACTERS = 2_000
_LAST_LINE_COUNT = 5
_COMMAND_MAX_CHARACTERS = 300
_ROOM = FAILURE_REASON_MAX_CHARACTERS - len(compose_failure_reason(None, 255))
"""What SageMaker leaves of the 1,024 characters, ``AlgorithmError:`` and the exit code taken off."""


class StderrTail:
    """The end of a program's stderr, and the error in it."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_KEPT_LINE_COUNT)

    def add(self, line: str) -> None:
        self._lines.append(line[:_KEPT_LINE_CHARACTERS])

    def error_message(self) -> str:
        """The exception at the end of the last Python traceback, or the stack of a crash; with none, the last lines.

        Of a distributed program, the exception of the process that failed first goes before what torchrun itself
        raises then, and before those of processes that only lost it.
        """
        lines = list(self._lines)
        consequence = ""
        end = len(lines)
        for index in range(len(lines) - 1, -1, -1):
            if lines[index].startswith(_CRASH_MARK):
                return "\n".join(line for line in lines[index:] if line.strip())
            # A launcher such as torchrun puts its own mark before each line of a worker.
            prefix, mark, _ = lines[index].partition(_TRACEBACK_MARK)
            if mark and (message := _exception_after(lines[index + 1 : None if prefix else end], prefix)):
                if not _is_consequence(message):
                    return message
                consequence = message  # the earliest says most
                end = index
        return consequence or "\n".join([line for line in lines if line.strip()][-_LAST_LINE_COUNT:])


def _exception_after(lines: Sequence[str], prefix: str) -> str:
    # mpirun and torch mark each line with its process; lines of others, or of the launcher, come in between. A line
    # that was written in pieces holds the mark of mpirun several times.
    stripped = [line.replace(prefix, "") if prefix else line for line in lines if line.startswith(prefix)]
    for index, line in enumerate(stripped):
        if line and not line.startswith(" "):
            return "\n".join(stripped[index:]).strip()
    return ""


def _is_consequence(message: str) -> bool:
    """Whether an exception tells of another process's end."""
    head = "\n".join(message.splitlines()[:2])
    return any(mark in head for mark in _CONSEQUENCE_MARKS)


class ScriptFailure(UserCodeError):
    """A program ended with an exit code other than 0."""

    def __init__(self, error_class: str, *, exit_code: int, error_message: str, command: Sequence[str]) -> None:
        super().__init__(
            "script-failed",
            f"{error_class}: the program ended with exit code {exit_code}",
            found=" ".join(error_message.split()) or None,
        )
        self.error_class = error_class
        self.exit_code = exit_code
        self.error_message = error_message
        self.command = " ".join(command)

    def failure_text(self) -> str:
        """The toolkit's text, its parts cut so that each of them is seen in SageMaker's 1,024 characters."""
        info = f'ExtraInfo "{OUT_OF_MEMORY_INFO}"\n' if self.exit_code == KILLED_EXIT_CODE else ""
        command = self.command
        if len(command) > _COMMAND_MAX_CHARACTERS:
            command = f"{command[:_COMMAND_MAX_CHARACTERS]}..."
        head = f'{self.error_class}:\nExitCode {self.exit_code}\nErrorMessage "'
        tail = f'"\n{info}Command "{command}"'
        room = _ROOM - len(head) - len(tail)
        message = self.error_message
        if len(message) > room:
            message = f"{message[: room - 3]}..."
        return f"{head}{message}{tail}"
