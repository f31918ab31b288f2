"""The ``sitecustomize`` of programs under ``seatrial run``: which address a client gets, and how long a poll sleeps."""

import types

import pytest

from seatrial.cli.child_python import sitecustomize
from seatrial.cli.child_python.sitecustomize import LONGEST_SLEEP_SECONDS, HastyClock, redirected

PLATFORM = "http://127.0.0.1:4577"
NEW, OLD = (1, 44), (1, 30)


@pytest.mark.parametrize(
    ("asked_for", "version", "given"),
    [
        ("https://sts.us-east-1.amazonaws.com", NEW, PLATFORM),
        ("https://sts.us-east-1.amazonaws.com", OLD, PLATFORM),
        ("https://STS.cn-north-1.AMAZONAWS.com.cn/", NEW, PLATFORM),
        ("https://sts.us-east-1.api.aws:443", NEW, PLATFORM),
        ("http://127.0.0.1:9000", NEW, "http://127.0.0.1:9000"),
        ("https://amazonaws.com.example.org", NEW, "https://amazonaws.com.example.org"),
        ("https://notamazonaws.com", NEW, "https://notamazonaws.com"),
        (None, NEW, None),  # botocore reads the variable itself
        (None, OLD, PLATFORM),
    ],
)
def test_client_gets_the_platform_where_it_would_get_aws(
    asked_for: str | None, version: tuple[int, ...], given: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", PLATFORM)

    assert redirected(asked_for, version) == given


def test_client_gets_what_it_asked_for_when_the_program_has_dropped_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    assert redirected("https://sts.us-east-1.amazonaws.com", OLD) == "https://sts.us-east-1.amazonaws.com"


class FakeTime(types.ModuleType):
    def __init__(self) -> None:
        super().__init__("time")
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_clock_cuts_sleeps_and_counts_them_in_full() -> None:
    real = FakeTime()
    clock = HastyClock(real, is_counting=True)
    clock.sleep(10)
    clock.sleep(0.05)

    assert real.now == pytest.approx(1000 + LONGEST_SLEEP_SECONDS + 0.05)
    assert clock.time() == pytest.approx(1010.05)
    assert clock.now == real.now  # everything else is the real one's


def test_clock_that_does_not_count_tells_the_real_time() -> None:
    real = FakeTime()
    clock = HastyClock(real, is_counting=False)
    clock.sleep(5)

    assert clock.time() == real.now == pytest.approx(1000 + LONGEST_SLEEP_SECONDS)


def test_time_limit_of_the_logs_is_in_real_seconds() -> None:
    module = types.ModuleType("sagemaker.session")
    module.time = FakeTime()  # type: ignore[attr-defined]
    seen: list[bool] = []
    module._logs_for_job = lambda *_args, **_kwargs: seen.append(module.time.is_counting)  # type: ignore[attr-defined]
    sitecustomize.poll_often_v2(module)

    module._logs_for_job("session", "job", wait=True)
    module._logs_for_job("session", "job", True, 10, "All", 600)
    module._logs_for_job("session", "job", timeout=600)

    assert seen == [True, False, False]


def test_module_without_what_is_replaced_stays_as_it_is_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    module = types.ModuleType("sagemaker.telemetry.telemetry_logging")
    sitecustomize.patch(module)

    assert not hasattr(module, "_send_telemetry_request")
    assert "sagemaker.telemetry.telemetry_logging is of an unknown kind" in capsys.readouterr().err
