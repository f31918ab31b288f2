"""Send the probes to a running platform and count, for each operation, how many are answered as they have to be.

python -m tests.probes.run             shows the counts and every probe that fails
python -m tests.probes.run --update    writes the counts to baseline.json; they may only rise
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.parsers
import botocore.serialize
from tests.probes.generate import Probe, probes_of
from tests.probes.seeds import REFUSED_SEEDS, REGION, prepare, seeds
from tests.unit.platform.services.model_shapes import problems_of_output, service_model

from seatrial.platform.server import PRELOADED_SERVICES, Platform, PlatformSettings
from seatrial.platform.services.declarations import DECLARATIONS
from seatrial.platform.wire import models

BASELINE = Path(__file__).parent / "baseline.json"
ANSWER_SECONDS = 20.0
"""A probe that takes longer hangs."""
VIOLATION_CODES = {"logs": "InvalidParameterException", "sts": "ValidationError", "iam": "ValidationError"}
"""What a service answers to what its model forbids; ValidationException elsewhere. Source: contract.md §6.3."""
OUR_OWN_FAULTS = frozenset({"InternalFailure", "InternalServerError", "SerializationException"})
BY_THE_MODEL = re.compile(r"(\d+) validation errors? detected: ")
ONE_CONSTRAINT = "failed to satisfy constraint: "


@dataclass(slots=True)
class Counts:
    """What came of one operation's probes."""

    passed: int = 0
    failures: list[str] = field(default_factory=list)


@contextlib.contextmanager
def running_platform(home: Path) -> Iterator[str]:
    """A platform behind a real server in a thread of this process."""
    models.preload(PRELOADED_SERVICES)
    platform = Platform(PlatformSettings(home=home, port=0))
    started = threading.Event()
    serving = platform.listeners.serve(platform.door, lambda _port: started.set(), platform.wind_down)
    thread = threading.Thread(target=lambda: asyncio.run(serving))
    thread.start()
    try:
        assert started.wait(30)
        yield f"http://127.0.0.1:{platform.listeners.port}"
    finally:
        platform.listeners.stop()
        thread.join(30)
        platform.close()


class Prober:
    """One kept connection, over which signed requests of one service go as they are.

    Args:
        url: The platform's.
        service: botocore's name.
    """

    def __init__(self, url: str, service: str) -> None:
        self._model = service_model(service)
        self._service = service
        self._url = url
        self._protocol = str(self._model.metadata["protocol"])
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=ANSWER_SECONDS)
        self._signer = botocore.auth.SigV4Auth(
            botocore.credentials.Credentials("x", "x"), str(self._model.signing_name), REGION
        )
        self._parser = botocore.parsers.create_parser(self._protocol)
        self._query = botocore.serialize.create_serializer("query", include_validation=False)

    def close(self) -> None:
        self._connection.close()

    def count(self, operation: str, seed: Mapping[str, Any]) -> Counts:
        """Send every probe of an operation."""
        counts = Counts()
        model = self._model.operation_model(operation)
        for probe in probes_of(model, seed, is_json=self._protocol == "json"):
            try:
                status, headers, body = self._send(operation, probe.request)
                problem = self._problem(operation, probe, status, headers, body)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                problem = f"no answer: {error!r}"
            if problem is None:
                counts.passed += 1
            else:
                counts.failures.append(f"{operation}: {probe.name}: expected {probe.expects}, {problem}")
        return counts

    def _send(self, operation: str, parameters: Any) -> tuple[int, dict[str, str], bytes]:
        if self._protocol == "json":
            body = parameters if isinstance(parameters, bytes) else json.dumps(parameters).encode()
            headers = {
                "Content-Type": f"application/x-amz-json-{self._model.metadata['jsonVersion']}",
                "X-Amz-Target": f"{self._model.metadata['targetPrefix']}.{operation}",
            }
        else:
            body = urlencode(self._form(operation, parameters)).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        request = botocore.awsrequest.AWSRequest(method="POST", url=f"{self._url}/", data=body, headers=headers)
        self._signer.add_auth(request)
        self._connection.request("POST", "/", body, dict(request.headers))
        answer = self._connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def _form(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        model = self._model.operation_model(operation)
        known = model.input_shape.members if model.input_shape is not None else {}
        sent = {name: value for name, value in parameters.items() if name in known}
        form = {"Action": operation, "Version": self._model.metadata["apiVersion"]}
        for name, value in sent.items():
            if isinstance(value, (dict, list)) or (known[name].type_name == "boolean" and isinstance(value, bool)):
                form |= self._query.serialize_to_request({name: value}, model)["body"]
            else:
                form[name] = value
        return form | {name: value for name, value in parameters.items() if name not in known}

    def _problem(
        self, operation: str, probe: Probe, status: int, headers: Mapping[str, str], body: bytes
    ) -> str | None:
        """What is wrong with an answer; ``None`` when it is as it has to be."""
        model = self._model.operation_model(operation)
        response = {"status_code": status, "headers": headers, "body": body, "context": {"operation_name": operation}}
        parsed = self._parser.parse(response, model.output_shape)
        if status == 200:
            return self._problem_of_success(operation, probe, parsed, body)
        error = parsed.get("Error", {})
        return self._problem_of_error(operation, probe, status, str(error.get("Code")), str(error.get("Message")))

    def _problem_of_error(self, operation: str, probe: Probe, status: int, code: str, message: str) -> str | None:
        found = BY_THE_MODEL.match(message)
        clause = probe.clause if self._protocol == "json" else probe.clause.replace("\0", "\ufffd")  # XML has no NUL
        if status >= 500 or not code or not message:
            is_right = False
        elif probe.expects == "unreadable":
            is_right = code == "SerializationException"
        elif probe.expects != "allowed":
            is_counted = found is not None and int(found[1]) == message.count(ONE_CONSTRAINT)
            is_expected = code == VIOLATION_CODES.get(self._service, "ValidationException") and clause in message
            is_right = is_expected and (is_counted or probe.expects == "unknown")
        elif probe.name == "seed":
            is_right = code == REFUSED_SEEDS.get(operation)
        else:
            is_right = found is None and code not in OUR_OWN_FAULTS
        return None if is_right else f"{clause[:200]}: got {status} {code}: {message[:300]}"

    def _problem_of_success(self, operation: str, probe: Probe, parsed: dict[str, Any], body: bytes) -> str | None:
        if probe.expects != "allowed" or (probe.name == "seed" and operation in REFUSED_SEEDS):
            return "got 200"
        output = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
        problems = problems_of_output(self._model, operation, output)
        shape = self._model.operation_model(operation).output_shape
        if self._protocol == "json" and shape is not None:
            problems += [f"{name} is not in the model" for name in json.loads(body) if name not in shape.members]
        return f"got what the model does not have: {problems[:3]}" if problems else None


def run(directory: Path) -> dict[str, Counts]:
    """Probe every supported operation; the counts by ``service operation``."""
    counts: dict[str, Counts] = {}
    with running_platform(directory / "home") as url:
        program = prepare(url, directory)
        for service, of_service in seeds(program).items():
            prober = Prober(url, service)
            for operation, seed in of_service.items():
                counts[f"{service} {operation}"] = prober.count(operation, seed)
            prober.close()
    return counts


def read_baseline() -> dict[str, int]:
    baseline: dict[str, int] = json.loads(BASELINE.read_text(encoding="utf-8"))
    return baseline


def fallen(counts: Mapping[str, Counts], baseline: Mapping[str, int]) -> list[str]:
    """The operations of which fewer probes pass than were recorded, each with what fails."""
    found = []
    for operation, recorded in baseline.items():
        now = counts.get(operation, Counts())
        if now.passed < recorded:
            found.append("\n  ".join([f"{operation}: {now.passed} of {recorded} pass", *now.failures[:20]]))
    return found


def is_complete(counts: Mapping[str, Counts]) -> bool:
    """Whether every supported operation was probed."""
    return set(counts) == {f"{service} {one}" for service, operations in DECLARATIONS.items() for one in operations}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write the counts, if none has fallen")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        counts = run(Path(directory))
    for operation, one in counts.items():
        print(f"{operation:40} {one.passed:5} passed {len(one.failures):4} failed")
        for failure in one.failures:
            print(f"    {failure}")
    baseline = read_baseline() if BASELINE.exists() else {}
    lower = fallen(counts, baseline)
    if lower:
        print("fewer probes pass than before; nothing is written:", *lower, sep="\n", file=sys.stderr)
        return 1
    if options.update:
        text = json.dumps({operation: one.passed for operation, one in counts.items()}, indent=2)
        BASELINE.write_text(f"{text}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
