"""The directive ``supported-operations``: what becomes of each member of each operation, drawn from the declarations
in ``seatrial.platform.services.declarations``, by which the door goes too.
"""

from __future__ import annotations

from collections.abc import Iterable

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from seatrial.platform.services.declarations import DECLARATIONS
from seatrial.platform.services.s3 import headers, routes
from seatrial.platform.wire import models
from seatrial.platform.wire.operations import WHOLE, Declaration, Use, member_paths

TITLES = {"sagemaker": "SageMaker", "logs": "CloudWatch Logs", "sts": "STS", "iam": "IAM"}


def page_of_operations() -> str:
    """A section a service, below it a table an operation."""
    sections = []
    for service, declarations in DECLARATIONS.items():
        count = len(models.service_model(service).operation_names)
        sections.append(f"## {TITLES[service]}\n\n{len(declarations)} of {count} operations.\n")
        sections += [section_of_operation(one) for one in declarations.values()]
    return "\n".join(sections)


def section_of_operation(declaration: Declaration) -> str:
    """Every top-level member of the model has a row, and every path below one that is declared by itself."""
    lines = [f"### {declaration.operation}", ""]
    if declaration.note:
        lines += [declaration.note, ""]
    if WHOLE in declaration.refused:
        lines.append(f"Refused: {declaration.refused[WHOLE]}.")
    else:
        lines += _table(declaration)
    return "\n".join([*lines, ""])


def _table(declaration: Declaration) -> Iterable[str]:
    top_level = {path for path in member_paths(declaration.service, declaration.operation) if path.isalnum()}
    rows = [f"| `{path}` | {use_text(declaration, path)} |" for path in sorted(top_level | declaration.declared())]
    return ["| member | |", "|---|---|", *rows] if rows else ["It takes no members."]


def use_text(declaration: Declaration, path: str) -> str:
    """A member's cell: what becomes of it, with its values or the reason."""
    use = declaration.use_of(path)
    if use is Use.UNDECLARED and declaration.has_below(path):
        return "in part, see below"
    values = ", ".join(f"`{value}`" for value in declaration.only.get(path, ()))
    if use is Use.REFUSED:
        why = declaration.refused.get(path, "")
        return f"refused{f', but for {values}' if values else ''}{f': {why}' if why else ''}"
    return f"{use.value}{f': {values} only, the rest is refused' if values else ''}"


def section_of_s3() -> str:
    """The requests that are routed, and the headers by what becomes of them."""
    by_address: dict[tuple[str, str], set[str]] = {}
    for method, level, subresource in (*routes.PLAIN, *routes.WITH_XML, *routes.STREAMING):
        by_address.setdefault((level, subresource), set()).add(method)
    requests = [
        f"| {level} | {f'`{subresource}`' if subresource else ''} | {', '.join(sorted(methods))} |"
        for (level, subresource), methods in sorted(by_address.items())
    ]
    uses = {
        Use.ACTED_ON: (*headers.ACTED_ON, *(f"{prefix}…" for prefix in headers.ACTED_ON_PREFIXES)),
        Use.ECHOED: headers.KEPT,
        Use.REFUSED: (*(f"{prefix}…" for prefix in headers.REFUSED_PREFIXES), *headers.REFUSED_VALUES),
    }
    rows = [f"| `{name}` | {use.value} |" for use, names in uses.items() for name in names]
    return "\n".join(
        [
            "## S3\n",
            "| address | sub-resource | methods |\n|---|---|---|",
            *requests,
            "\nAny other sub-resource is refused with `NotImplemented`.",
            "An `x-amz-` header that is not below has no effect.\n",
            "| header | |\n|---|---|",
            *rows,
            "",
        ]
    )


class SupportedOperations(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(f"{page_of_operations()}\n{section_of_s3()}", allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("supported-operations", SupportedOperations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
