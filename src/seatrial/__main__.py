"""The command ``seatrial``, also as ``python -m seatrial``."""

from __future__ import annotations

import sys


def main() -> None:
    try:
        import click  # noqa: F401, PLC0415 (a bare install carries no command line)
    except ModuleNotFoundError:
        sys.stderr.write("the command line is not installed: run pip install 'seatrial[platform]'\n")
        sys.exit(2)
    from seatrial.cli.main import main as run  # noqa: PLC0415

    sys.exit(run())


if __name__ == "__main__":
    main()
