"""``seatrial invoke``: the content of a file as one ``POST /invocations``."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

import click
import urllib3

from seatrial import __version__
from seatrial.cli._options import parse_pairs
from seatrial.cli._output import Output
from seatrial.contract.limits import INVOCATION_TIMEOUT_SECONDS, SERVING_PORT
from seatrial.core.errors import ConfigError, RequestError

CONTENT_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".npy": "application/x-npy",
    ".recordio": "application/x-recordio-protobuf",
    ".rec": "application/x-recordio-protobuf",
}
"""What a file's ending says of its content type when --content-type does not."""


@click.command("invoke")
@click.argument("file", metavar="FILE")
@click.option("--content-type", metavar="TYPE", help="Content-Type of the request (default: from the file's ending).")
@click.option("--accept", metavar="TYPE", help="Accept of the request (default: left out).")
@click.option("--url", default=f"http://127.0.0.1:{SERVING_PORT}", show_default=True, help="Where the server answers.")
@click.option("--custom-attributes", metavar="TEXT", help="X-Amzn-SageMaker-Custom-Attributes.")
@click.option("--inference-id", metavar="ID", help="X-Amzn-SageMaker-Inference-Id.")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="Any other header; repeatable.")
@click.option(
    "--timeout-seconds", type=click.FloatRange(min=0.1), default=INVOCATION_TIMEOUT_SECONDS, show_default=True,
    help="How long the answer may take.",
)  # fmt: skip
def command(
    *,
    file: str,
    content_type: str | None,
    accept: str | None,
    url: str,
    custom_attributes: str | None,
    inference_id: str | None,
    headers: tuple[str, ...],
    timeout_seconds: float,
) -> int:
    """Send FILE ('-' for standard input) to a serving container and print the answer.

    The answer's body goes to stdout, its status to stderr; the exit code is 0 for a 2xx answer and 1 for any other.
    """
    request_headers = {
        "Content-Type": content_type or _content_type_of(file),
        "Accept": accept,
        "X-Amzn-SageMaker-Custom-Attributes": custom_attributes,
        "X-Amzn-SageMaker-Inference-Id": inference_id,
        "User-Agent": f"seatrial/{__version__}",
        **parse_pairs("--header", headers),
    }
    invocations_url = _invocations_url(url)
    body = sys.stdin.buffer.read() if file == "-" else _read(Path(file))
    response = _post(
        invocations_url,
        body,
        {name: value for name, value in request_headers.items() if value is not None},
        timeout_seconds,
    )
    with Output() as out:
        out.body(response.data)
        is_success = 200 <= response.status < 300
        answer_type = response.headers.get("Content-Type", "no Content-Type")
        out.say(f"HTTP {response.status}, {answer_type}, {len(response.data):,} bytes")
    return 0 if is_success else 1


def _content_type_of(file: str) -> str:
    content_type = CONTENT_TYPES.get(Path(file).suffix.lower())
    if content_type is None:
        raise ConfigError(
            "content-type-unknown",
            "the file's ending does not tell its content type",
            where=file,
            found=f"'{Path(file).suffix}'" if Path(file).suffix else "no ending",
            expected=", ".join(CONTENT_TYPES),
            fix="pass --content-type",
        )
    return content_type


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(
            "payload-missing",
            "the file to send is not there",
            where=str(path),
            found="no such file",
            fix="pass a file that exists, or '-' for standard input",
        ) from error


def _invocations_url(url: str) -> str:
    if not _is_server_address(url):
        raise ConfigError(
            "url-invalid",
            "--url takes the address of an HTTP server",
            found=f"'{url}'",
            expected=f"http:// or https:// and a host, such as http://127.0.0.1:{SERVING_PORT}",
            fix="pass the address that 'seatrial serve' prints",
        )
    return url if url.rstrip("/").endswith("/invocations") else f"{url.rstrip('/')}/invocations"


def _is_server_address(url: str) -> bool:
    if any(character.isspace() or not character.isprintable() for character in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or half an IPv6 address
        return False


def _post(url: str, body: bytes, headers: dict[str, str], timeout_seconds: float) -> urllib3.BaseHTTPResponse:
    try:
        with urllib3.PoolManager(retries=False) as pool:
            return pool.request("POST", url, body=body, headers=headers, timeout=timeout_seconds, redirect=False)
    except urllib3.exceptions.NewConnectionError as error:  # a TimeoutError too, for urllib3
        raise _unreachable(url, error) from error
    except urllib3.exceptions.TimeoutError as error:
        raise RequestError(
            "invocation-timed-out",
            "the server did not answer in time",
            where=url,
            expected=f"an answer within {timeout_seconds:g} seconds, as SageMaker waits",
            fix="look at the server's log, or pass --timeout-seconds",
        ) from error
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise _unreachable(url, error) from error


def _unreachable(url: str, error: Exception) -> RequestError:
    return RequestError(
        "server-unreachable",
        "no server answers",
        where=url,
        found=_reason(error),
        fix="start one with 'seatrial serve', or pass its address with --url",
    )


def _reason(error: Exception) -> str:
    return str(error).rpartition(": ")[2] or type(error).__name__
