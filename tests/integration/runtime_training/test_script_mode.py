"""``train`` in script mode, as real processes: what AWS's training toolkit runs must run unchanged."""

from __future__ import annotations

import json
import re
import signal
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seatrial.core.subprocesses import DRAIN_SECONDS

if TYPE_CHECKING:
    from job_dir import JobDir

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[2] / "unit" / "contract" / "fixtures"
RECORDED = [
    case
    for case in json.loads((FIXTURES / "training_toolkit.json").read_text())["cases"]
    if "sagemaker_torch_distributed_enabled" not in case["hyperparameters"]  # test_torchrun.py has torch
]

TOOLKIT_SCRIPT = """
import argparse, os

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-leaf-nodes", type=int, default=-1)
    parser.add_argument("--model-dir", type=str, default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", type=str, default=os.environ["SM_CHANNEL_TRAINING"])
    parser.add_argument("--output-data-dir", type=str, default=os.environ["SM_OUTPUT_DATA_DIR"])
    args = parser.parse_args()
    data = open(os.path.join(args.train, "iris.csv")).read()
    with open(os.path.join(args.model_dir, "model.joblib"), "w") as model:
        model.write(f"{args.max_leaf_nodes} {data}")
"""

DUMP = """
import json, os, sys
keep = ("SM_", "SAGEMAKER_", "CURRENT_HOST")
environment = {k: v for k, v in os.environ.items() if k.startswith(keep)}
json.dump({"environment": environment, "argv": sys.argv[1:], "cwd": os.getcwd()}, open(os.environ["DUMP_TO"], "w"))
"""


def make_wheel(path: Path, module: str, source: str) -> Path:
    name = f"{module}-1.0.dist-info"
    files = {
        f"{module}.py": source,
        f"{name}/METADATA": f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n",
        f"{name}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    wheel = path / f"{module}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{name}/RECORD", "".join(f"{file},,\n" for file in [*files, f"{name}/RECORD"]))
    return wheel


def test_a_script_that_crashes_in_native_code_leaves_its_python_stack(job_dir: JobDir) -> None:
    job_dir.configure(sagemaker_program="train.py")
    job_dir.code("train.py", "import os, signal\ndef work():\n    os.kill(os.getpid(), signal.SIGSEGV)\nwork()\n")

    run = job_dir.run()

    assert run.process.returncode == 1
    assert "ExitCode 139" in str(job_dir.failure)
    assert "Fatal Python error: Segmentation fault" in str(job_dir.failure)
    assert any('train.py", line 3 in work' in line for line in run.lines)


def test_a_script_written_for_the_toolkit_runs_unchanged(job_dir: JobDir, tmp_path: Path) -> None:
    script = job_dir.write(tmp_path / "source", "train.py", TOOLKIT_SCRIPT)
    with tarfile.open(tmp_path / "sourcedir.tar.gz", "w:gz") as tar:
        tar.add(script, "train.py")
    job_dir.write(job_dir.opt_ml.channel_dir("training"), "iris.csv", "setosa")
    job_dir.opt_ml.model_dir.mkdir()
    job_dir.configure(
        **{
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": json.dumps(str(tmp_path / "sourcedir.tar.gz")),
            "max-leaf-nodes": "30",
        }
    )

    run = job_dir.run()

    assert run.process.returncode == 0, run.lines
    assert (job_dir.opt_ml.model_dir / "model.joblib").read_text() == "30 setosa"
    assert job_dir.opt_ml.success_file.exists()
    assert job_dir.failure is None


@pytest.mark.parametrize("case", RECORDED, ids=[case["name"] for case in RECORDED])
def test_a_script_sees_what_it_sees_under_the_toolkit(job_dir: JobDir, tmp_path: Path, case: dict[str, Any]) -> None:
    for name in ("hyperparameters", "inputdataconfig", "resourceconfig"):
        (job_dir.opt_ml.input_config_dir / f"{name}.json").write_text(json.dumps(case[name]))
    job_dir.code("dump.py", DUMP)
    job_dir.code("bin/dump.sh", f'#!/bin/sh\nexec "{sys.executable}" dump.py "$@"\n')

    run = job_dir.run(SM_STUDIO_LOCAL_MODE="true", TRAINING_JOB_NAME="job-1", DUMP_TO=str(tmp_path / "dump.json"))

    assert run.process.returncode == 0, run.lines
    seen = json.loads((tmp_path / "dump.json").read_text().replace(str(job_dir.opt_ml.root), "{root}"))
    assert (seen["argv"], seen["cwd"]) == (case["argv"], case["cwd"])
    assert machine_independent(seen["environment"]) == machine_independent(case["environment"])


def machine_independent(environment: dict[str, str]) -> dict[str, object]:
    left_out = ("PYTHONPATH", "SM_NUM_CPUS", "SM_STUDIO_LOCAL_MODE", "SM_TRAINING_ENV")
    training_env = json.loads(environment["SM_TRAINING_ENV"]) | {"num_cpus": None}
    return {name: value for name, value in environment.items() if name not in left_out} | {"env": training_env}


def test_a_script_that_raises_leaves_the_toolkit_s_failure_text(job_dir: JobDir) -> None:
    job_dir.code("train.py", "def main():\n    raise ValueError('the data is bad')\nmain()\n")
    job_dir.configure(sagemaker_program="train.py", epochs="3")

    run = job_dir.run()

    assert run.process.returncode == 1
    assert re.fullmatch(
        'ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: the data is bad"\n'
        'Command "/.*/python[0-9.]* -- train.py --epochs 3"',
        job_dir.failure or "",
    )
    assert "Traceback (most recent call last):" in run.lines
    assert not job_dir.opt_ml.success_file.exists()


@pytest.mark.parametrize(
    ("body", "exit_code", "part"),
    [
        ("import sys; sys.exit(3)", 3, 'ErrorMessage ""'),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, "OutOfMemory: Process killed by SIGKILL"),
        ("import sys; sys.exit('no data')", 1, 'ErrorMessage "no data"'),
    ],
)
def test_a_script_that_ends_badly_makes_train_exit_1_and_tells_its_code(
    job_dir: JobDir, body: str, exit_code: int, part: str
) -> None:
    job_dir.code("train.py", body)
    job_dir.configure(sagemaker_program="train.py")

    assert job_dir.run().process.returncode == 1
    assert f"ExitCode {exit_code}\n" in str(job_dir.failure)
    assert part in str(job_dir.failure)


def test_a_script_that_wrote_its_own_failure_file_keeps_it(job_dir: JobDir) -> None:
    job_dir.code(
        "train.py",
        "import os\nopen(os.path.join(os.environ['SM_OUTPUT_DIR'], 'failure'), 'w').write('mine')\nraise SystemExit(1)",
    )
    job_dir.opt_ml.output_dir.mkdir()
    job_dir.configure(sagemaker_program="train.py")

    assert job_dir.run().process.returncode == 1
    assert job_dir.failure == "mine"


@pytest.mark.parametrize("name", ["s3://bucket/sourcedir.tar.gz", "https://host/sourcedir.tar.gz"])
def test_a_source_that_is_elsewhere_is_refused_in_one_line(job_dir: JobDir, name: str) -> None:
    job_dir.configure(sagemaker_program="train.py", sagemaker_submit_directory=name)

    run = job_dir.run()

    assert run.process.returncode == 1
    assert len(run.lines) == 1
    assert "error[submit-directory-remote]" in run.lines[0]
    assert name in run.lines[0]


def test_a_launcher_of_another_framework_is_said_to_be_left_out(job_dir: JobDir) -> None:
    job_dir.code("train.py", "print('trained')")
    job_dir.configure(sagemaker_program="train.py", sagemaker_parameter_server_enabled="true")

    run = job_dir.run()

    assert run.process.returncode == 0
    assert "'sagemaker_parameter_server_enabled' starts no launcher here" in run.lines[0]


WORKER = """
import pathlib, signal, sys, time

def save(number, frame):
    time.sleep(SAVE_SECONDS)
    pathlib.Path("saved").touch()
    sys.exit(0)

signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""


def test_sigterm_reaches_a_script_s_grandchild_which_may_finish(job_dir: JobDir) -> None:
    job_dir.code("train.sh", f'#!/bin/sh\n"{sys.executable}" worker.py\necho never\n')
    # Longer than the shell above takes to die, and than its output is waited for.
    job_dir.code("worker.py", WORKER.replace("SAVE_SECONDS", str(DRAIN_SECONDS + 1)))
    job_dir.configure(sagemaker_program="train.sh")
    run = job_dir.start()
    run.wait_for_line("ready")

    run.process.send_signal(signal.SIGTERM)
    run.wait()

    assert (job_dir.opt_ml.code_dir / "saved").exists()
    assert "seatrial: SIGTERM is passed on to the program: 120 s to finish" in run.lines
    assert "never" not in run.lines


def test_sigterm_with_a_script_that_saves_and_returns_exits_0(job_dir: JobDir) -> None:
    job_dir.code("train.py", WORKER.replace("SAVE_SECONDS", "0.1"))
    job_dir.configure(sagemaker_program="train.py")
    run = job_dir.start()
    run.wait_for_line("ready")

    run.process.send_signal(signal.SIGTERM)

    assert run.wait() == 0
    assert (job_dir.opt_ml.code_dir / "saved").exists()
    assert job_dir.failure is None


STUBBORN = """
import os, pathlib, signal
from seatrial.runtime.training.child import run_child
from seatrial.runtime.training.stopping import Stopping

run_child(
    ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"],
    cwd=pathlib.Path("."), environment=dict(os.environ), stopping=Stopping(), error_class="E", grace_seconds=0.5,
)
"""


def test_a_program_that_ignores_sigterm_is_killed_when_its_grace_is_over(job_dir: JobDir) -> None:
    run = job_dir.start(sys.executable, "-c", STUBBORN)
    run.wait_for_line("ready")

    run.process.send_signal(signal.SIGTERM)
    run.wait()

    assert "seatrial: the program is killed: it has not ended within 0.5 s" in run.lines
    assert run.lines[-1].startswith("seatrial.runtime.training.script_failure.ScriptFailure: E")


def test_processes_that_a_script_leaves_behind_do_not_outlive_it(job_dir: JobDir) -> None:
    job_dir.code("train.sh", "#!/bin/sh\nsleep 1000 &\necho $! > left_behind\n")
    job_dir.configure(sagemaker_program="train.sh")

    assert job_dir.run().process.returncode == 0

    pid = (job_dir.opt_ml.code_dir / "left_behind").read_text().strip()
    stat = Path(f"/proc/{pid}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_requirements_are_installed_before_the_script_runs(job_dir: JobDir, tmp_path: Path) -> None:
    site = tmp_path / "site"
    make_wheel(
        job_dir.code("requirements.txt", "./seatrial_probe-1.0-py3-none-any.whl\n").parent, "seatrial_probe", "X = 5"
    )
    job_dir.code("train.py", "import seatrial_probe; print('probe', seatrial_probe.X)")
    job_dir.configure(sagemaker_program="train.py")

    run = job_dir.run(PIP_TARGET=str(site), PIP_NO_INDEX="1", PYTHONPATH=str(site))

    assert run.process.returncode == 0, run.lines
    assert run.lines[0].startswith("seatrial: installing in ")
    assert "probe 5" in run.lines


def test_requirements_that_cannot_be_installed_fail_the_job_in_the_toolkit_s_words(job_dir: JobDir) -> None:
    job_dir.code("requirements.txt", "./missing-1.0-py3-none-any.whl\n")
    job_dir.code("train.py", "print('never')")
    job_dir.configure(sagemaker_program="train.py")

    run = job_dir.run(PIP_NO_INDEX="1")

    assert run.process.returncode == 1
    assert str(job_dir.failure).startswith("InstallRequirementsError:\nExitCode 1\n")
    assert "missing-1.0" in str(job_dir.failure)
    assert "never" not in run.lines


BACKEND = """
import zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    info = "probe_package-1.0.dist-info"
    name = "probe_package-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as archive:
        archive.writestr("probe_package/__init__.py", "")
        archive.writestr("probe_package/train.py", "import sys; print('package', sys.argv[1:])")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: probe-package\\nVersion: 1.0\\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", "")
    return name
"""


def test_a_package_is_installed_and_run_as_a_module(job_dir: JobDir, tmp_path: Path) -> None:
    site = tmp_path / "site"
    job_dir.code(
        "pyproject.toml",
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    )
    job_dir.code("backend.py", BACKEND)
    job_dir.configure(sagemaker_program="probe_package.train", n="1")

    run = job_dir.run(PIP_TARGET=str(site), PIP_NO_INDEX="1", PYTHONPATH=str(site))

    assert run.process.returncode == 0, run.lines
    assert "package ['-n', '1']" in run.lines
