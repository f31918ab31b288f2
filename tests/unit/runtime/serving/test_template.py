from __future__ import annotations

import re
from importlib.metadata import requires

from seatrial.runtime.serving.template import SERVE_EXTRA


def test_serve_extra_is_what_the_distribution_declares() -> None:
    declared = [line for line in requires("seatrial") or [] if re.search(r"""extra == ['"]serve['"]""", line)]

    assert {re.split(r"[^A-Za-z0-9_]", line)[0] for line in declared} == SERVE_EXTRA
