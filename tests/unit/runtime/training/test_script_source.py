from __future__ import annotations

import json
import shlex
import sys
import tarfile
from pathlib import Path

import pytest

from seatrial.core.errors import ContractError
from seatrial.runtime.training.script_source import (
    EntryPointKind,
    check_entry_point,
    install_command,
    launch_command,
    make_executable,
    prepare_source,
    python_path,
)


@pytest.fixture
def code_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "code"
    directory.mkdir()
    return directory


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "source"
    (directory / "package").mkdir(parents=True)
    (directory / "train.py").write_text("pass")
    (directory / "package" / "__init__.py").touch()
    return directory


def files_in(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_prepare_source_of_a_directory_copies_its_content(source: Path, code_dir: Path) -> None:
    prepare_source(str(source), code_dir)

    assert files_in(code_dir) == {"train.py", "package/__init__.py"}


def test_prepare_source_of_a_directory_around_the_code_directory_copies_the_rest(source: Path) -> None:
    code_dir = source / "code"

    prepare_source(str(source), code_dir)

    assert files_in(code_dir) == {"train.py", "package/__init__.py"}


def test_prepare_source_of_a_directory_with_a_link_to_nowhere_leaves_it_out(source: Path, code_dir: Path) -> None:
    (source / "data").symlink_to("/home/somebody/data")

    prepare_source(str(source), code_dir)

    assert files_in(code_dir) == {"train.py", "package/__init__.py"}


def test_prepare_source_of_an_archive_unpacks_it(source: Path, code_dir: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "sourcedir.tar.gz", "w:gz") as tar:
        tar.add(source / "train.py", "train.py")

    prepare_source(str(tmp_path / "sourcedir.tar.gz"), code_dir)

    assert files_in(code_dir) == {"train.py"}


def test_prepare_source_of_a_hostile_archive_writes_nothing_outside(code_dir: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "sourcedir.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../escaped.py"))

    with pytest.raises(ContractError):
        prepare_source(str(tmp_path / "sourcedir.tar.gz"), code_dir)

    assert not (tmp_path / "escaped.py").exists()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def archive_of(path: Path, source: Path, *links: tarfile.TarInfo) -> Path:
    with tarfile.open(path / "sourcedir.tar.gz", "w:gz") as tar:
        for member in links:
            tar.addfile(member)
        tar.add(source, ".")
    return path / "sourcedir.tar.gz"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_prepare_source_of_an_archive_takes_links_that_stay_inside(
    source: Path, code_dir: Path, tmp_path: Path, kind: bytes
) -> None:
    (source / "train.py").write_text("print(1)")
    to_package = "../package/__init__.py" if kind == tarfile.SYMTYPE else "package/__init__.py"
    links = [link("run.py", "train.py", kind), link("deep/init.py", to_package, kind), link("also.py", "run.py", kind)]

    prepare_source(str(archive_of(tmp_path, source, *links, link("lib", "package"))), code_dir)

    names = {"train.py", "run.py", "also.py", "deep/init.py", "package/__init__.py"}
    assert files_in(code_dir) == names
    assert (code_dir / "also.py").read_text() == "print(1)"
    assert (code_dir / "lib" / "__init__.py").is_file()


@pytest.mark.parametrize(
    "links",
    [
        [link("out", "/etc/passwd")],
        [link("out", "../outside.txt")],
        [link("out", "../outside.txt", tarfile.LNKTYPE)],
        [link("out", "/etc/passwd", tarfile.LNKTYPE)],
        [link("nowhere", "missing.py")],
        [link("nowhere", "missing.py", tarfile.LNKTYPE)],
        [link("circle", "circle")],
        [link("up", ".."), link("up/planted", "code/train.py")],
        [link("in", "package"), link("out", "in/../../outside.txt")],
        [link("train.py/below", "train.py")],
        [link("../escaped", "train.py")],
    ],
    ids=lambda links: " ".join(f"{member.name}->{member.linkname}" for member in links),
)
def test_prepare_source_of_an_archive_refuses_links_that_leave_it_or_lead_nowhere(
    source: Path, code_dir: Path, tmp_path: Path, links: list[tarfile.TarInfo]
) -> None:
    (tmp_path / "outside.txt").write_text("secret")

    with pytest.raises(ContractError) as caught:
        prepare_source(str(archive_of(tmp_path, source, *links)), code_dir)

    assert caught.value.code in {"archive-member-unsafe", "archive-member-clash"}
    assert "model" not in caught.value.sentence()
    assert not [path for path in code_dir.rglob("*") if path.is_symlink()]
    assert {path.name for path in tmp_path.iterdir()} == {"code", "source", "outside.txt", "sourcedir.tar.gz"}


def test_prepare_source_of_a_damaged_archive_speaks_of_the_source(code_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "sourcedir.tar.gz").write_text("no tar")

    with pytest.raises(ContractError) as caught:
        prepare_source(str(tmp_path / "sourcedir.tar.gz"), code_dir)

    assert "model" not in caught.value.sentence()
    assert "-czhf sourcedir.tar.gz" in str(caught.value.fix)


def test_prepare_source_with_code_in_place_leaves_it_alone(code_dir: Path) -> None:
    """The toolkit does so: a source baked into the image wins, whatever the SDK uploaded."""
    (code_dir / "train.py").write_text("mine")

    prepare_source("s3://bucket/sourcedir.tar.gz", code_dir)

    assert (code_dir / "train.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("submit_directory", "code"),
    [("s3://bucket/sourcedir.tar.gz", "submit-directory-remote"), ("/nowhere", "submit-directory-not-found")],
)
def test_prepare_source_from_elsewhere_is_refused_with_a_way_out(
    code_dir: Path, submit_directory: str, code: str
) -> None:
    with pytest.raises(ContractError) as caught:
        prepare_source(submit_directory, code_dir)

    assert caught.value.code == code
    assert caught.value.found == submit_directory


@pytest.mark.parametrize(
    ("files", "entry_point", "kind"),
    [
        (["train.py"], "train.py", EntryPointKind.PYTHON),
        (["train.py", "pyproject.toml"], "train.py", EntryPointKind.PYTHON),
        (["train.py", "setup.py"], "train.py", EntryPointKind.PACKAGE),
        (["setup.py"], "package.module", EntryPointKind.PACKAGE),
        (["pyproject.toml"], "package.module", EntryPointKind.PACKAGE),
        (["train.sh", "setup.py"], "train.sh", EntryPointKind.COMMAND),
        (["train", "pyproject.toml"], "train", EntryPointKind.COMMAND),
        (["sub/train"], "sub/train", EntryPointKind.COMMAND),
    ],
)
def test_check_entry_point_tells_how_the_program_is_started(
    code_dir: Path, files: list[str], entry_point: str, kind: EntryPointKind
) -> None:
    for name in files:
        (code_dir / name).parent.mkdir(exist_ok=True)
        (code_dir / name).touch()

    assert check_entry_point(entry_point, code_dir) is kind


@pytest.mark.parametrize(
    "entry_point", ["", "-c", "/bin/sh", "../x.py", "a/../x.py", "a b.py", "a;b", "$(x)", "a\n", "./x.py", "a//b"]
)
def test_check_entry_point_of_an_unsafe_name_is_refused(code_dir: Path, entry_point: str) -> None:
    with pytest.raises(ContractError) as caught:
        check_entry_point(entry_point, code_dir)

    assert caught.value.code == "script-name-unsafe"


def test_check_entry_point_that_is_missing_shows_what_is_there(code_dir: Path) -> None:
    (code_dir / "main.py").touch()

    with pytest.raises(ContractError) as caught:
        check_entry_point("train.py", code_dir)

    assert caught.value.code == "script-not-found"
    assert caught.value.found == "main.py"


def test_check_entry_point_that_lies_in_the_working_directory_says_what_to_pass(
    source: Path, code_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fix(*elsewhere: Path) -> str:
        with pytest.raises(ContractError) as caught:
            check_entry_point("train.py", code_dir, elsewhere=elsewhere)
        return caught.value.fix or ""

    assert f"sagemaker_submit_directory={source}, " in fix(code_dir, source)
    monkeypatch.chdir(source)
    assert "sagemaker_submit_directory=., " in fix(source)
    (code_dir.parent / "train.py").touch()
    assert fix(code_dir.parent) == f"copy {code_dir.parent}/train.py to {code_dir}"
    assert "name a file of the source" in fix(code_dir)


def test_check_entry_point_that_links_out_of_the_directory_is_refused(code_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.py").touch()
    (code_dir / "train.py").symlink_to(tmp_path / "outside.py")

    with pytest.raises(ContractError) as caught:
        check_entry_point("train.py", code_dir)

    assert caught.value.code == "script-not-found"


def test_launch_command_of_each_kind_is_the_toolkit_s() -> None:
    arguments = ["--name", "it's $HOME", "--empty", ""]

    assert launch_command(EntryPointKind.PACKAGE, "pkg.train.py", ["-n", "1"]) == [
        sys.executable,
        "-m",
        "pkg.train",
        "-n",
        "1",
    ]
    assert launch_command(EntryPointKind.PYTHON, "train.py", arguments) == [
        sys.executable,
        "--",
        "train.py",
        *arguments,
    ]
    shell = launch_command(EntryPointKind.COMMAND, "bin/train.sh", arguments)
    assert shell[:2] == ["/bin/sh", "-c"]
    assert shlex.split(shell[2]) == ["./bin/train.sh", *arguments]


@pytest.mark.parametrize(
    ("kind", "has_requirements", "targets"),
    [
        (EntryPointKind.PACKAGE, True, [".", "-r", "requirements.txt"]),
        (EntryPointKind.PACKAGE, False, ["."]),
        (EntryPointKind.PYTHON, True, ["-r", "requirements.txt"]),
        (EntryPointKind.PYTHON, False, None),
        (EntryPointKind.COMMAND, True, None),
    ],
)
def test_install_command_of_each_kind_is_the_toolkit_s(
    code_dir: Path, kind: EntryPointKind, has_requirements: bool, targets: list[str] | None
) -> None:
    if has_requirements:
        (code_dir / "requirements.txt").touch()

    expected = None if targets is None else [sys.executable, "-m", "pip", "install", *targets]
    assert install_command(kind, code_dir) == expected


def test_make_executable_adds_the_run_bit(tmp_path: Path) -> None:
    script = tmp_path / "train.sh"
    script.touch(mode=0o640)

    make_executable(script)

    assert script.stat().st_mode & 0o111 == 0o111


def test_python_path_puts_the_code_first_as_the_toolkit_does() -> None:
    recorded = json.loads((Path(__file__).parents[2] / "contract" / "fixtures" / "training_toolkit.json").read_text())
    assert python_path(Path("{root}/code"), None) == recorded["cases"][0]["environment"]["PYTHONPATH"]
    assert python_path(Path("/code"), "/a:/b") == "/code:/a:/b"
