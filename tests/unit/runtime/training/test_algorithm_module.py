from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seatrial.contract.layout import OptMl
from seatrial.contract.training import write_hyperparameters
from seatrial.core.errors import ContractError
from seatrial.runtime.training.algorithm_module import call_train, find_train, load_algorithm
from seatrial.runtime.training.job import Job, read_job
from seatrial.runtime.training.program import Program, ProgramKind
from seatrial.runtime.training.stopping import Stopping


@dataclass
class Settings:
    epochs: int


@pytest.fixture
def opt_ml(tmp_path: Path) -> OptMl:
    tree = OptMl(tmp_path / "ml")
    write_hyperparameters(tree, {"epochs": '"3"', "sagemaker_region": "x"})
    return tree


@pytest.fixture
def job(opt_ml: OptMl) -> Job:
    return read_job(opt_ml, Stopping())


@pytest.fixture(autouse=True)
def _restored_modules() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(directory: Path, name: str, source: str) -> Path:
    path = directory / name
    path.write_text(source)
    return path


def given_to(train: Callable[..., Any], job: Job, opt_ml: OptMl) -> Any:
    call_train(train, job, opt_ml)
    return seen.pop()


seen: list[Any] = []


def test_call_train_with_one_parameter_gives_the_job(job: Job, opt_ml: OptMl) -> None:
    def train(job: Job) -> None:
        seen.append(job)

    assert given_to(train, job, opt_ml) is job


def test_call_train_with_a_dataclass_converts_hyperparameters(job: Job, opt_ml: OptMl) -> None:
    def train(job: Job, hyperparameters: Settings) -> None:
        seen.append(hyperparameters)

    assert given_to(train, job, opt_ml) == Settings(3)


def test_call_train_without_annotation_gives_a_dict(job: Job, opt_ml: OptMl) -> None:
    def plain(job, settings):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        seen.append(settings)

    def annotated(job: Job, settings: Mapping[str, object]) -> None:
        seen.append(settings)

    assert given_to(plain, job, opt_ml) == {"epochs": "3"}
    assert given_to(annotated, job, opt_ml) == {"epochs": "3"}


def test_call_train_that_is_a_coroutine_runs_it_to_its_end(job: Job, opt_ml: OptMl) -> None:
    async def train(job: Job, hyperparameters: Settings, verbose: bool = False) -> None:
        seen.append(hyperparameters)

    assert given_to(train, job, opt_ml) == Settings(3)


def no_parameter() -> None: ...


def three_parameters(job: Job, hyperparameters: Settings, other: int) -> None: ...


def keyword_only(job: Job, *, other: int) -> None: ...


def a_number(job: Job, hyperparameters: int) -> None: ...


def unresolvable(job: Job, hyperparameters: Unknown) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("train", [no_parameter, three_parameters, keyword_only, a_number, unresolvable])
def test_call_train_with_other_parameters_names_the_function(
    job: Job, opt_ml: OptMl, train: Callable[..., None]
) -> None:
    with pytest.raises(ContractError) as caught:
        call_train(train, job, opt_ml)

    assert caught.value.code == "algorithm-train-signature"
    assert __file__ in str(caught.value.where)


def test_load_algorithm_from_a_file_is_known_by_its_own_name(tmp_path: Path) -> None:
    write(tmp_path, "helper_of_algorithm.py", "X = 5")
    path = write(tmp_path, "my_algorithm.py", "from helper_of_algorithm import X\ndef train(job): ...")

    module = load_algorithm(Program(ProgramKind.ALGORITHM_FILE, str(path)))

    assert module.__name__ == "my_algorithm"
    assert sys.modules["my_algorithm"] is module
    assert find_train(module).__module__ == "my_algorithm"


def test_load_algorithm_whose_name_is_taken_hides_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "json.py", "def train(job): ...")

    assert load_algorithm(Program(ProgramKind.ALGORITHM_FILE, str(path))) is not sys.modules["json"]


def test_load_algorithm_by_dotted_name_looks_into_the_directories(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    write(tmp_path / "pack", "__init__.py", "")
    write(tmp_path / "pack", "algo.py", "def train(job): ...")

    assert load_algorithm(Program(ProgramKind.ALGORITHM_NAME, "pack.algo", (tmp_path,))).__name__ == "pack.algo"


def test_load_algorithm_that_does_not_exist_is_a_contract_error(tmp_path: Path) -> None:
    with pytest.raises(ContractError) as caught:
        load_algorithm(Program(ProgramKind.ALGORITHM_NAME, "no_such_module.at_all", (tmp_path,)))

    assert caught.value.code == "algorithm-not-found"


def test_load_algorithm_that_lacks_a_package_tells_which(tmp_path: Path) -> None:
    write(tmp_path, "lacking.py", "import no_such_package")

    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        load_algorithm(Program(ProgramKind.ALGORITHM_NAME, "lacking", (tmp_path,)))


@pytest.mark.parametrize(("source", "found"), [("x = 1", "no such name"), ("train = 1", "train is of type int")])
def test_find_train_without_a_function_names_the_file(tmp_path: Path, source: str, found: str) -> None:
    path = write(tmp_path, "algo_without_train.py", source)

    with pytest.raises(ContractError) as caught:
        find_train(load_algorithm(Program(ProgramKind.ALGORITHM_FILE, str(path))))

    assert caught.value.code == "algorithm-without-train"
    assert caught.value.where == str(path)
    assert caught.value.found == found
