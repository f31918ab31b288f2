"""An algorithm module under a launcher: each process is ``python -m seatrial.runtime.training.launchers.rank``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from seatrial.contract.layout import OptMl
from seatrial.contract.training import read_resource_config
from seatrial.runtime.algorithm import ALGORITHM, search_directories
from seatrial.runtime.training.hosts import LOCAL_MODE, launch_cluster, wait_for_names
from seatrial.runtime.training.launchers.choice import LaunchSettings
from seatrial.runtime.training.launchers.launch import SHARED_VARIABLES, Launch, run_launched
from seatrial.runtime.training.stopping import Stopping

_RANK_MODULE = "seatrial.runtime.training.launchers.rank"


def run_launched_algorithm(
    settings: LaunchSettings, hyperparameters: Mapping[str, str], opt_ml: OptMl, stopping: Stopping
) -> bool:
    """Run this host's part to its end; errors as of ``run_launched``.

    Returns:
        False on a host that the launcher does not use: it runs the module by itself.
    """
    config = read_resource_config(opt_ml)
    cluster = launch_cluster(config, hyperparameters)
    if cluster is None:
        return False
    if os.environ.get(LOCAL_MODE, "").lower() != "true":
        wait_for_names(cluster.hosts, stopping)
    run_launched(
        Launch(
            settings=settings,
            cluster=cluster,
            command=(sys.executable, "-m", _RANK_MODULE),
            python_arguments=("-m", _RANK_MODULE),
            cwd=Path.cwd(),
            # A process of the launcher's own, a Dask worker say, imports what the module defines by the module's name.
            environment={**os.environ, "PYTHONPATH": _python_path(search_directories(Path.cwd(), opt_ml))},
            shared_variables=(ALGORITHM, *SHARED_VARIABLES),
            stopping=stopping,
        )
    )
    return True


def _python_path(directories: tuple[Path, ...]) -> str:
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([*map(str, directories), *([inherited] if inherited else [])])
