from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from seatrial.contract.failure import OUT_OF_MEMORY_REASON, compose_failure_reason, render_failure_text


@given(st.text() | st.text(min_size=1020, max_size=1030), st.integers(1, 255))
@example("x" * 5000, 255)
def test_compose_failure_reason_fits_and_keeps_the_exit_code(text: str, exit_code: int) -> None:
    reason = compose_failure_reason(text, exit_code)

    assert len(reason) <= 1024
    assert reason.startswith("AlgorithmError: ")
    assert reason.endswith(f", exit code: {exit_code}")


@given(st.text(max_size=900))
def test_compose_failure_reason_of_a_short_text_keeps_all_of_it(text: str) -> None:
    assert text in compose_failure_reason(text, 1)


def test_compose_failure_reason_without_a_file_is_the_common_one() -> None:
    assert compose_failure_reason(None, 1) == "AlgorithmError: , exit code: 1"
    assert compose_failure_reason("", 127) == "AlgorithmError: , exit code: 127"


def test_compose_failure_reason_out_of_memory_hides_the_exit_code() -> None:
    assert compose_failure_reason("Killed", 137, is_out_of_memory=True) == OUT_OF_MEMORY_REASON


@given(st.text(max_size=3000), st.text(max_size=50))
def test_render_failure_text_begins_with_the_summary_in_one_short_line(summary: str, detail: str) -> None:
    text = render_failure_text(summary, detail)
    first_line = text[: len(text) - len(detail) - 1] if detail else text

    assert len(first_line) <= 1024
    assert len(first_line.splitlines()) <= 1
    assert first_line == " ".join(summary.split())[:1024]
