"""Requests per second for one iris row as CSV: ours against the classic nginx + gunicorn + Flask container.

    python benchmarks/serving.py [--seconds 5] [--rounds 3] [--json FILE]

All servers run at once and are measured in turn, round after round, by wrk on the same machine; the figures are medians
over the rounds. On a busy machine look at the ratios and at CPU time per request, which others disturb less.

    classic     examples/decision-trees as it is, but for /opt/ml (a temporary directory) and port 8080 (a free one)
    ours        the same pickled tree behind ``predict_fn``: scikit-learn's plain ``predict`` for each request
    nothing     ours with a ``predict_fn`` that returns a constant: what the server itself costs
    bare        a constant ASGI reply on the same uvicorn, uvloop and httptools: the bound of that server
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent / "examples" / "decision-trees"
CONNECTIONS = (1, 64)
START_SECONDS = 60.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

LUA = """
wrk.method = "POST"
wrk.body = "5.1,3.5,1.4,0.2\\n"
wrk.headers["Content-Type"] = "text/csv"
"""

OURS = """
import pickle

def model_fn(model_dir):
    with open(model_dir + "/decision-tree-model.pkl", "rb") as file:
        return pickle.load(file)

def predict_fn(data, model):
    return model.predict(data)
"""

NOTHING = """
import numpy

def model_fn(model_dir):
    return numpy.array(["setosa"])

def predict_fn(data, model):
    return model
"""

BARE = """
HEADERS = [(b"content-type", b"text/csv"), (b"content-length", b"7")]

async def app(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"setosa\\n"})
"""

SERVE = "import sys; from seatrial.runtime.serving.run import main; sys.exit(main())"


@dataclass(slots=True)
class Contender:
    """A server and its figures by number of connections, one entry a round."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    requests_per_second: dict[int, list[float]] = field(default_factory=dict)
    p50_ms: dict[int, list[float]] = field(default_factory=dict)
    p99_ms: dict[int, list[float]] = field(default_factory=dict)
    cpu_us: dict[int, list[float]] = field(default_factory=dict)

    def measure(self, script: Path, connections: int, seconds: float) -> None:
        cpu_before = cpu_seconds(self.process.pid)
        answer = subprocess.run(
            [
                "wrk",
                "-t1",
                f"-c{connections}",
                f"-d{seconds:g}s",
                "--latency",
                "-s",
                str(script),
                self.url("/invocations"),
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        if "Non-2xx" in answer or "Socket errors" in answer:
            raise SystemExit(f"{self.name} failed under load:\n{answer}")
        requests = int(_find(r"(\d+) requests in", answer))
        spent = cpu_seconds(self.process.pid) - cpu_before
        for figures, value in (
            (self.requests_per_second, float(_find(r"Requests/sec:\s+([\d.]+)", answer))),
            (self.p50_ms, _milliseconds(_find(r"(?m)^ +50% +(\S+)$", answer))),
            (self.p99_ms, _milliseconds(_find(r"(?m)^ +99% +(\S+)$", answer))),
            (self.cpu_us, spent / requests * 1e6),
        ):
            figures.setdefault(connections, []).append(value)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"wrk said something else than expected:\n{text}")
    return found[1]


def _milliseconds(text: str) -> float:
    for unit, milliseconds in (("us", 0.001), ("ms", 1.0), ("s", 1000.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * milliseconds
    raise SystemExit(f"wrk said {text} for a time")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all of its descendants that live."""
    total, children = 0.0, {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    waiting = [pid]
    while waiting:
        current = waiting.pop()
        waiting += children.get(current, [])
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{current}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
    return total


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def running(
    name: str, argv: list[str], directory: Path, port: int, environment: Mapping[str, str]
) -> Iterator[Contender]:
    # The classic container logs each request; a file costs it less than a terminal would.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=directory, env={**os.environ, "PATH": path, **environment}, stdout=log, stderr=log
        )
    contender = Contender(name, process, port)
    try:
        wait_ready(contender, directory / "log")
        yield contender
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def wait_ready(contender: Contender, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and contender.process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(contender.url("/ping"), timeout=2):
            return
        time.sleep(0.05)
    raise SystemExit(f"{contender.name} does not answer:\n{log.read_text()}")


def copy_classic(directory: Path, port: int) -> Path:
    """The example with its two fixed places replaced, and nothing else; its model trained by itself."""
    program, opt_ml = directory / "program", directory / "ml"
    shutil.copytree(EXAMPLE / "decision_trees", program)
    shutil.copytree(EXAMPLE / "local_test" / "test_dir", opt_ml)
    for file in program.iterdir():
        if file.is_file():
            text = file.read_text().replace("/opt/ml", str(opt_ml)).replace("listen 8080", f"listen {port}")
            file.write_text(text)
    for name in ("model", "output"):
        (opt_ml / name).mkdir(exist_ok=True)
    subprocess.run([sys.executable, "train", "train"], cwd=program, check=True, stdout=subprocess.DEVNULL)
    return program


@contextlib.contextmanager
def classic(directory: Path) -> Iterator[Contender]:
    port = free_port()
    program = copy_classic(directory, port)
    with running("classic", [sys.executable, "serve", "serve"], program, port, {}) as contender:
        yield contender


@contextlib.contextmanager
def ours(name: str, directory: Path, source: str, opt_ml: Path) -> Iterator[Contender]:
    directory.mkdir()
    (directory / "algorithm.py").write_text(source)
    port = free_port()
    environment = {"SAGEMAKER_BASE_DIR": str(opt_ml), "SAGEMAKER_BIND_TO_PORT": str(port)}
    with running(name, [sys.executable, "-c", SERVE], directory, port, environment) as contender:
        yield contender


@contextlib.contextmanager
def bare(directory: Path) -> Iterator[Contender]:
    directory.mkdir()
    (directory / "constant.py").write_text(BARE)
    port = free_port()
    options = ["--workers", str(os.cpu_count()), "--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    argv = [sys.executable, "-m", "uvicorn", "constant:app", "--port", str(port), *options]
    with running("bare", argv, directory, port, {}) as contender:
        yield contender


def reason_to_skip_classic() -> str | None:
    if not (EXAMPLE / "decision_trees" / "serve").is_file():
        return f"{EXAMPLE} is not there"
    missing = [program for program in ("nginx",) if shutil.which(program) is None]
    return f"{missing[0]} is not installed" if missing else None


def report(contenders: list[Contender]) -> dict[str, object]:
    by_name = {contender.name: contender for contender in contenders}
    document: dict[str, object] = {"cpu_count": os.cpu_count(), "load": os.getloadavg()}
    print(f"{os.cpu_count()} CPUs shared with wrk, load average {os.getloadavg()[0]:.1f}\n")
    print(
        f"{'':10}{'connections':>12}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'CPU us/request':>16}{'x classic':>11}"
    )
    for connections in CONNECTIONS:
        for contender in contenders:
            figures = [
                statistics.median(values[connections])
                for values in (contender.requests_per_second, contender.p50_ms, contender.p99_ms, contender.cpu_us)
            ]
            ratio = None
            if "classic" in by_name:
                ratio = figures[0] / statistics.median(by_name["classic"].requests_per_second[connections])
            per_second, p50_ms, p99_ms, cpu_us = figures
            line = f"{contender.name:10}{connections:12}{per_second:12,.0f}{p50_ms:9.2f}{p99_ms:9.2f}{cpu_us:16.0f}"
            print(line + (f"{ratio:11.1f}" if ratio is not None else f"{'-':>11}"))
            names = ("requests_per_second", "p50_ms", "p99_ms", "cpu_us_per_request", "times_classic")
            document[f"{contender.name}/{connections}"] = dict(zip(names, [*figures, ratio], strict=True))
    return document


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of load for each figure")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seatrial-bench-")))
        root.chmod(0o755)
        script = root / "row.lua"
        script.write_text(textwrap.dedent(LUA))
        skipped = reason_to_skip_classic()
        contenders, opt_ml = [], root / "classic" / "ml"
        if skipped is None:
            contenders.append(stack.enter_context(classic(root / "classic")))
            contenders.append(stack.enter_context(ours("ours", root / "ours", OURS, opt_ml)))
        else:
            print(f"SKIPPED: no comparison with the classic container: {skipped}", file=sys.stderr)
        contenders.append(stack.enter_context(ours("nothing", root / "nothing", NOTHING, opt_ml)))
        contenders.append(stack.enter_context(bare(root / "bare")))
        for contender in contenders:
            contender.measure(script, max(CONNECTIONS), 1.0)  # warm up
        for contender in contenders:
            contender.requests_per_second, contender.p50_ms, contender.p99_ms, contender.cpu_us = {}, {}, {}, {}
        for _ in range(options.rounds):
            for connections in CONNECTIONS:
                for contender in contenders:
                    contender.measure(script, connections, options.seconds)
        document = report(contenders)
    if options.json is not None:
        options.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
