"""Request bodies to what ``predict_fn`` takes, and what it returns to response bodies. See README.md beside this file.

Nothing but ``RequestError`` leaves ``decode``, whatever the bytes and the header (``tests/unit/.../test_fuzz.py``); its
code says which status a server gives: ``unsupported-content-type`` 415, ``not-acceptable`` 406, ``malformed-body`` 400.
"""

from __future__ import annotations

import functools
from typing import Any

from seatrial.core.errors import RequestError, UserCodeError
from seatrial.runtime.serving.codecs import (
    application_json,
    application_jsonlines,
    application_x_npy,
    application_x_recordio_protobuf,
    charsets,
    media_types,
    text_csv,
)
from seatrial.runtime.serving.codecs.codec import Codec, DataForm, MalformedBodyError, excerpt

__all__ = ["CODECS", "DataForm", "MalformedBodyError", "decode", "encode"]

CODECS: tuple[Codec, ...] = (
    text_csv.CODEC,
    application_json.CODEC,
    application_jsonlines.CODEC,
    application_x_npy.CODEC,
    application_x_recordio_protobuf.CODEC,
)
"""In the order in which an Accept header with wildcards finds them."""

_BY_MEDIA_TYPE = {media_type: codec for codec in CODECS for media_type in codec.media_types}
_KNOWN = ", ".join(codec.media_types[0] for codec in CODECS)
_HEADERS_REMEMBERED = 256


def decode(body: bytes, content_type: str, form: DataForm = DataForm.NUMPY) -> Any:  # noqa: ANN401 (numpy or pandas)
    """Decode a request body.

    Args:
        body: As received.
        content_type: The Content-Type header; empty when there was none.
        form: What ``predict_fn`` takes.

    Returns:
        A ``numpy.ndarray`` (the caller may write to it) or a ``pandas.DataFrame``; at least one record.

    Raises:
        RequestError: ``unsupported-content-type``.
        MalformedBodyError: ``malformed-body``.
        UserCodeError: ``pandas-not-installed``, with ``DataForm.DATAFRAME`` only.
    """
    codec, charset = _codec_of(content_type)
    return codec.decode(charsets.to_utf8(body, charset) if codec.is_text else body, form)


@functools.lru_cache(_HEADERS_REMEMBERED)
def _codec_of(content_type: str) -> tuple[Codec, str | None]:
    media_type = media_types.parse_content_type(content_type)
    codec = _BY_MEDIA_TYPE.get(media_type.name) if media_type else None
    if media_type is None or codec is None:
        raise RequestError(
            "unsupported-content-type",
            "the request's content type has no codec",
            where="header Content-Type",
            found=excerpt(content_type) if content_type.strip() else "nothing",
            expected=_KNOWN,
            fix="send one of these, or write input_fn",
        )
    return codec, media_type.charset


def encode(prediction: Any, accept: str | None, default_accept: str) -> tuple[bytes, str]:  # noqa: ANN401 (user's)
    """Encode what ``predict_fn`` returned.

    Text and bytes are taken as encoded already: they go out as they are (text as UTF-8), named by the first type that
    the Accept header names in full, or else by the default.

    Args:
        prediction: See ``predictions`` for what is understood.
        accept: The Accept header; ``None``, empty and ``*/*`` leave the choice to us.
        default_accept: The content type to use then.

    Returns:
        The body and its content type, without parameters.

    Raises:
        RequestError: ``not-acceptable``.
        UserCodeError: ``prediction-not-encodable``.
    """
    if prediction is None:
        raise UserCodeError(
            "prediction-not-encodable",
            "predict_fn returned nothing",
            found="None",
            fix="return the predictions from predict_fn",
        )
    if isinstance(prediction, (str, bytes, bytearray, memoryview)):
        return _encoded(prediction), _named_type(accept or "", default_accept)
    media_type = _negotiated(accept or "", default_accept)
    return _BY_MEDIA_TYPE[media_type].encode(prediction), media_type


def _encoded(prediction: str | bytes | bytearray | memoryview) -> bytes:
    if not isinstance(prediction, str):
        return bytes(prediction)
    try:
        return prediction.encode()
    except UnicodeEncodeError as error:
        raise UserCodeError(
            "prediction-not-encodable", "the text that predict_fn returned is not Unicode", found=excerpt(error)
        ) from error


@functools.lru_cache(_HEADERS_REMEMBERED)
def _named_type(accept: str, default_accept: str) -> str:
    named = [item for item in media_types.parse_accept(accept) if item.is_concrete and item.quality > 0]
    return max(named, key=lambda item: item.quality).name if named else default_accept


@functools.lru_cache(_HEADERS_REMEMBERED)
def _negotiated(accept: str, default_accept: str) -> str:
    default = media_types.parse_content_type(default_accept)
    offered = dict.fromkeys([default.name] if default and default.name in _BY_MEDIA_TYPE else [])
    offered |= dict.fromkeys(_BY_MEDIA_TYPE)
    wanted = accept.strip() or (default.name if default else default_accept)
    if wanted == "*/*" and default:
        wanted = default.name
    chosen = media_types.choose(media_types.parse_accept(wanted), list(offered))
    if chosen is None:
        raise RequestError(
            "not-acceptable",
            "none of the accepted types can be written",
            where="header Accept",
            found=excerpt(wanted),
            expected=_KNOWN,
            fix="accept one of these, or write output_fn",
        )
    return chosen
