from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.errors import ContractError
from seatrial.runtime.training.launchers.choice import Launcher, LaunchSettings, choose_launcher

TORCHRUN = {"sagemaker_torch_distributed_enabled": "true"}
MPI = {"sagemaker_mpi_enabled": "true"}


def settings_file(directory: Path, text: str) -> tuple[Path, ...]:
    (directory / "seatrial.toml").write_text(text)
    return (directory / "elsewhere", directory)


def test_choose_launcher_of_a_job_that_names_none_is_none(tmp_path: Path) -> None:
    assert choose_launcher({"sagemaker_mpi_enabled": "false"}, (tmp_path,)) is None
    assert choose_launcher({}, settings_file(tmp_path, "honours_base_dir = true\n")) is None


@pytest.mark.parametrize(("asked", "launcher"), [(TORCHRUN, Launcher.TORCHRUN), (MPI, Launcher.MPIRUN)])
def test_choose_launcher_follows_the_toolkits_hyperparameters(asked: dict[str, str], launcher: Launcher) -> None:
    chosen = choose_launcher({**asked, "sagemaker_mpi_num_of_processes_per_host": "4"}, ())

    assert chosen == LaunchSettings(launcher=launcher, processes_per_host=4)


def test_choose_launcher_reads_mpi_options_and_the_count_of_all_processes() -> None:
    options = "\"--verbose -x NAME='two words'\""
    chosen = choose_launcher(
        {**MPI, "sagemaker_mpi_custom_mpi_options": options, "sagemaker_mpi_num_processes": "3"}, ()
    )

    assert chosen is not None
    assert (chosen.mpi_options, chosen.process_count) == (("--verbose", "-x", "NAME=two words"), 3)


def test_choose_launcher_reads_the_file_beside_the_program(tmp_path: Path) -> None:
    directories = settings_file(tmp_path, '[training]\nlauncher = "dask"\nprocesses_per_host = 2\n')

    assert choose_launcher({}, directories) == LaunchSettings(launcher=Launcher.DASK, processes_per_host=2)
    chosen = choose_launcher({**TORCHRUN, "sagemaker_mpi_num_of_processes_per_host": "1"}, directories)
    assert chosen == LaunchSettings(launcher=Launcher.TORCHRUN, processes_per_host=1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[training]\nlauncher = "horovod"\n', "horovod"),
        ("[training]\nlauncher = 3\n", "3"),
        ("[training]\nprocesses_per_host = 0\n[training.more]\n", "more"),
        ('[training]\nlauncher = "dask"\nprocesses_per_host = 0\n', "0"),
        ('[training]\nlauncher = "dask"\nprocesses_per_host = true\n', "True"),
        ("[training\n", "line 1"),
        ("training = 1\n", "1"),
    ],
)
def test_choose_launcher_with_a_setting_that_cannot_be_says_which(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(ContractError) as raised:
        choose_launcher({}, settings_file(tmp_path, text))

    assert raised.value.code == "launcher-settings-invalid"
    assert found in str(raised.value.found)


def test_choose_launcher_with_two_launchers_refuses() -> None:
    with pytest.raises(ContractError, match="two launchers"):
        choose_launcher({**TORCHRUN, **MPI}, ())


@given(
    st.sampled_from([*TORCHRUN, *MPI, "sagemaker_mpi_num_of_processes_per_host", "sagemaker_mpi_num_processes"]),
    st.text(),
)
def test_choose_launcher_takes_any_text_or_says_what_is_wrong(name: str, value: str) -> None:
    with contextlib.suppress(ContractError):
        choose_launcher({**MPI, name: value}, ())
