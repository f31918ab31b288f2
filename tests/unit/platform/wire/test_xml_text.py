"""Text that a client made up does not make an answer unreadable."""

from html import escape
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.services.s3.errors import S3Error
from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.protocols import rest_xml
from seatrial.platform.wire.xml_text import legible

anything = st.text(st.characters(exclude_categories=()))


@given(anything)
def test_xml_parser_reads_what_is_legible(text: str) -> None:
    root = ElementTree.fromstring(f"<a>{escape(legible(text))}</a>".encode())  # noqa: S314 (of our own making)

    assert len(root.text or "") == len(legible(text).replace("\r\n", "\n")) == len(text.replace("\r\n", "\n"))


@given(anything)
def test_error_of_s3_is_xml_whatever_was_asked_for(text: str) -> None:
    of_store = S3Error("NoSuchKey", Key=text).body(f"/{text}", "request", "host")
    of_door = rest_xml.serialise_error(ServiceError("AccessDenied", text), "request", resource=f"/{text}").body

    for body in (of_store, of_door):
        assert isinstance(body, bytes)
        assert ElementTree.fromstring(body).tag == "Error"  # noqa: S314 (of our own making)
