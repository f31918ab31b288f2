"""The XML of S3: written as text, read with a parser that takes no document type and so no entities."""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.parsers import expat

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
BODY_MAX_BYTES = 8 << 20
"""Ten thousand parts or a thousand keys fit four times."""
_DEPTH_MAX = 32

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_SPECIAL = re.compile('[&<>"\x00-\x1f\x7f\ufffe\uffff]')


class XmlError(ValueError):
    """A body is no XML that S3 takes."""


def tag(name: str, text: object) -> str:
    """An element that holds text; control characters become references, as S3 writes them."""
    return f"<{name}>{_SPECIAL.sub(_escape, str(text))}</{name}>"


def element(name: str, *children: str) -> str:
    """An element that holds elements."""
    return f"<{name}>{''.join(children)}</{name}>"


def document(name: str, *children: str, namespace: str | None = NAMESPACE) -> bytes:
    """A whole body."""
    declared = f' xmlns="{namespace}"' if namespace else ""
    return DECLARATION + f"<{name}{declared}>{''.join(children)}</{name}>".encode()


def parse(body: bytes) -> ElementTree.Element:
    """Read a body; names lose their namespace.

    Raises:
        XmlError: it is malformed, has a document type, or is nested deeper than any request.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator=" ")
    depth = 0

    def start(name: str, _attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH_MAX:
            raise XmlError("the XML is nested too deeply")
        builder.start(name.rpartition(" ")[2], {})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name.rpartition(" ")[2])

    def refuse(*_parts: object) -> None:
        raise XmlError("the XML has a document type")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(body, True)
        return builder.close()
    except (expat.ExpatError, AssertionError, ValueError) as error:
        raise XmlError(str(error)) from None


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _ESCAPES.get(character) or f"&#x{ord(character):x};"
