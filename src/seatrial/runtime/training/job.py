"""The job as an algorithm module sees it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from seatrial.contract.environment import user_hyperparameters
from seatrial.contract.layout import OptMl
from seatrial.contract.metrics import render_metric_line
from seatrial.contract.training import (
    CheckpointConfig,
    ResourceConfig,
    read_checkpoint_config,
    read_hyperparameters,
    read_input_data_config,
    read_resource_config,
)
from seatrial.core.errors import ContractError
from seatrial.runtime.training.channels import Channels, make_channels
from seatrial.runtime.training.stopping import Stopping


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One training job on one host: what came in, where results go, who the peers are."""

    hyperparameters: Mapping[str, object]
    """The user's own, decoded: ``"0.1"`` is a number, ``"adam"`` with or without JSON's quotes a text."""
    channels: Channels
    resource_config: ResourceConfig
    stopping: Stopping
    """True once SIGTERM has come: save what is worth saving and return, within 120 seconds."""
    model_dir: Path
    """Becomes ``model.tar.gz``."""
    output_dir: Path
    """``/opt/ml/output/data``: everything else that is worth keeping; becomes ``output.tar.gz``."""
    checkpoint_dir: Path
    """Kept in step with S3 when the job has a ``CheckpointConfig``; pass over ``*.sagemaker-upload*`` files there."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """All hosts of the job, the same on each of them."""
        return self.resource_config.hosts

    @property
    def current_host(self) -> str:
        return self.resource_config.current_host

    @property
    def network_interface_name(self) -> str:
        return self.resource_config.network_interface_name

    @property
    def rank(self) -> int:
        """This host's place among ``hosts``, from 0.

        Raises:
            ContractError: this host is not among them.
        """
        if self.current_host not in self.hosts:
            raise ContractError(
                "host-not-in-hosts",
                "the current host is not among the job's hosts",
                found=f"'{self.current_host}', hosts {', '.join(map(repr, self.hosts))}",
                fix="mend resourceconfig.json",
            )
        return self.hosts.index(self.current_host)

    @property
    def is_leader(self) -> bool:
        """True on one host of the job: the one that writes what all share."""
        return self.rank == 0

    def log_metric(self, name: str, value: float) -> None:
        """Print ``metric NAME=VALUE`` on a line of its own.

        ``seatrial.contract.metrics.metric_regex(name)`` is the ``Regex`` for the job's ``MetricDefinitions``; for a
        metric ``loss`` it is ``metric loss=([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)``.

        Raises:
            ContractError: SageMaker takes no such name.
        """
        sys.stdout.write(f"{render_metric_line(name, value)}\n")
        sys.stdout.flush()


def read_job(opt_ml: OptMl, stopping: Stopping) -> Job:
    """Read the job from its configuration files and make its output directories.

    Raises:
        ContractError: a configuration file is broken.
    """
    checkpoints = read_checkpoint_config(opt_ml)
    job = Job(
        hyperparameters=MappingProxyType(user_hyperparameters(read_hyperparameters(opt_ml))),
        channels=make_channels(read_input_data_config(opt_ml), opt_ml, stopping),
        resource_config=read_resource_config(opt_ml),
        stopping=stopping,
        model_dir=opt_ml.model_dir,
        output_dir=opt_ml.output_data_dir,
        checkpoint_dir=_checkpoint_dir(checkpoints, opt_ml),
    )
    for directory in (job.model_dir, job.output_dir, job.checkpoint_dir):
        with contextlib.suppress(OSError):  # the error belongs to the write that needs the directory
            directory.mkdir(parents=True, exist_ok=True)
    return job


def _checkpoint_dir(config: CheckpointConfig | None, opt_ml: OptMl) -> Path:
    if config is None:
        return opt_ml.checkpoint_dir
    path = Path(config.local_path)
    default_root = OptMl().root
    # The file names the path that SageMaker uses; a moved tree moves what lies below /opt/ml with it.
    return opt_ml.root / path.relative_to(default_root) if path.is_relative_to(default_root) else path
