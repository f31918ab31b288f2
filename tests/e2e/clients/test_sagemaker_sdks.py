"""What the SageMaker SDKs do besides a plain training job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

SCRIPT = """
import argparse, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
print("depth", parser.parse_args().depth, "of", os.listdir(os.environ["SM_CHANNEL_TRAINING"]))
pathlib.Path(os.environ["SM_MODEL_DIR"], "tree").write_text("oak")
"""


def test_v2_tells_of_a_failure_stops_and_attaches(site: Any, write_program: Callable[[str, str], str]) -> None:
    failing = write_program("failing", "#!/bin/sh\nprintf 'no such column' > /opt/ml/output/failure\nexit 3\n")
    endless = write_program("endless", "#!/bin/sh\ntrap 'exit 0' TERM\nwhile :; do sleep 0.05; done\n")
    shown = site.run("sagemaker2", "sagemaker_v2_jobs.py", failing, endless)

    assert "failed: Error for Training job" in shown
    assert "Reason: AlgorithmError: no such column, exit code: 3" in shown
    assert "stopped: Stopped" in shown
    assert "attached: True s3://sagemaker-us-east-1-000000000000/endless/output/model.tar.gz" in shown


def test_v3_brings_a_script_to_an_image(example: Any, site: Any, iris_channel: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    shown = site.run("sagemaker3", "sagemaker_v3_source_code.py", example.image, iris_channel, tmp_path)

    assert "depth 3 of ['iris.csv']" in shown
    assert "Completed ['training', 'code', 'sm_drivers']" in shown


def test_v2_fit_returns_soon_after_the_end_of_the_job(site: Any, write_program: Callable[[str, str], str]) -> None:
    """SDK v2 alone looks for the end 30 seconds after its first look, and sleeps 10 more."""
    shown = site.run("sagemaker2", "sagemaker_v2_promptness.py", write_program("quick", "#!/bin/sh\nsleep 2\n"))

    assert float(shown.partition("noticed after ")[2].split()[0]) < 15
