"""The examples hold what the founding sample's documentation names, in a form that SageMaker takes."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

from seatrial.contract.layout import OptMl
from seatrial.contract.training import read_hyperparameters, read_input_data_config, read_resource_config

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
CLASSIC = EXAMPLES / "decision-trees"
OURS = EXAMPLES / "decision-trees-seatrial"
FOREST = EXAMPLES / "forest-on-three-hosts"
TEST_DIR = CLASSIC / "local_test/test_dir"

PARTS = {
    "Dockerfile",
    "build_and_push.sh",
    "decision_trees/nginx.conf",
    "decision_trees/predictor.py",
    "decision_trees/serve",
    "decision_trees/train",
    "decision_trees/wsgi.py",
    "local_test/train_local.sh",
    "local_test/serve_local.sh",
    "local_test/predict.sh",
    "local_test/payload.csv",
    "local_test/test_dir/input/config/hyperparameters.json",
    "local_test/test_dir/input/config/inputdataconfig.json",
    "local_test/test_dir/input/config/resourceconfig.json",
    "local_test/test_dir/input/data/training/iris.csv",
}
"""Every part of the classic container that its documentation names."""


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "examples"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).exists()]


def programs() -> list[Path]:
    return [path for path in tracked_files() if path.read_bytes().startswith(b"#!")]


def test_classic_example_has_every_part() -> None:
    missing = {part for part in PARTS if not (CLASSIC / part).is_file()}

    assert not missing


def test_programs_have_the_run_bit_in_git() -> None:
    listing = subprocess.run(
        ["git", "ls-files", "-s", "examples"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modes = {line.split("\t")[1]: line.split()[0] for line in listing.stdout.splitlines()}
    names = [str(path.relative_to(ROOT)) for path in programs()]

    assert len(names) == 6
    assert {name: modes[name] for name in names} == dict.fromkeys(names, "100755")


def test_files_have_no_carriage_returns() -> None:
    """A carriage return at the end of a ``#!`` line makes a program unstartable (contract.md §7, row 6)."""
    assert [path for path in tracked_files() if b"\r" in path.read_bytes()] == []


@pytest.mark.parametrize(
    "dockerfile",
    [CLASSIC / "Dockerfile", OURS / "Dockerfile", FOREST / "Dockerfile"],
    ids=lambda path: path.parent.name,
)
def test_dockerfile_leaves_the_start_to_the_program_on_path(dockerfile: Path) -> None:
    """With neither ENTRYPOINT nor CMD the words ``train`` and ``serve`` are the programs (contract.md §1.1)."""
    text = dockerfile.read_text()

    assert not re.search(r"^(ENTRYPOINT|CMD|USER)\b", text, re.MULTILINE)
    assert re.search(r"^FROM debian:bookworm-slim$", text, re.MULTILINE)
    assert re.search(r"^WORKDIR /opt/program$", text, re.MULTILINE)
    assert "PYTHONUNBUFFERED=1" in text


def test_classic_example_does_not_know_seatrial() -> None:
    sources = [path for path in tracked_files() if path.is_relative_to(CLASSIC) and path.name != "README.md"]

    assert [path for path in sources if "seatrial" in path.read_text().lower()] == []


def test_test_dir_is_what_sagemaker_lays_out() -> None:
    opt_ml = OptMl(TEST_DIR)

    assert read_hyperparameters(opt_ml) == {"max_leaf_nodes": "5"}
    assert list(read_input_data_config(opt_ml)) == ["training"]
    assert read_resource_config(opt_ml).hosts == ("algo-1",)
    # Compact JSON without a final newline; 107 bytes for one channel (contract.md §1.3).
    for file in (TEST_DIR / "input/config").iterdir():
        text = file.read_text()
        assert text == json.dumps(json.loads(text), separators=(",", ":"))
    assert (TEST_DIR / "input/config/inputdataconfig.json").stat().st_size == 107


def test_iris_has_the_species_first_and_all_records() -> None:
    records = [line.split(",") for line in (TEST_DIR / "input/data/training/iris.csv").read_text().splitlines()]

    assert len(records) == 150
    assert {len(record) for record in records} == {5}
    counts = {species: sum(record[0] == species for record in records) for species in {record[0] for record in records}}
    assert counts == {"setosa": 50, "versicolor": 50, "virginica": 50}
    assert all(float(field) > 0 for record in records for field in record[1:])


def test_payload_has_measurements_only() -> None:
    records = [line.split(",") for line in (CLASSIC / "local_test/payload.csv").read_text().splitlines()]

    assert len(records) == 30
    assert {len(record) for record in records} == {4}
    assert all(float(field) > 0 for record in records for field in record)


def test_seatrial_example_is_one_small_file() -> None:
    source = (OURS / "algorithm.py").read_text()
    functions = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]

    assert functions == ["train", "model_fn", "predict_fn"]
    assert len(source.splitlines()) <= 36
