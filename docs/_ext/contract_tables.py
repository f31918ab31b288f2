"""Directives that draw reference pages from the code, so that the two cannot differ.

``limits-table``: every constant of ``seatrial.contract.limits`` with its value and its docstring.
``training-states``, ``endpoint-states``: a table of ``seatrial.contract.statuses`` as a diagram and a table.
"""

from __future__ import annotations

import ast
import enum
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from seatrial.contract import limits, statuses

Status = TypeVar("Status", bound=enum.Enum)


def documented_constants(module: ModuleType) -> dict[str, str | None]:
    """The public upper-case names of a module in its order, each with the docstring below it, or ``None``."""
    body = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body
    constants: dict[str, str | None] = {}
    for statement, below in zip(body, [*body[1:], None], strict=True):
        for name in _assigned_names(statement):
            if name.isupper() and not name.startswith("_"):
                constants[name] = _docstring(below)
    return constants


def _assigned_names(statement: ast.stmt) -> list[str]:
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _docstring(statement: ast.stmt | None) -> str | None:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return str(statement.value.value)
    return None


def render_value(name: str, value: object) -> str:
    """A constant for a reader: digits grouped, the unit of its name beside it, large sizes in MiB too."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or name.endswith("_PORT"):
        return f"`{value}`"
    text = f"{value:,.10g}" if isinstance(value, float) else f"{value:,}"
    unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")
    mebibytes = f" ({value / 1024**2:g} MiB)" if unit == "bytes" and value >= 1024**2 else ""
    return f"{text} {unit}".strip() + mebibytes


_UNITS = {"_SECONDS": "s", "_BYTES": "bytes", "_MIB": "MiB", "_MB": "MB", "_CHARACTERS": "characters"}


def table_of_limits() -> str:
    """A Markdown table of ``contract/limits.py``."""
    rows = [
        (f"`{name}`", render_value(name, getattr(limits, name)), _markdown(docstring or ""))
        for name, docstring in documented_constants(limits).items()
    ]
    return _table(("constant", "value", "meaning and source"), rows)


def state_diagram(
    transitions: Mapping[Status, frozenset[Status]], start: Status, group: frozenset[Status] = frozenset()
) -> str:
    """Mermaid source of a transition table; a state that leads nowhere has an arrow to the end.

    Args:
        transitions: Each state with its followers.
        start: The first state.
        group: States to draw in one box; a follower that all of them share is one arrow from the box.
    """
    shared = frozenset.intersection(*(transitions[state] for state in group)) if group else frozenset()
    inside = [f"        {arrow}" for state in _in_order(group) for arrow in _arrows(state, transitions[state] - shared)]
    lines = ["stateDiagram-v2", f"    [*] --> {start.value}"]
    if group:
        lines += ["    state Active {", *(line for line in inside if _ends_in(line, group)), "    }"]
        lines += [line.removeprefix("    ") for line in inside if not _ends_in(line, group)]
        lines += [f"    Active --> {follower.value}" for follower in _in_order(shared)]
    for state, followers in transitions.items():
        if state not in group:
            lines += [f"    {arrow}" for arrow in _arrows(state, followers)]
            lines += [] if followers else [f"    {state.value} --> [*]"]
    return "\n".join(lines)


def _arrows(state: Status, followers: Iterable[Status]) -> list[str]:
    return [f"{state.value} --> {follower.value}" for follower in _in_order(followers)]


def _ends_in(arrow: str, group: Iterable[enum.Enum]) -> bool:
    return arrow.rpartition(" ")[2] in {state.value for state in group}


def _in_order(members: Iterable[Status]) -> list[Status]:
    return sorted(members, key=lambda member: list(type(member)).index(member))


def diagram_of_training_states() -> str:
    """Mermaid source; the states in progress, which share their ways out, are one box."""
    in_progress = frozenset(
        state for state, primary in statuses.PRIMARY_OF.items() if primary is statuses.TrainingJobStatus.IN_PROGRESS
    )
    return state_diagram(statuses.TRAINING_TRANSITIONS, statuses.SecondaryStatus.STARTING, in_progress)


def table_of_training_states() -> str:
    """A Markdown table: secondary status, its primary status, what may follow, the message that goes with it."""
    rows = [
        (
            f"`{state.value}`",
            f"`{statuses.PRIMARY_OF[state].value}`",
            _names(followers),
            statuses.TRAINING_STATUS_MESSAGES.get(state, ""),
        )
        for state, followers in statuses.TRAINING_TRANSITIONS.items()
    ]
    return _table(("SecondaryStatus", "TrainingJobStatus", "may be followed by", "StatusMessage"), rows)


def table_of_endpoint_states() -> str:
    """A Markdown table: endpoint status, what may follow."""
    rows = [(f"`{state.value}`", _names(followers)) for state, followers in statuses.ENDPOINT_TRANSITIONS.items()]
    return _table(("EndpointStatus", "may be followed by"), rows)


def _names(members: Iterable[enum.Enum]) -> str:
    return ", ".join(f"`{member.value}`" for member in _in_order(members)) or "nothing: final"


def _markdown(docstring: str) -> str:
    return re.sub(r"``(.+?)``", r"`\1`", " ".join(docstring.split()))


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _mermaid(source: str) -> str:
    return f"```{{mermaid}}\n{source}\n```"


class LimitsTable(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(limits.__file__))
        return self.parse_text_to_nodes(table_of_limits())


class TrainingStates(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(statuses.__file__))
        return self.parse_text_to_nodes(f"{table_of_training_states()}\n\n{_mermaid(diagram_of_training_states())}")


class EndpointStates(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(statuses.__file__))
        diagram = state_diagram(statuses.ENDPOINT_TRANSITIONS, statuses.EndpointStatus.CREATING)
        return self.parse_text_to_nodes(f"{table_of_endpoint_states()}\n\n{_mermaid(diagram)}")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("limits-table", LimitsTable)
    app.add_directive("training-states", TrainingStates)
    app.add_directive("endpoint-states", EndpointStates)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
