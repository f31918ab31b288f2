from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.metrics import metric_regex, render_metric_line
from seatrial.core.errors import ContractError

NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=40)


@given(NAMES, st.floats(allow_nan=False, allow_infinity=False))
def test_metric_regex_finds_the_value_of_its_own_line(name: str, value: float) -> None:
    found = re.search(metric_regex(name), render_metric_line(name, value))

    assert found
    assert float(found.group(1)) == value


def test_metric_regex_of_a_short_name_finds_nothing_in_a_longer_one() -> None:
    for other in ("val_loss", "loss2", "x loss"):
        assert not re.search(metric_regex("loss"), render_metric_line(other, 0.5))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_metric_regex_finds_no_value_that_is_not_finite(value: float) -> None:
    assert not re.search(metric_regex("loss"), render_metric_line("loss", value))


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 256])
def test_render_metric_line_of_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ContractError) as caught:
        render_metric_line(name, 1.0)

    assert caught.value.code == "metric-name-invalid"
