"""How many processors the container has, counted as AWS's training toolkit counts them. Source: contract.md §1.4."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

_TIMEOUT_SECONDS = 60.0
"""A sick GPU makes its driver's tool hang."""


def count_cpus() -> int:
    return os.cpu_count() or 1


def count_gpus() -> int:
    """Lines of ``nvidia-smi --list-gpus`` that start with ``GPU``; 0 where there is no such tool."""
    return sum(line.startswith("GPU ") for line in _output("nvidia-smi", "--list-gpus").splitlines())


def count_neuron_cores() -> int:
    """Sum of ``nc_count`` in ``neuron-ls -j``; 0 where there is no such tool."""
    try:
        devices = json.loads(_output("neuron-ls", "-j") or "[]")
        return sum(int(device.get("nc_count", 0)) for device in devices)
    except (ValueError, AttributeError, TypeError):
        return 0


def _output(program: str, *arguments: str) -> str:
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
