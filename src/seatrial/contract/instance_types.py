"""What machine an instance type is: processors, memory, accelerators. Source: AWS's public pages of EC2 instance types.

Whether a type may be asked for is the API model's business; a type that is in no table here has no known size. What
accelerator a family has is known by its name also then.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

GIB = 1 << 30


class Accelerator(enum.Enum):
    """What a family computes with beside processors."""

    GPU = "GPU"
    NEURON = "Neuron device"


@dataclass(frozen=True, slots=True)
class InstanceSize:
    """One machine."""

    vcpu_count: int
    memory_gib: float
    accelerator_count: int = 0

    @property
    def memory_bytes(self) -> int:
        return round(self.memory_gib * GIB)


_TYPE = re.compile(r"ml\.([a-z0-9-]+)\.([0-9]*)(x?large|medium)")

_MEMORY_GIB_PER_VCPU: Mapping[str, float] = MappingProxyType(
    {
        **dict.fromkeys(("m4", "m5", "m6i", "m7i", "m7i-flex", "m8i", "m8i-flex"), 4.0),
        **dict.fromkeys(("c5", "c6i", "c7i", "c7i-flex", "c8i", "c8i-flex"), 2.0),
        **dict.fromkeys(("r5", "r5d", "r6i", "r7i", "r8i", "r8i-flex"), 8.0),
    }
)
"""Families whose sizes follow one rule: 4 processors for each ``xlarge``, 2 for a ``large``."""

_S = InstanceSize
_G5 = {
    "xlarge": _S(4, 16, 1),
    "2xlarge": _S(8, 32, 1),
    "4xlarge": _S(16, 64, 1),
    "8xlarge": _S(32, 128, 1),
    "12xlarge": _S(48, 192, 4),
    "16xlarge": _S(64, 256, 1),
    "24xlarge": _S(96, 384, 4),
    "48xlarge": _S(192, 768, 8),
}
_SIZES: Mapping[str, Mapping[str, InstanceSize]] = MappingProxyType(
    {
        "t3": {"medium": _S(2, 4), "large": _S(2, 8), "xlarge": _S(4, 16), "2xlarge": _S(8, 32)},
        "c4": {"xlarge": _S(4, 7.5), "2xlarge": _S(8, 15), "4xlarge": _S(16, 30), "8xlarge": _S(36, 60)},
        "c5n": {
            "xlarge": _S(4, 10.5),
            "2xlarge": _S(8, 21),
            "4xlarge": _S(16, 42),
            "9xlarge": _S(36, 96),
            "18xlarge": _S(72, 192),
        },
        "p2": {"xlarge": _S(4, 61, 1), "8xlarge": _S(32, 488, 8), "16xlarge": _S(64, 732, 16)},
        "p3": {"2xlarge": _S(8, 61, 1), "8xlarge": _S(32, 244, 4), "16xlarge": _S(64, 488, 8)},
        "p3dn": {"24xlarge": _S(96, 768, 8)},
        "p4d": {"24xlarge": _S(96, 1152, 8)},
        "p4de": {"24xlarge": _S(96, 1152, 8)},
        "p5": {"4xlarge": _S(16, 256, 1), "48xlarge": _S(192, 2048, 8)},
        "p5e": {"48xlarge": _S(192, 2048, 8)},
        "p5en": {"48xlarge": _S(192, 2048, 8)},
        "p6-b200": {"48xlarge": _S(192, 2048, 8)},
        "p6-b300": {"48xlarge": _S(192, 4096, 8)},
        "p6e-gb200": {"36xlarge": _S(144, 960, 4)},
        "g4dn": {
            "xlarge": _S(4, 16, 1),
            "2xlarge": _S(8, 32, 1),
            "4xlarge": _S(16, 64, 1),
            "8xlarge": _S(32, 128, 1),
            "12xlarge": _S(48, 192, 4),
            "16xlarge": _S(64, 256, 1),
        },
        "g5": _G5,
        "g6": _G5,
        "g6e": {name: _S(size.vcpu_count, size.memory_gib * 2, size.accelerator_count) for name, size in _G5.items()},
        "trn1": {"2xlarge": _S(8, 32, 1), "32xlarge": _S(128, 512, 16)},
        "trn1n": {"32xlarge": _S(128, 512, 16)},
        "trn2": {"48xlarge": _S(192, 2048, 16)},
    }
)
"""Families whose sizes follow no rule."""


def find_size(instance_type: str) -> InstanceSize | None:
    """What a type such as ``ml.m5.large`` is; ``None`` for one that is not known."""
    found = _TYPE.fullmatch(instance_type)
    if found is None:
        return None
    family, factor, size = found.groups()
    if family not in _MEMORY_GIB_PER_VCPU:
        return _SIZES.get(family, {}).get(f"{factor}{size}")
    if size == "medium" or (size == "large" and factor):
        return None
    vcpu_count = 2 if size == "large" else 4 * int(factor or 1)
    return InstanceSize(vcpu_count, vcpu_count * _MEMORY_GIB_PER_VCPU[family])


def find_accelerator(instance_type: str) -> Accelerator | None:
    """What its family computes with, known also where the size is not; ``None``: with processors."""
    family = instance_type.removeprefix("ml.")
    if re.match(r"[pg][0-9]", family):
        return Accelerator.GPU
    return Accelerator.NEURON if re.match(r"(trn|inf)[0-9]", family) else None
