"""What the hosts of one job left, as one: SageMaker merges their directories into one archive (contract.md §1.6).

AWS does not say whose file stays when two hosts have the same name. Here it is the host that comes last by the number
in its name, and the log says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from seatrial.contract.layout import OptMl
from seatrial.contract.names import host_number
from seatrial.core.archives import pack_entries
from seatrial.core.errors import SeatrialError
from seatrial.core.merged_trees import MergedTree, merge_trees
from seatrial.core.subprocesses import OnLine
from seatrial.core.trees import Checkpoint, walk
from seatrial.platform.jobs.staging import MODEL_ARCHIVE, OUTPUT_ARCHIVE, TrainingOutputs, mounted_tree

_NAMED_FILES_MAX = 5


def pack_host_outputs(
    hosts: Mapping[str, OptMl],
    destination: Path,
    on_line: OnLine,
    *,
    compresses_model: bool = True,
    checkpoint: Checkpoint = lambda: None,
) -> TrainingOutputs:
    """Pack what the hosts left into ``destination``; what cannot be packed does not keep the rest from it.

    Args:
        hosts: The tree of each host, by its name.
        destination: Receives ``model.tar.gz`` and ``output.tar.gz``.
        on_line: Told of files that more than one host has.
        compresses_model: Otherwise the model's files stay where they are and are told.
        checkpoint: Called every few files and megabytes.
    """
    trees = [hosts[name] for name in sorted(hosts, key=host_number)]
    problems: list[str] = []

    def merge(what: str, directory_of: Callable[[OptMl], Path]) -> MergedTree:
        found = []
        for opt_ml in trees:
            if directory_of(opt_ml).exists():
                with _noted(problems, directory_of(opt_ml)):
                    found.append(list(walk(directory_of(opt_ml), resolve=mounted_tree(opt_ml).resolve)))
        merged = merge_trees(found)
        if merged.replaced:
            on_line(_collision(what, merged))
        return merged

    def pack(merged: MergedTree, archive: Path, top: Path) -> Path | None:
        with _noted(problems, archive):
            if pack_entries(merged.entries, archive, top=top, checkpoint=checkpoint):
                return archive
        return None

    model_dir = trees[-1].model_dir
    model = merge("/opt/ml/model", lambda opt_ml: opt_ml.model_dir)
    output = merge("/opt/ml/output/data", lambda opt_ml: opt_ml.output_data_dir)
    return TrainingOutputs(
        model_archive=pack(model, destination / MODEL_ARCHIVE, model_dir) if compresses_model else None,
        output_archive=pack(output, destination / OUTPUT_ARCHIVE, trees[-1].output_data_dir),
        problems=tuple(problems),
        model_dir=model_dir,
        model_files=() if compresses_model else tuple(one for one in model.entries if not one.is_directory),
    )


@contextmanager
def _noted(problems: list[str], where: Path) -> Iterator[None]:
    try:
        yield
    except SeatrialError as error:
        problems.append(error.sentence())
    except OSError as error:
        problems.append(f"{where} cannot be packed: {(error.strerror or str(error)).lower()}")


def _collision(what: str, merged: MergedTree) -> str:
    named = ", ".join(f"'{name}'" for name in merged.replaced[:_NAMED_FILES_MAX])
    more = len(merged.replaced) - _NAMED_FILES_MAX
    others = f" and {more} more" if more > 0 else ""
    return (
        f"seatrial: several hosts have left files of one name in {what}: {named}{others}; "
        "the last host's stay, as SageMaker keeps only one of them too: give each host names of its own"
    )
