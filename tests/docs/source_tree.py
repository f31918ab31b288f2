"""What the code says of itself, read from its syntax trees: error slugs and environment variables."""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "src" / "seatrial"
DOCS = REPOSITORY / "docs"

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

_VARIABLE = re.compile(r"(SAGEMAKER|SM|SEATRIAL|MODEL_SERVER|TRAINING_JOB|AWS|PIP)_[A-Z0-9_]*[A-Z0-9]")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_WHOLE_NAMES = {"CURRENT_HOST", "PYTHONPATH", "PYTHONUNBUFFERED", "DOCKER_HOST", *THREADS}


@dataclass(frozen=True)
class Raised:
    """One call that makes an error of the tree."""

    slug: str | None
    """``None`` when the first argument is no literal."""
    kind: str
    """The class as it is written, such as ``ContractError``."""
    place: str


def source_files() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if "examples" not in path.parts)


@functools.cache
def _trees() -> tuple[tuple[Path, ast.Module], ...]:
    return tuple((path, ast.parse(path.read_text(encoding="utf-8"), filename=str(path))) for path in source_files())


def error_classes() -> set[str]:
    """Names of ``SeatrialError`` and of every class below it."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for _, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {"SeatrialError"}
    while more := {name for name, parents in bases.items() if parents & found} - found:
        found |= more
    return found


@functools.cache
def raised_errors() -> list[Raised]:
    """Every place where an error of the tree is made, or where a class of the tree fixes its own slug."""
    classes = error_classes()
    own_slugs = _classes_with_a_slug_of_their_own(classes)
    made = [
        Raised(slug=_slug(node), kind=_name(node.func), place=f"{path.relative_to(REPOSITORY)}:{node.lineno}")
        for path, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _name(node.func) in classes - set(own_slugs)
    ]
    return made + [Raised(slug=slug, kind=kind, place=f"class {kind}") for kind, slug in own_slugs.items()]


def _classes_with_a_slug_of_their_own(classes: set[str]) -> dict[str, str]:
    """Classes whose ``__init__`` passes a literal slug on to ``SeatrialError``."""
    found: dict[str, str] = {}
    for _, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name in classes:
                calls = [call for call in ast.walk(node) if isinstance(call, ast.Call) and _is_super_init(call)]
                found.update((node.name, slug) for call in calls if (slug := _slug(call)) is not None)
    return found


def _is_super_init(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and ast.unparse(call.func) == "super().__init__"


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _slug(call: ast.Call) -> str | None:
    candidates = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "code")]
    for candidate in candidates:
        if isinstance(candidate, ast.Constant) and isinstance(candidate.value, str):
            return candidate.value
    return None


def environment_variables() -> dict[str, str]:
    """Every environment variable that the code names, the test kit excepted, each with one place that does."""
    found: dict[str, str] = {}
    for path, tree in _trees():
        if SOURCE / "testing" in path.parents:
            continue
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docstrings:
                continue
            if _VARIABLE.fullmatch(node.value) or node.value in _WHOLE_NAMES:
                found.setdefault(node.value, f"{path.relative_to(REPOSITORY)}:{node.lineno}")
    return found
