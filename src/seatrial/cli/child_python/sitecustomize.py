"""Imported by every Python that ``seatrial run`` starts: keeps AWS's clients at the platform.

- The SageMaker SDKs give their STS client the address of AWS, which ``AWS_ENDPOINT_URL`` does not change, and a
  botocore older than 1.31 does not know that variable: botocore's ``create_client`` gets the platform's address then.
- The SDKs tell AWS of every call, also when all else goes to the platform: they send nothing.
- The SDKs look every 5 to 30 seconds whether a job has ended, which here is most of the time that it takes: they look
  several times a second.

A module is patched when a program imports it; a program that does not pays nothing.

This file runs in Pythons and beside packages that nobody has tried: it uses the standard library only, and where it
does not find what it expects, it says so and changes nothing. A ``sitecustomize`` of the user's own, further down the
path, is run as if this one were not there.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # typing's own would have to be imported
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"
AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")

_KNOWS_THE_VARIABLE = (1, 31)
"""First version of botocore that does."""
_ENDPOINT_POSITION = 5
"""Of ``endpoint_url`` among the arguments of ``create_client``, the session not counted."""
_TIME_LIMIT_POSITION = 5
"""Of ``timeout`` among the arguments of ``_logs_for_job``."""
LONGEST_SLEEP_SECONDS = 0.2


def redirected(url: str | None, version: tuple[int, ...]) -> str | None:
    """The endpoint that a client gets.

    Args:
        url: What the program asked for; ``None`` when it left that open.
        version: Of botocore.
    """
    ours = os.environ.get(ENDPOINT_VARIABLE)
    if not ours:
        return url
    if url is None:
        return None if version >= _KNOWS_THE_VARIABLE else ours
    return ours if _is_of_aws(url) else url


def _is_of_aws(url: str) -> bool:
    from urllib.parse import urlsplit

    return (urlsplit(url).hostname or "").endswith(AWS_DOMAINS)


def redirect_clients(module: ModuleType) -> None:
    """Patch ``botocore.session``."""
    original = module.Session.create_client
    version = tuple(int(part) for part in sys.modules["botocore"].__version__.split(".")[:2])

    def create_client(self: Any, *args: Any, **kwargs: Any) -> Any:
        if len(args) > _ENDPOINT_POSITION:
            before, url, after = args[:_ENDPOINT_POSITION], args[_ENDPOINT_POSITION], args[_ENDPOINT_POSITION + 1 :]
            args = (*before, redirected(url, version), *after)
        else:
            kwargs["endpoint_url"] = redirected(kwargs.get("endpoint_url"), version)
        return original(self, *args, **kwargs)

    create_client.__doc__ = original.__doc__
    create_client.__wrapped__ = original  # type: ignore[attr-defined]
    module.Session.create_client = create_client


def send_no_telemetry(module: ModuleType) -> None:
    """Patch the telemetry of a SageMaker SDK."""
    module._send_telemetry_request  # noqa: B018 (says so where it has another name)
    module._send_telemetry_request = lambda *_args, **_kwargs: None  # type: ignore[attr-defined]


class HastyClock:
    """The module ``time``, given to a module that polls: no sleep is longer than ``LONGEST_SLEEP_SECONDS``.

    Args:
        time: The real one.
        is_counting: ``time()`` goes on as if the sleeps had been taken in full, so that what is done every so many
            seconds is done after as many sleeps.
    """

    def __init__(self, time: ModuleType, *, is_counting: bool) -> None:
        self._time = time
        self._ahead_seconds = 0.0
        self.is_counting = is_counting

    def __getattr__(self, name: str) -> object:
        return getattr(self._time, name)

    def sleep(self, seconds: float) -> None:
        taken_seconds = min(seconds, LONGEST_SLEEP_SECONDS)
        if self.is_counting:
            self._ahead_seconds += seconds - taken_seconds
        self._time.sleep(taken_seconds)

    def time(self) -> float:
        now: float = self._time.time()
        return now + self._ahead_seconds


def poll_often_v2(module: ModuleType) -> None:
    """Patch ``sagemaker.session``, which reads logs every 10 s and asks for the status every 30 s.

    Its one time limit, an argument of ``logs_for_job``, is in real seconds: then nothing is counted.
    """
    clock = HastyClock(module.time, is_counting=True)
    original = module._logs_for_job

    def logs_for_job(*args: Any, **kwargs: Any) -> Any:
        time_limit = args[_TIME_LIMIT_POSITION] if len(args) > _TIME_LIMIT_POSITION else kwargs.get("timeout")
        clock.is_counting = time_limit is None
        return original(*args, **kwargs)

    module.time = clock  # type: ignore[attr-defined]
    module._logs_for_job = logs_for_job  # type: ignore[attr-defined]


def poll_often_v3(module: ModuleType) -> None:
    """Patch ``sagemaker.core.resources``, whose ``wait`` methods sleep between two questions."""
    module.time = HastyClock(module.time, is_counting=False)  # type: ignore[attr-defined]


PATCHES = {
    "botocore.session": redirect_clients,
    "sagemaker.session": poll_often_v2,
    "sagemaker.telemetry.telemetry_logging": send_no_telemetry,
    "sagemaker.core.resources": poll_often_v3,
    "sagemaker.core.telemetry.telemetry_logging": send_no_telemetry,
}
"""Module → what is done to it after its import."""


def patch(module: ModuleType) -> None:
    """Patch a module; one of an unknown kind is left as it is, which is said."""
    try:
        PATCHES[module.__name__](module)
    except Exception as error:
        sys.stderr.write(f"seatrial run: {module.__name__} is of an unknown kind and left as it is ({error!r})\n")


class PatchingLoader:
    """Loads a module as its own loader does, then patches it."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        patch(module)


class PatchingFinder:
    """Finds the modules of ``PATCHES``, with the finders behind it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in PATCHES:
            return None
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = PatchingLoader(spec.loader)  # type: ignore[arg-type,assignment]
        return spec


def run_the_next_sitecustomize() -> None:
    """Run the one that Python would have found without us; what it raises is shown by Python, as ever."""
    here = os.path.dirname(os.path.abspath(__file__))
    spec = PathFinder.find_spec("sitecustomize", [path for path in sys.path if os.path.abspath(path) != here])
    if spec is None or spec.loader is None:
        return
    from importlib.util import module_from_spec

    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


def install() -> None:
    """Patch what is imported already, by a .pth file, and what will be."""
    for name in PATCHES:
        if name in sys.modules:
            patch(sys.modules[name])
    sys.meta_path.insert(0, PatchingFinder())
    run_the_next_sitecustomize()


if __name__ == "sitecustomize":
    install()
