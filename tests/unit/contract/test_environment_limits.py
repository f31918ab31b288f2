from __future__ import annotations

import pytest

from seatrial.contract.environment_limits import check_training_environment
from seatrial.core.errors import ContractError


def test_check_training_environment_at_the_limits_passes() -> None:
    check_training_environment({f"K{number}": "v" * 512 for number in range(99)} | {"K" * 512: ""})


def test_check_training_environment_over_the_limits_names_every_problem() -> None:
    environment = {"1st": "x", "LONG": "v" * 513, "K" * 513: ""} | {f"N{number}": "" for number in range(98)}

    with pytest.raises(ContractError) as caught:
        check_training_environment(environment)

    assert caught.value.code == "environment-over-limit"
    for part in ("101 entries", "'1st'", "'LONG' has 513", "KKK..."):
        assert part in str(caught.value.found)
