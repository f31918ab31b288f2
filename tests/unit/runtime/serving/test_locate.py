from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.contract.layout import OptMl
from seatrial.core.errors import ContractError
from seatrial.runtime.serving.locate import find_handler
from seatrial.runtime.serving.settings import Settings


@pytest.fixture
def opt_ml(tmp_path: Path) -> OptMl:
    opt_ml = OptMl(tmp_path / "ml")
    opt_ml.model_code_dir.mkdir(parents=True)
    opt_ml.code_dir.mkdir()
    return opt_ml


@pytest.fixture
def program_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "program"
    directory.mkdir()
    return directory


def touch(path: Path) -> Path:
    path.touch()
    return path


def test_find_handler_prefers_the_model_archives_inference_py_with_its_requirements(
    opt_ml: OptMl, program_dir: Path
) -> None:
    touch(program_dir / "algorithm.py")
    expected = touch(opt_ml.model_code_dir / "inference.py")
    requirements = touch(opt_ml.model_code_dir / "requirements.txt")
    handler = find_handler(Settings(opt_ml=opt_ml), program_dir)
    assert (handler.path, handler.requirements) == (expected, requirements)


@pytest.mark.parametrize("program", ["entry.py", "entry"])
def test_find_handler_takes_sagemaker_program_with_and_without_suffix(
    opt_ml: OptMl, program_dir: Path, program: str
) -> None:
    expected = touch(opt_ml.model_code_dir / "entry.py")
    assert find_handler(Settings(opt_ml=opt_ml, program=program), program_dir).path == expected


def test_find_handler_looks_into_the_submit_directory_first(opt_ml: OptMl, program_dir: Path, tmp_path: Path) -> None:
    touch(opt_ml.model_code_dir / "inference.py")
    expected = touch(tmp_path / "inference.py")
    settings = Settings(opt_ml=opt_ml, submit_directory=str(tmp_path))
    assert find_handler(settings, program_dir).path == expected


def test_find_handler_falls_back_to_algorithm_py_in_the_order_of_training(opt_ml: OptMl, program_dir: Path) -> None:
    in_opt_ml = touch(opt_ml.code_dir / "algorithm.py")
    settings = Settings(opt_ml=opt_ml)
    assert find_handler(settings, program_dir).path == in_opt_ml
    in_working_directory = touch(program_dir / "algorithm.py")
    assert find_handler(settings, program_dir).path == in_working_directory


def test_find_handler_does_not_install_the_images_own_requirements(opt_ml: OptMl, program_dir: Path) -> None:
    touch(program_dir / "algorithm.py")
    touch(program_dir / "requirements.txt")
    assert find_handler(Settings(opt_ml=opt_ml), program_dir).requirements is None


def test_find_handler_takes_another_name_from_the_environment(opt_ml: OptMl, program_dir: Path) -> None:
    expected = touch(program_dir / "iris.py")
    assert find_handler(Settings(opt_ml=opt_ml, algorithm="iris"), program_dir).path == expected


def test_find_handler_without_any_names_every_place(opt_ml: OptMl, program_dir: Path) -> None:
    with pytest.raises(ContractError) as caught:
        find_handler(Settings(opt_ml=opt_ml, submit_directory="s3://bucket/code.tar.gz"), program_dir)
    assert caught.value.code == "handler-not-found"
    for place in (opt_ml.model_code_dir / "inference.py", program_dir / "algorithm.py"):
        assert str(place) in (caught.value.expected or "")
    assert "s3://bucket/code.tar.gz" in (caught.value.found or "")


@pytest.mark.parametrize(
    ("named", "file"), [("iris", "iris.py"), ("package.iris", "package/iris.py"), ("iris.py", "iris.py")]
)
def test_find_handler_whose_algorithm_does_not_exist_names_the_variable_and_its_value(
    opt_ml: OptMl, program_dir: Path, named: str, file: str
) -> None:
    touch(program_dir / "algorithm.py")  # not what was asked for

    with pytest.raises(ContractError) as caught:
        find_handler(Settings(opt_ml=opt_ml, algorithm=named), program_dir)

    assert caught.value.code == "handler-not-found"
    assert caught.value.found == f"SEATRIAL_ALGORITHM={named}, which names no file and no module"
    assert str(program_dir / file) in (caught.value.expected or "")
    assert "SEATRIAL_ALGORITHM" in (caught.value.fix or "")


def test_find_handler_takes_a_dotted_module_as_train_does(opt_ml: OptMl, program_dir: Path) -> None:
    (program_dir / "package").mkdir()
    expected = touch(program_dir / "package" / "iris.py")
    handler = find_handler(Settings(opt_ml=opt_ml, algorithm="package.iris"), program_dir)
    assert (handler.path, handler.module) == (expected, "package.iris")
