"""What an operation does with each member of its request, as data: for the door and for the reference page.

A service declares for each operation which members it acts on, which it only keeps and gives back, which have no
effect here, and which it refuses. The door goes by it before a handler is called: what is refused never reaches one,
and what nothing acts on is said once in the log. A member that is declared nowhere, such as one that came with a newer
botocore, is refused too.

Members are paths: ``ResourceConfig.InstanceCount``, ``InputDataConfig[].ChannelName``, ``HyperParameters``; the longest
declared path that is the member or stands above it decides. A structure can be refused or kept as a whole, but acted on
only member by member, so that nobody claims to act on a member that did not exist when that was written.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from seatrial.core.errors import InternalError
from seatrial.platform.wire import models

if TYPE_CHECKING:
    from botocore.model import Shape


class Use(enum.Enum):
    """What becomes of a member."""

    ACTED_ON = "acted on"
    ECHOED = "echoed"
    NO_EFFECT = "no effect"
    REFUSED = "refused"
    UNDECLARED = "undeclared"


WHOLE = ""
"""The path of the request itself: an operation that is refused whatever it is sent."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One operation as a service declares it; ``check_declaration`` has the rules."""

    service: str
    """botocore's name."""
    operation: str
    """AWS's name."""
    acted_on: Collection[str] = frozenset()
    """Paths that change what happens."""
    echoed: Collection[str] = frozenset()
    """Paths that are kept and given back, and that change nothing."""
    no_effect: Collection[str] = frozenset()
    """Paths that are taken and forgotten, because what they are about is not emulated at all, such as policies."""
    refused: Mapping[str, str] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    """Paths that are answered with a ValidationException; to why, or to an empty text."""
    only: Mapping[str, tuple[object, ...]] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    """Declared paths of which just these values are emulated; any other is refused. Of a refused path, the values that
    ask for nothing."""
    extensions: Mapping[str, str] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    """Paths to what is taken there beyond the model's pattern."""
    note: str = ""
    """A sentence for the reference page."""

    def declared(self) -> frozenset[str]:
        return frozenset((*self.acted_on, *self.echoed, *self.no_effect, *self.refused))

    def find(self, path: str) -> tuple[str, Use]:
        """The declared path that decides over a member, and what becomes of it."""
        for candidate in _and_above(path):
            if candidate in self.refused:
                return candidate, Use.REFUSED
            if candidate in self.acted_on:
                return candidate, Use.ACTED_ON
            if candidate in self.echoed:
                return candidate, Use.ECHOED
            if candidate in self.no_effect:
                return candidate, Use.NO_EFFECT
        return path, Use.UNDECLARED

    def use_of(self, path: str) -> Use:
        return self.find(path)[1]

    def has_below(self, path: str) -> bool:
        """Whether something below this path is declared by itself."""
        starts = (f"{path}.", f"{path}[]") if path else ("",)
        return any(declared != path and declared.startswith(starts) for declared in self.declared())


def _and_above(path: str) -> Iterator[str]:
    """``A.B[].C``, ``A.B[]``, ``A.B``, ``A``, and the whole request."""
    while path:
        yield path
        path = path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]
    yield WHOLE


# --- a request ------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A member of a request that its handler does not act on."""

    path: str
    """As it is declared."""
    place: str
    """Where it stands in this request, ``InputDataConfig[0].InputMode``."""
    use: Use
    value: Any


def members_not_acted_on(declaration: Declaration, parameters: Mapping[str, Any]) -> tuple[Found, ...]:
    """The members of a request that are refused, undeclared, or of no effect, in the request's order.

    A refused member is passed over when it asks for nothing: false, empty, or one of the values in ``only``.
    """
    if WHOLE in declaration.refused:
        return (Found(path=WHOLE, place=WHOLE, use=Use.REFUSED, value=parameters),)
    return tuple(_walk(declaration, parameters, "", ""))


def _walk(declaration: Declaration, value: Any, path: str, place: str) -> Iterator[Found]:
    if isinstance(value, Mapping) and (not path or declaration.has_below(path)):
        for name, item in value.items():
            dot = "." if path else ""
            yield from _walk(declaration, item, f"{path}{dot}{name}", f"{place}{dot}{name}")
    elif isinstance(value, list) and declaration.has_below(path):
        for index, item in enumerate(value):
            yield from _walk(declaration, item, f"{path}[]", f"{place}[{index}]")
    else:
        declared, use = declaration.find(path)
        use = _use_of_value(declaration, declared, use, value)
        if use is not Use.ACTED_ON:
            yield Found(path=declared, place=place, use=use, value=value)


def _use_of_value(declaration: Declaration, declared: str, use: Use, value: Any) -> Use:
    if declared in declaration.only:
        return (Use.ACTED_ON if use is Use.REFUSED else use) if value in declaration.only[declared] else Use.REFUSED
    if use is Use.REFUSED and asks_for_nothing(value):
        return Use.ACTED_ON
    return use


def asks_for_nothing(value: Any) -> bool:
    """Whether leaving a value out would be the same: false, empty, or made of such."""
    if isinstance(value, Mapping):
        return all(asks_for_nothing(item) for item in value.values())
    if isinstance(value, list):
        return all(asks_for_nothing(item) for item in value)
    return value is None or value is False or value == ""


def render_without_effect(declaration: Declaration, found: Found) -> str:
    """The line of the log for a member that nothing acts on."""
    what = "is kept and given back, nothing acts on it" if found.use is Use.ECHOED else "has no effect here"
    return f"{found.path} of {declaration.operation} {what}"


# --- the rules of a declaration -------------------------------------------------------------------------------------


def check_declaration(declaration: Declaration) -> None:
    """Every declared path is in botocore's model and in one of the sets only; what is acted on is no structure.

    Raises:
        InternalError: it is not.
    """
    known = member_paths(declaration.service, declaration.operation)
    sets = (declaration.acted_on, declaration.echoed, declaration.no_effect, declaration.refused)
    listed = [path for paths in sets for path in paths]
    wrong = [path for path in listed if (path not in known and path != WHOLE) or listed.count(path) > 1]
    wrong += [path for path in declaration.acted_on if any(other.startswith(f"{path}.") for other in known)]
    wrong += [path for path in declaration.acted_on if any(other.startswith(f"{path}[].") for other in known)]
    wrong += [path for path in declaration.only if path not in listed]
    if wrong:
        raise InternalError(
            "declaration-unfit",
            "an operation is declared with members that the model does not have, that are declared twice, or that are "
            "structures of which every member would be acted on",
            where=f"{declaration.service} {declaration.operation}",
            found=", ".join(sorted(set(wrong))),
            fix="please report this",
        )


def undeclared_members(declaration: Declaration) -> tuple[str, ...]:
    """The members of botocore's model that the declaration forgets; structures count by their members."""
    known = member_paths(declaration.service, declaration.operation)
    is_above_another = {above for path in known for above in list(_and_above(path))[1:]}
    leaves = known - is_above_another
    return tuple(sorted(path for path in leaves if declaration.use_of(path) is Use.UNDECLARED))


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


def by_operation(declarations: Iterable[Declaration]) -> Mapping[str, Declaration]:
    """Those of one service, by the operation's name."""
    return MappingProxyType({declaration.operation: declaration for declaration in declarations})
