"""Every path under ``/opt/ml``, with a replaceable root. Source: contract.md §1.2, §2.4, §2.7."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

OPT_ML = PurePosixPath("/opt/ml")


@dataclass(frozen=True, slots=True)
class OptMl:
    """The ``/opt/ml`` tree below ``root``: inside a container ``Path("/opt/ml")``, elsewhere any directory."""

    root: Path = Path(OPT_ML)

    @property
    def input_dir(self) -> Path:
        return self.root / "input"

    @property
    def input_config_dir(self) -> Path:
        return self.root / "input" / "config"

    @property
    def input_data_dir(self) -> Path:
        return self.root / "input" / "data"

    @property
    def hyperparameters_file(self) -> Path:
        return self.input_config_dir / "hyperparameters.json"

    @property
    def input_data_config_file(self) -> Path:
        return self.input_config_dir / "inputdataconfig.json"

    @property
    def resource_config_file(self) -> Path:
        return self.input_config_dir / "resourceconfig.json"

    @property
    def misspelt_resource_config_file(self) -> Path:
        """The documentation's spelling, found in old test trees; SageMaker writes the lower-case name (§1.3)."""
        return self.input_config_dir / "resourceConfig.json"

    @property
    def checkpoint_config_file(self) -> Path:
        return self.input_config_dir / "checkpointconfig.json"

    def channel_dir(self, channel_name: str) -> Path:
        """File and FastFile mode: the channel's files."""
        return self.input_data_dir / channel_name

    def channel_fifo(self, channel_name: str, epoch: int) -> Path:
        """Pipe mode: the FIFO of one epoch, epochs counted from 0 (§1.5)."""
        return self.input_data_dir / f"{channel_name}_{epoch}"

    @property
    def model_dir(self) -> Path:
        return self.root / "model"

    @property
    def models_dir(self) -> Path:
        """Multi-model endpoints: one directory a model (§2.7)."""
        return self.root / "models"

    @property
    def output_dir(self) -> Path:
        return self.root / "output"

    @property
    def output_data_dir(self) -> Path:
        return self.root / "output" / "data"

    @property
    def output_intermediate_dir(self) -> Path:
        return self.root / "output" / "intermediate"

    @property
    def failure_file(self) -> Path:
        return self.root / "output" / "failure"

    @property
    def success_file(self) -> Path:
        """Written by the training toolkit on success; SageMaker ignores it."""
        return self.root / "output" / "success"

    @property
    def metrics_dir(self) -> Path:
        return self.root / "output" / "metrics" / "sagemaker"

    @property
    def checkpoint_dir(self) -> Path:
        """The default of ``CheckpointConfig.LocalPath`` (§1.8)."""
        return self.root / "checkpoints"

    @property
    def code_dir(self) -> Path:
        """Script mode: the user's code."""
        return self.root / "code"

    @property
    def model_code_dir(self) -> Path:
        """Inference toolkit: ``inference.py`` and ``requirements.txt`` inside the model archive (§2.4)."""
        return self.root / "model" / "code"
