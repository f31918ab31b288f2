"""``pip install seatrial`` alone: what it pulls, what runs, and what a start costs."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from job_dir import JobDir

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with this project and what it cannot do without."""
    home = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    python = home / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", str(ROOT)], check=True)
    return python


@pytest.mark.timeout(600)
def test_a_bare_install_pulls_msgspec_at_most_and_trains(bare_python: Path, job_dir: JobDir) -> None:
    listed = subprocess.run(
        [str(bare_python), "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True
    )
    packages = {package["name"] for package in json.loads(listed.stdout)}
    job_dir.algorithm(
        """
import dataclasses

@dataclasses.dataclass
class Settings:
    epochs: int

def train(job, settings: Settings):
    (job.model_dir / "model").write_text(str(settings.epochs))
"""
    )
    job_dir.configure(epochs='"3"')

    run = job_dir.run(str(bare_python.with_name("train")))

    assert packages - {"pip", "setuptools", "wheel"} <= {"seatrial", "msgspec"}
    assert run.process.returncode == 0, run.lines
    assert (job_dir.opt_ml.model_dir / "model").read_text() == "3"


@pytest.mark.timeout(600)
def test_seatrial_without_its_command_line_says_what_to_install(bare_python: Path) -> None:
    done = subprocess.run([str(bare_python.with_name("seatrial"))], check=False, capture_output=True, text=True)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "the command line is not installed: run pip install 'seatrial[platform]'\n"


def test_a_start_of_train_costs_at_most_the_budget_over_a_bare_interpreter() -> None:
    """Of CPU time, in the best of as many runs as it takes on a machine whose cores are shared."""
    spec = importlib.util.spec_from_file_location("import_time", ROOT / "benchmarks" / "import_time.py")
    assert spec
    assert spec.loader
    import_time = importlib.util.module_from_spec(spec)
    sys.modules["import_time"] = import_time
    spec.loader.exec_module(import_time)

    assert import_time.added_cpu_milliseconds(15, 150) <= import_time.BUDGET_MS


@pytest.mark.parametrize("module", ["seatrial.runtime.main", "seatrial.runtime.training.run"])
def test_a_start_loads_nothing_that_it_does_not_use(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())

    assert not loaded & {
        "msgspec",
        "numpy",
        "uvicorn",
        "click",
        "docker",
        "asyncio",
        "subprocess",
        "tarfile",
        "logging",
    }
