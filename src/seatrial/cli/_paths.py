"""Paths on the command line."""

from __future__ import annotations

import os

import click


class FilledPath(click.Path):
    """A path that is not empty: an unset variable in a script must not mean the current directory."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        if not os.fspath(value):
            self.fail("the path is empty.", param, ctx)
        return super().convert(value, param, ctx)
