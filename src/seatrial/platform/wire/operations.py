"""What a handler does with each member of its request, as data: for the log line and for the reference page.

A service declares for each operation which members it acts on, which it only keeps and shows again in Describe, and
which it refuses. A member that is in none of the three is accepted by AWS's model and does nothing here: the log says
so once.

Members are paths: ``ResourceConfig.InstanceCount``, ``InputDataConfig[].ChannelName``, ``HyperParameters``; a path
speaks for everything below it, the longest one that fits decides.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from seatrial.core.errors import InternalError
from seatrial.platform.wire import models

if TYPE_CHECKING:
    from botocore.model import Shape


class Use(enum.Enum):
    """What becomes of a member."""

    ACTED_ON = "acted on"
    ECHOED = "echoed"
    REFUSED = "refused"
    IGNORED = "no effect"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One operation as a handler declares it.

    Attributes:
        service: botocore's name.
        operation: AWS's name.
        acted_on: Paths that change what happens.
        echoed: Paths that Describe shows again and that change nothing.
        refused: Paths that are answered with a ValidationException; to why, in a few words.
        note: A sentence for the reference page.
    """

    service: str
    operation: str
    acted_on: frozenset[str] = frozenset()
    echoed: frozenset[str] = frozenset()
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict)
    note: str = ""

    def use_of(self, path: str) -> Use:
        """What becomes of the member at a path, by the longest declared path that is it or stands above it."""
        for candidate in _and_above(path):
            if candidate in self.refused:
                return Use.REFUSED
            if candidate in self.acted_on:
                return Use.ACTED_ON
            if candidate in self.echoed:
                return Use.ECHOED
        return Use.IGNORED

    def declared(self) -> frozenset[str]:
        return self.acted_on | self.echoed | frozenset(self.refused)


def members_without_effect(declaration: Declaration, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """The members of a request that do nothing here, for the line that the log says once: the shortest paths, sorted.

    A structure is named as a whole when nothing below it is declared.
    """
    return tuple(sorted(set(_find_without_effect(declaration, parameters, ""))))


def _find_without_effect(declaration: Declaration, value: Any, path: str) -> Iterator[str]:
    if path and declaration.use_of(path) is not Use.IGNORED:
        return
    has_declared_below = not path or any(
        declared.startswith((f"{path}.", f"{path}[]")) for declared in declaration.declared()
    )
    if not has_declared_below:
        yield path
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _find_without_effect(declaration, item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for item in value:
            yield from _find_without_effect(declaration, item, f"{path}[]")


def _and_above(path: str) -> Iterator[str]:
    """``A.B[].C``, ``A.B[]``, ``A.B``, ``A``."""
    while path:
        yield path
        path = path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]


# --- the reference page ---------------------------------------------------------------------------------------------


def check_declaration(declaration: Declaration) -> None:
    """Every declared path is in botocore's model, and in one of the three sets only.

    Raises:
        InternalError: it is not.
    """
    known = member_paths(declaration.service, declaration.operation)
    listed = [*declaration.acted_on, *declaration.echoed, *declaration.refused]
    wrong = sorted(path for path in listed if path not in known or listed.count(path) > 1)
    if wrong:
        raise InternalError(
            "declaration-unfit",
            "an operation is declared with members that the model does not have, or that are declared twice",
            where=f"{declaration.service} {declaration.operation}",
            found=", ".join(wrong),
            fix="please report this",
        )


def member_paths(service: str, operation: str, depth_limit: int = 8) -> frozenset[str]:
    """Every path of an operation's input; a map has none below it, and a recursive shape ends at the limit."""
    model = models.find_operation(service, operation)
    if model is None or model.input_shape is None:
        return frozenset()
    return frozenset(_paths(model.input_shape, "", depth_limit))


def _paths(shape: Shape, path: str, depth_left: int) -> Iterator[str]:
    if path:
        yield path
    if depth_left == 0:
        return
    members: Any = getattr(shape, "members", {}) if shape.type_name == "structure" else {}
    for name, member in members.items():
        yield from _paths(member, f"{path}.{name}" if path else name, depth_left - 1)
    if shape.type_name == "list":
        element: Any = shape
        yield from _paths(element.member, f"{path}[]", depth_left - 1)


def render_supported_operations(declarations: Iterable[Declaration]) -> str:
    """``docs/reference/supported-operations.md`` below its title: a section a service, a table an operation.

    Every top-level member of the model has a row, and every path below one that is declared by itself.
    """
    by_service: dict[str, list[Declaration]] = {}
    for declaration in declarations:
        by_service.setdefault(declaration.service, []).append(declaration)
    sections = []
    for service, listed in sorted(by_service.items()):
        known_count = len(models.service_model(service).operation_names)
        sections.append(f"## {service}\n\n{len(listed)} of {known_count} operations.\n")
        sections += [_render_operation(declaration) for declaration in sorted(listed, key=lambda one: one.operation)]
    return "\n".join(sections)


def _render_operation(declaration: Declaration) -> str:
    lines = [f"### {declaration.operation}", ""]
    if declaration.note:
        lines += [declaration.note, ""]
    top_level = {path for path in member_paths(declaration.service, declaration.operation) if path.isalnum()}
    rows = [f"| `{path}` | {_use_text(declaration, path)} |" for path in sorted(top_level | declaration.declared())]
    table = ["| member | |", "|---|---|", *rows] if rows else ["It takes no members."]
    return "\n".join([*lines, *table, ""])


def _use_text(declaration: Declaration, path: str) -> str:
    use = declaration.use_of(path)
    if use is Use.REFUSED:
        why = next(declaration.refused[above] for above in _and_above(path) if above in declaration.refused)
        return f"refused: {why}"
    below = [other for other in declaration.declared() if other.startswith((f"{path}.", f"{path}[]"))]
    return "in part, see below" if use is Use.IGNORED and below else use.value
