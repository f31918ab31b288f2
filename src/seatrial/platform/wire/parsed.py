"""What a request holds, as Python values."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

Parameters: TypeAlias = "dict[str, Any]"
"""Values as boto3's user would pass them, by the model's member names.

str, bool, int, float, bytes (blob), aware UTC datetime (timestamp), list, and dict for structures and maps. A member
that was left out, or sent as JSON's null, is not there; a null inside a list or a map is ``None`` and is refused by
``validation``.
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A request that could be read.

    Attributes:
        parameters: See ``Parameters``.
        unknown: Paths of what was sent and is not in the model, such as ``ResourceConfig.InstanceCnt`` or
            ``InputDataConfig[0].Foo``; never dropped without a word.
    """

    parameters: Parameters
    unknown: tuple[str, ...] = ()
