"""An instance type on this machine: the limits of its container, and what differs from AWS, in sentences for its log.

A container never gets more than its instance type has, and never less than this machine has where that is smaller:
the type is a promise that we cannot keep then, and its log says so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.contract.instance_types import GIB, Accelerator, find_accelerator, find_size
from seatrial.engines.base import ResourceLimits

_DEVICES = {Accelerator.GPU: r"nvidia[0-9]+|dxg", Accelerator.NEURON: r"neuron[0-9]+"}
"""What stands in ``/dev`` for one; the second of a GPU is Windows' for all of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the containers of this platform share."""

    cpu_count: int
    memory_bytes: int
    accelerator_counts: Mapping[Accelerator, int] = field(default_factory=dict)

    def has_accelerator_of(self, instance_type: str) -> bool:
        """Whether a container gets what the type's family computes with."""
        wanted = find_accelerator(instance_type)
        return wanted is None or self.accelerator_counts.get(wanted, 0) > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceLimits:
    """What a container gets, and what is to be said about it."""

    limits: ResourceLimits
    notices: tuple[str, ...] = ()


def limits_of(instance_type: str, machine: Machine) -> InstanceLimits:
    """The limits that make a container of this machine one of the instance type."""
    size = find_size(instance_type)
    accelerator = find_accelerator(instance_type)
    has_gpus = accelerator is Accelerator.GPU
    if size is None:
        notice = f"the size of instance type {instance_type} is not known here: the container has all of this machine"
        return InstanceLimits(limits=ResourceLimits(has_gpus=has_gpus), notices=(notice,))
    limits = ResourceLimits(
        cpu_count=size.vcpu_count if size.vcpu_count < machine.cpu_count else None,
        memory_bytes=size.memory_bytes if size.memory_bytes < machine.memory_bytes else None,
        has_gpus=has_gpus,
    )
    wanted, found = [], []
    if size.vcpu_count > machine.cpu_count:
        wanted.append(f"{size.vcpu_count} vCPU")
        found.append(f"{machine.cpu_count} vCPU")
    if size.memory_bytes > machine.memory_bytes:
        wanted.append(f"{size.memory_gib:g} GiB")
        found.append(f"{machine.memory_bytes / GIB:.1f} GiB")
    if accelerator is not None:
        count = machine.accelerator_counts.get(accelerator, 0)
        if count != size.accelerator_count:
            wanted.append(f"{size.accelerator_count} {accelerator.value}s")
            found.append(f"{count} {accelerator.value}s")
    if not wanted:
        return InstanceLimits(limits=limits)
    notice = f"{instance_type} has {', '.join(wanted)}, this machine {', '.join(found)}: the container has those"
    return InstanceLimits(limits=limits, notices=(notice,))


def this_machine(device_dir: Path = Path("/dev")) -> Machine:
    """Measure the machine that runs this."""
    import psutil  # noqa: PLC0415 (only a platform asks)

    names = os.listdir(device_dir) if device_dir.is_dir() else []
    counts = {kind: sum(1 for name in names if re.fullmatch(text, name)) for kind, text in _DEVICES.items()}
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Machine(cpu_count=affinity or 1, memory_bytes=int(psutil.virtual_memory().total), accelerator_counts=counts)
