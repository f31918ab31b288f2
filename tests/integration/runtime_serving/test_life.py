"""How ``serve`` starts, replaces what fails, and stops."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from seatrial.runtime.serving.supervisor import KILL_AFTER_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

PLAIN = """
def model_fn(model_dir): return 10
def predict_fn(data, model): return data.sum(axis=1) * model
"""

WHOLE = """
import os
def model_fn(model_dir): return model_dir
def predict_fn(data, model): return [os.getpid()]
"""

SLOW = """
import pathlib, time
def model_fn(model_dir): return pathlib.Path(model_dir)
def predict_fn(data, model):
    (model / "entered").touch()
    while not (model / "go").exists(): time.sleep(0.01)
    return [1]
"""

LATE_AFTER_FORK = """
import os, time
from seatrial.runtime.serving import sharing
fork = sharing.fork
def late_fork():
    pid = fork()
    {then}
    return pid
sharing.fork = late_fork
"""
"""Appended to hooks that the template imports: something happens right after it has forked, in it or in the worker."""


def worker_pids(log: str) -> list[int]:
    return [int(pid) for pid in re.findall(r"is ready \(pid (\d+)\)", log)]


def test_serve_refuses_connections_until_the_model_is_loaded(serve: Any) -> None:
    source = SLOW.replace(
        "return pathlib",
        "\n    p = pathlib.Path(model_dir)\n    (p / 'loading').touch()\n"
        "    while not (p / 'loaded').exists(): time.sleep(0.01)\n    return pathlib",
    )
    server = serve(source)
    model = server.directory / "ml/model"
    server.wait_file(model / "loading")
    with pytest.raises(ConnectionRefusedError):
        server.connect()
    (model / "loaded").touch()
    server.wait_ready()


def test_serve_loads_the_model_once_and_shares_it(serve: Any) -> None:
    source = PLAIN.replace("return 10", "\n    with open(model_dir + '/loads', 'a') as f: f.write('x')\n    return 10")
    server = serve(source, MODEL_SERVER_WORKERS="3").wait_ready()
    server.wait_log("is ready", 3)
    assert (server.directory / "ml/model/loads").read_text() == "x"


@pytest.mark.parametrize(
    ("source", "environment", "reason"),
    [
        (
            "import threading\nthreading.Thread(target=threading.Event().wait, name='mine', daemon=True).start()\n",
            {},
            "the thread 'mine'",
        ),
        ("async def model_fn(model_dir): return 10\n", {}, "model_fn is async"),
        ("", {"SEATRIAL_PRELOAD_MODEL": "0"}, None),
        ("", {"MODEL_SERVER_WORKERS": "1"}, None),
    ],
)
def test_serve_loads_in_each_worker_where_sharing_is_not_safe(
    serve: Any, source: str, environment: dict[str, str], reason: Any
) -> None:
    body = PLAIN.replace("def model_fn", "def unused") if "model_fn" in source else PLAIN
    server = serve(body + source, **environment).wait_ready()
    server.wait_log("is ready", int(environment.get("MODEL_SERVER_WORKERS", 2)))
    assert server.invoke()[::2] == (200, b"[30.0]")
    lines = [line for line in server.log.splitlines() if "each worker loads the model itself" in line]
    assert len(lines) == (reason is not None)
    assert reason is None or reason in lines[0]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("source", "code", "texts"),
    [
        (PLAIN.replace("return 10", "raise OSError('no weights')"), "model-load-failed", ["no weights", "Traceback"]),
        ("import does_not_exist", "handler-import-failed", ["does_not_exist", "requirements.txt"]),
        ("def model_fn(): ...", "hook-signature", ["model_fn(model_dir)", "algorithm.py"]),
        ("def model_fn(model_dir): ...", "hook-missing", ["def predict_fn(data, model)"]),
        (None, "handler-not-found", ["algorithm.py", "inference.py"]),
    ],
)
def test_serve_exits_with_the_reason_when_the_handler_cannot_work(
    serve: Any, workers: Any, source: str, code: str, texts: Any
) -> None:
    server = serve(source, MODEL_SERVER_WORKERS=workers)
    assert server.wait_exit() == 1
    (line,) = [line for line in server.log.splitlines() if line.startswith("serve: error")]
    assert f"[{code}]" in line
    for text in texts:
        assert text in server.log


@pytest.mark.parametrize(
    ("package", "source", "texts"),
    [
        ("uvicorn", "raise ModuleNotFoundError('gone', name='uvicorn')", ["[serve-extra-missing]", "lacks uvicorn"]),
        ("numpy", "raise ModuleNotFoundError('gone', name='numpy')", ["[serve-extra-missing]", "lacks numpy"]),
        (
            "uvloop",
            "raise ImportError('libuv.so.1 is gone')",
            ["[serve-extra-broken]", "libuv.so.1", "uvloop.py"],
        ),
        ("httptools", "import not_there", ["[serve-extra-broken]", "No module named 'not_there'", "httptools.py"]),
    ],
)
def test_serve_whose_server_cannot_be_imported_says_whether_it_is_missing(
    serve: Any, tmp_path: Path, package: str, source: str, texts: list[str]
) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / f"{package}.py").write_text(source)
    server = serve(PLAIN, PYTHONPATH=str(tmp_path / "packages"))
    assert server.wait_exit() == 1
    assert not [text for text in texts if text not in server.log]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("def model_fn(model_dir:\n    pass\n", "line 1\n    def model_fn(model_dir:\n"),
        ("import os\nimport does_not_exist\n", "line 2, in <module>\n    import does_not_exist\n"),
        (PLAIN.replace("return 10", "return 1 / 0"), "in model_fn\n"),
    ],
)
def test_serve_shows_the_user_s_own_lines_of_what_fails_at_start(serve: Any, source: str, shown: str) -> None:
    server = serve(source)
    assert server.wait_exit() == 1
    assert shown in server.log
    assert not [mark for mark in ("seatrial/runtime", "<frozen", "importlib") if mark in server.log]


def test_serve_shows_the_user_s_own_lines_of_a_prediction_that_fails(serve: Any) -> None:
    server = serve(PLAIN.replace("data.sum(axis=1) * model", "1 / 0")).wait_ready()
    assert server.invoke()[0] == 500
    server.wait_log("ZeroDivisionError: division by zero")
    assert "in predict_fn" in server.log
    assert "seatrial/runtime" not in server.log


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("death", "reason"), [("os.kill(os.getpid(), 11)", "SIGSEGV"), ("os._exit(3)", "exit code 3")], ids=str
)
def test_serve_exits_at_the_first_death_while_loading(serve: Any, workers: str, death: str, reason: str) -> None:
    load = f"import os; open(model_dir + '/loads', 'a').write('x'); {death}"
    server = serve(PLAIN.replace("return 10", load), MODEL_SERVER_WORKERS=workers)
    assert server.wait_exit() == 1
    assert "[model-load-crashed]" in server.log
    assert reason in server.log
    assert (server.directory / "ml/model/loads").read_text() == "x"


def test_serve_that_was_ready_exits_when_workers_keep_dying_while_loading(serve: Any) -> None:
    source = WHOLE.replace("return model_dir", "os.path.exists('die') and os.kill(os.getpid(), 9)")
    server = serve(source, MODEL_SERVER_WORKERS="1").wait_ready()
    server.wait_log("is ready")
    (server.directory / "program" / "die").touch()
    os.kill(worker_pids(server.log)[0], signal.SIGKILL)
    assert server.wait_exit() == 1
    assert "[worker-crash-loop]" in server.log
    assert "SIGKILL" in server.log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_exits_with_the_stacks_when_loading_takes_too_long(serve: Any, workers: Any) -> None:
    source = PLAIN.replace("return 10", "import time; time.sleep(100)")
    server = serve(source, SAGEMAKER_STARTUP_TIMEOUT="5", MODEL_SERVER_WORKERS=workers)
    assert server.wait_exit() == 1
    assert "[model-load-timeout]" in server.log
    assert "in model_fn" in server.log


def test_serve_exits_when_the_port_is_taken(serve: Any) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        server = serve(PLAIN, SAGEMAKER_BIND_TO_PORT=str(sock.getsockname()[1]))
        assert server.wait_exit() == 1
    assert "[port-unusable]" in server.log
    assert "SAGEMAKER_BIND_TO_PORT" in server.log


def test_serve_exits_when_a_setting_cannot_be_read(serve: Any) -> None:
    server = serve(PLAIN, MODEL_SERVER_WORKERS="many")
    assert server.wait_exit() == 1
    assert "MODEL_SERVER_WORKERS" in server.log
    assert "Traceback" not in server.log


def test_serve_installs_the_archives_requirements_and_exits_when_it_cannot(serve: Any) -> None:
    server = serve(inference=PLAIN, SEATRIAL_START_LATER="1")
    server.remove()
    (server.directory / "ml/model/code/requirements.txt").write_text("./missing.whl\n")
    again = type(server)(
        server.directory,
        {"SAGEMAKER_BASE_DIR": str(server.directory / "ml"), "SAGEMAKER_BIND_TO_PORT": str(server.port)},
    )
    try:
        assert again.wait_exit() == 1
        assert "[requirements-install-failed]" in again.log
        assert "pip: ERROR" in again.log
    finally:
        again.remove()


def test_a_killed_worker_is_replaced_and_said_so(serve: Any) -> None:
    server = serve(WHOLE).wait_ready()
    server.wait_log("is ready", 2)
    victim = worker_pids(server.log)[0]
    os.kill(victim, signal.SIGKILL)
    server.wait_log("is ready", 3)
    assert re.search(rf"\(pid {victim}\) is replaced: it ended with exit code 137 \(SIGKILL\)", server.log)
    assert server.invoke()[0] == 200


def test_a_worker_that_crashes_in_a_hook_is_replaced_with_its_stack_in_the_log(serve: Any) -> None:
    source = WHOLE.replace("return [os.getpid()]", "import ctypes; ctypes.string_at(int(data[0, 0]))")
    server = serve(source).wait_ready()
    server.wait_log("is ready", 2)
    with pytest.raises(OSError):  # noqa: PT011 (reset or closed, as the kernel likes)
        server.invoke(b"0,0\n")
    server.wait_log("is ready", 3)
    assert "SIGSEGV" in server.log
    assert "in predict_fn" in server.log


def test_a_template_that_is_killed_is_replaced_with_its_workers(serve: Any) -> None:
    server = serve(WHOLE).wait_ready()
    server.wait_log("is ready", 2)
    workers = set(worker_pids(server.log))
    (template,) = set(server.processes()) - workers - {server.process.pid}
    os.kill(template, signal.SIGKILL)
    server.wait_log("is ready", 4)
    assert server.invoke()[0] == 200
    assert not workers & set(server.processes())


def test_a_worker_faster_than_the_template_that_forked_it_is_known_when_it_reports(serve: Any) -> None:
    """As when the kernel lets the template wait after the fork: the worker listens and is ready before it goes on."""
    server = serve(PLAIN + LATE_AFTER_FORK.format(then="time.sleep(1 if pid else 0)")).wait_ready()
    server.wait_log("is ready", 2)
    assert len(set(worker_pids(server.log))) == 2


def test_a_worker_whose_template_dies_before_announcing_it_goes_away(serve: Any) -> None:
    dies_when_told = "if pid and os.path.exists('die'): os.remove('die'); os.kill(os.getpid(), 9)"
    server = serve(WHOLE + LATE_AFTER_FORK.format(then=dies_when_told)).wait_ready()
    server.wait_log("is ready", 2)
    (server.directory / "program" / "die").touch()
    os.kill(worker_pids(server.log)[0], signal.SIGKILL)
    server.wait_log("is ready", 4)
    server.wait_process_count(4)  # this one, the template, and its two workers


def test_a_hook_past_the_timeout_gets_its_client_an_answer_and_its_worker_replaced(serve: Any) -> None:
    source = WHOLE.replace("return [os.getpid()]", "import time; time.sleep(100 if data[0, 0] else 0); return [1]")
    server = serve(source, MODEL_SERVER_TIMEOUT="1", MODEL_SERVER_WORKERS="1").wait_ready()
    status, _, body = server.invoke()
    assert status == 500
    assert body == b"the prediction took longer than 1 s and was given up\n"
    server.wait_log("is ready", 2)
    assert "is replaced: a hook took longer than 1 s" in server.log
    assert "in predict_fn" in server.log  # the stack
    assert server.invoke(b"0,0\n")[0] == 200


def test_a_hook_that_holds_the_interpreter_lock_is_found_and_its_worker_replaced(serve: Any) -> None:
    source = WHOLE.replace(
        "return [os.getpid()]", "import ctypes; ctypes.PyDLL(None).sleep(int(data[0, 0])); return [1]"
    )
    server = serve(source, MODEL_SERVER_TIMEOUT="1").wait_ready()
    server.wait_log("is ready", 2)
    with pytest.raises(OSError):  # noqa: PT011
        server.invoke(b"100,0\n")
    server.wait_log("is ready", 3)
    assert "gave no sign of life" in server.log
    assert "in predict_fn" in server.log
    assert server.invoke(b"0,0\n")[0] == 200


@pytest.mark.parametrize("to_group", [False, True], ids=["to the process", "to the group"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_lets_the_request_in_flight_finish_and_exits_0(serve: Any, number: Any, to_group: Any) -> None:
    server = serve(SLOW).wait_ready()
    model = server.directory / "ml/model"
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(server.invoke)
        server.wait_file(model / "entered")
        (os.killpg if to_group else os.kill)(server.process.pid, number)
        wait_until_refused(server)
        assert not reply.done()
        (model / "go").touch()
        assert reply.result(60)[0] == 200
    assert server.wait_exit() == 0
    assert "replaced" not in server.log
    assert "Traceback" not in server.log


def wait_until_refused(server: Any) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            server.connect().close()
        except ConnectionRefusedError:
            return
        assert time.monotonic() < deadline, server.log
        time.sleep(0.01)


def _ignored(function: Callable[[], object]) -> None:
    with contextlib.suppress(OSError):
        function()


def test_a_second_stop_signal_stops_at_once(serve: Any) -> None:
    server = serve(SLOW).wait_ready()
    threading.Thread(target=lambda: _ignored(server.invoke), daemon=True).start()
    server.wait_file(server.directory / "ml/model/entered")
    server.process.send_signal(signal.SIGTERM)
    server.wait_log("finishing the requests")
    server.process.send_signal(signal.SIGTERM)
    assert server.wait_exit() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stop_signal_while_the_model_is_loaded_exits_0(serve: Any, workers: Any) -> None:
    source = PLAIN.replace("return 10", "open(model_dir + '/loading', 'w'); import time; time.sleep(100)")
    server = serve(source, MODEL_SERVER_WORKERS=workers)
    server.wait_file(server.directory / "ml/model/loading")
    server.process.send_signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert not server.processes()


def test_a_stop_signal_while_workers_are_forked_is_not_lost(serve: Any) -> None:
    then = "open('forked', 'w').close() if pid else time.sleep(1)"
    server = serve(PLAIN + LATE_AFTER_FORK.format(then=then))
    server.wait_file(server.directory / "program" / "forked")
    stopped_at = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert time.monotonic() - stopped_at < KILL_AFTER_SECONDS  # they ended by themselves


def test_workers_go_away_with_a_killed_supervisor(serve: Any) -> None:
    server = serve(PLAIN).wait_ready()
    server.wait_log("is ready", 2)
    server.process.kill()
    server.wait_exit()
    deadline = time.monotonic() + 60
    while server.processes():
        assert time.monotonic() < deadline, server.processes()
        time.sleep(0.02)


def test_two_servers_run_at_once(serve: Any) -> None:
    servers = [serve(PLAIN.replace("10", str(n))) for n in (10, 100)]
    assert [server.wait_ready().invoke()[2] for server in servers] == [b"[30.0]", b"[300.0]"]
