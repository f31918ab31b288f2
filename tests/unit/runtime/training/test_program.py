from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.contract.layout import OptMl
from seatrial.core.errors import ContractError
from seatrial.runtime.training.program import Program, ProgramKind, find_program


def algorithm(path: Path) -> Program:
    return Program(ProgramKind.ALGORITHM_FILE, str(path))


@pytest.fixture
def directories(tmp_path: Path) -> tuple[Path, OptMl]:
    work, opt_ml = tmp_path / "work", OptMl(tmp_path / "ml")
    work.mkdir()
    opt_ml.code_dir.mkdir(parents=True)
    return work, opt_ml


@pytest.mark.parametrize("value", ["train.py", '"train.py"'])
def test_find_program_named_by_hyperparameter_is_a_script(directories: tuple[Path, OptMl], value: str) -> None:
    work, opt_ml = directories
    (work / "algorithm.py").touch()

    assert find_program({}, {"sagemaker_program": value}, opt_ml, work) == Program(ProgramKind.SCRIPT, "train.py")


def test_find_program_named_by_both_takes_the_environment_s(directories: tuple[Path, OptMl]) -> None:
    """AWS's toolkit does so too."""
    work, opt_ml = directories

    found = find_program({"SAGEMAKER_PROGRAM": "env.py"}, {"sagemaker_program": "hp.py"}, opt_ml, work)

    assert found == Program(ProgramKind.SCRIPT, "env.py")


def test_find_program_unnamed_prefers_the_working_directory(directories: tuple[Path, OptMl]) -> None:
    work, opt_ml = directories
    (opt_ml.code_dir / "algorithm.py").touch()
    assert find_program({}, {}, opt_ml, work) == algorithm(opt_ml.code_dir / "algorithm.py")

    (work / "algorithm.py").touch()
    assert find_program({}, {}, opt_ml, work) == algorithm(work / "algorithm.py")


@pytest.mark.parametrize("named", ["other.py", "sub/other.py"])
def test_find_program_with_a_named_file_takes_it(directories: tuple[Path, OptMl], named: str) -> None:
    work, opt_ml = directories
    (work / named).parent.mkdir(exist_ok=True)
    (work / named).touch()

    assert find_program({"SEATRIAL_ALGORITHM": named}, {}, opt_ml, work) == algorithm(work / named)


def test_find_program_with_a_dotted_name_takes_the_module(directories: tuple[Path, OptMl]) -> None:
    work, opt_ml = directories

    found = find_program({"SEATRIAL_ALGORITHM": "package.module"}, {}, opt_ml, work)

    assert found == Program(ProgramKind.ALGORITHM_NAME, "package.module", (work, opt_ml.code_dir, Path("/opt/program")))


def test_find_program_with_nothing_there_tells_where_it_looked(directories: tuple[Path, OptMl]) -> None:
    work, opt_ml = directories

    with pytest.raises(ContractError) as caught:
        find_program({}, {}, opt_ml, work)

    assert caught.value.code == "training-program-not-found"
    assert caught.value.where == f"{work}, {opt_ml.code_dir}, /opt/program"


def test_find_program_with_a_missing_named_file_names_it(directories: tuple[Path, OptMl]) -> None:
    work, opt_ml = directories

    with pytest.raises(ContractError, match=r"'mine\.py' does not exist") as caught:
        find_program({"SEATRIAL_ALGORITHM": "mine.py"}, {}, opt_ml, work)

    assert caught.value.code == "algorithm-not-found"
