"""The error tree.

    SeatrialError
    ├── ContractError   an image, a program or its files break SageMaker's container contract
    ├── UserCodeError   the user's process or hook failed
    ├── ConfigError     what the user asked for on the command line or in a file cannot work
    ├── TreeError       a directory that is copied or packed holds what cannot be
    ├── RequestError    a request to a server of ours is wrong
    ├── EngineError     a container engine is missing, or refused or lost a container
    ├── BuildError      an image could not be built
    └── InternalError   a fault of ours: "please report"

An error carries fields and nobody parses its text. ``code`` is a stable slug with a section in
``docs/reference/errors.md`` (``tests/docs`` checks both ways). HTTP status codes belong to the servers' own mappings.
"""

from __future__ import annotations


class SeatrialError(Exception):
    """Something is wrong, said so that the reader can mend it.

    Args:
        code: Stable slug, the first argument of every raise, as a literal.
        what: What is wrong: one lower-case sentence without a full stop.
        where: File, field or address at fault.
        found: What was there.
        expected: What should have been there.
        fix: What to do about it, in the imperative.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        where: str | None = None,
        found: str | None = None,
        expected: str | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.where = where
        self.found = found
        self.expected = expected
        self.fix = fix

    def sentence(self) -> str:
        """One line for a log, a failure file or an HTTP body: what, where, found, expected, fix."""
        parts = [self.what]
        if self.where:
            parts.append(f"in {self.where}")
        if self.found:
            parts.append(f"found {self.found}")
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.fix:
            parts.append(self.fix)
        return "; ".join(parts)


class ContractError(SeatrialError):
    """An image, a program or a file breaks SageMaker's container contract."""


class UserCodeError(SeatrialError):
    """The user's process or hook failed; its own traceback or last lines have been shown."""


class ConfigError(SeatrialError):
    """What the user asked for, on the command line, in the environment or in a file, cannot work."""


class TreeError(SeatrialError):
    """A directory that is copied or packed holds a file that cannot be."""


class RequestError(SeatrialError):
    """A request to one of our servers is wrong; the sender can mend it."""


class EngineError(SeatrialError):
    """A container engine is missing, or refused, or lost a container."""


class BuildError(SeatrialError):
    """An image could not be built."""


class InternalError(SeatrialError):
    """A fault of ours; the message asks for a report."""
