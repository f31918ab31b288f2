"""Modules beside the tests, and those that draw pages, can be imported by name."""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE), str(_HERE.parents[1] / "docs" / "_ext")]
