"""Paths of REST operations: ``/endpoints/{EndpointName}/invocations`` against what a client sent."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from botocore.model import ServiceModel


@functools.cache
def compile_template(template: str) -> re.Pattern[str]:
    """A pattern over raw paths with one group for each label; ``{Name+}`` takes slashes too, a query is left out."""
    path = template.partition("?")[0]
    pattern = ""
    for text, label in re.findall(r"([^{]*)(?:\{([^}]+)\})?", path):
        pattern += re.escape(text)
        if label:
            pattern += f"(?P<{label.rstrip('+')}>{'.+' if label.endswith('+') else '[^/]+'})"
    return re.compile(pattern)


def read_labels(template: str, path: str) -> dict[str, str] | None:
    """Values of the labels, percent-decoded; ``None`` when the path is not of this template.

    An encoded slash is part of a value and not a separator, because the match is on the raw path.
    """
    found = compile_template(template).fullmatch(path)
    return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}


def match_operation(model: ServiceModel, method: str, path: str) -> str | None:
    """The operation of a REST service with this method and raw path; the template with most fixed text wins."""
    best: tuple[int, str] | None = None
    for name in model.operation_names:
        http = model.operation_model(name).http
        template = str(http.get("requestUri", "/"))
        if http.get("method") != method or read_labels(template, path) is None:
            continue
        fixed = len(re.sub(r"\{[^}]+\}", "", template))
        best = max(best, (fixed, name)) if best is not None else (fixed, name)
    return best[1] if best is not None else None
