"""Every combination of a channel's members through the API: what the container reads, by content hash; what is refused.

What is expected is made here from the payloads, with a framing and an order of the test's own.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import json
import os
import struct
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.platform.site import LOG_GROUP, Site, create, wait

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DOCKER_IMAGE = "debian:bookworm-slim"
ENGINES = ["process", pytest.param("docker", marks=pytest.mark.docker)]
EPOCHS = 2
CHANNELS_MAX = 19
"""Of one job, beside the program's own."""

PAYLOADS = {
    f"p/d{number // 2}/{number:02d}": bytes([number]) * size for number, size in enumerate((1, 70_001, 5, 0, 32))
}
MANIFEST_KEYS = list(reversed(PAYLOADS))
LABELS = {key: f'{{"n": {position}}}'.encode() for position, key in enumerate(PAYLOADS)}
SEED = 11

READ_ALL = """#!/bin/sh
cd /opt/ml/input/data
for d in */; do
    (cd $d && find . -type f | LC_ALL=C sort | xargs -r sha256sum) | sed "s|^|$d |"
done > /opt/ml/model/hashes
cp ../config/inputdataconfig.json /opt/ml/model
for f in *_0; do
    [ -p $f ] || continue
    for e in 0 1; do
        while [ ! -p ${f%_0}_$e ]; do sleep 0.01; done
        echo "${f%_0} $e $(sha256sum < ${f%_0}_$e)"
    done
done >> /opt/ml/model/hashes
"""


@dataclass(frozen=True)
class Case:
    mode: str
    kind: str
    distribution: str
    compression: str
    wrapper: str
    is_shuffled: bool
    has_attributes: bool

    @property
    def is_allowed(self) -> bool:
        """As API_Channel and API_S3DataSource have it (contract.md §1.5)."""
        if self.has_attributes != (self.kind == "AugmentedManifestFile"):
            return False
        if self.mode == "Pipe":
            return True
        if "Gzip" in self.compression or self.wrapper == "RecordIO":
            return False
        return self.kind == "S3Prefix" or (self.mode, self.kind) == ("File", "ManifestFile")

    @property
    def name(self) -> str:
        return (
            "-".join((self.mode, self.kind, self.distribution, self.compression, self.wrapper))
            + ("-shuffled" if self.is_shuffled else "")
            + ("-attributes" if self.has_attributes else "")
        )

    def channel(self, name: str) -> dict[str, Any]:
        prefix = self.compression.lower()
        source: dict[str, Any] = {
            "S3DataType": self.kind,
            "S3Uri": f"s3://bucket/{prefix}/" + ("p/" if self.kind == "S3Prefix" else self.kind),
            "S3DataDistributionType": self.distribution,
        }
        if self.has_attributes:
            source["AttributeNames"] = ["label", "x-ref"]
        found: dict[str, Any] = {
            "ChannelName": name,
            "DataSource": {"S3DataSource": source},
            "InputMode": self.mode,
            "CompressionType": self.compression,
            "RecordWrapperType": self.wrapper,
        }
        return {**found, "ShuffleConfig": {"Seed": SEED}} if self.is_shuffled else found

    def expected(self) -> set[str]:
        """What the job says of the channel, of one host."""
        if self.mode != "Pipe":
            return {f"{_hash(payload)} ./{key.removeprefix('p/')}" for key, payload in PAYLOADS.items()}
        return {f"{epoch} {_hash(self._epoch(epoch))} -" for epoch in range(EPOCHS)}

    def _epoch(self, epoch: int) -> bytes:
        keys = list(PAYLOADS) if self.kind == "S3Prefix" else MANIFEST_KEYS
        if self.is_shuffled:
            ranks = [hashlib.sha256(f"{SEED}:{epoch}:{position}".encode()).hexdigest() for position in range(len(keys))]
            keys = [keys[ranks.index(rank)] for rank in sorted(ranks)]
        wrap: Callable[[bytes], bytes] = _frame if self.wrapper == "RecordIO" else bytes
        pieces = ([LABELS[key], PAYLOADS[key]] if self.has_attributes else [PAYLOADS[key]] for key in keys)
        return b"".join(wrap(piece) for item in pieces for piece in item)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _frame(payload: bytes) -> bytes:
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + b"\0" * (-len(payload) % 4)


CASES = [
    Case(*members)
    for members in itertools.product(
        ("File", "FastFile", "Pipe"),
        ("S3Prefix", "ManifestFile", "AugmentedManifestFile"),
        ("FullyReplicated", "ShardedByS3Key"),
        ("None", "Gzip"),
        ("None", "RecordIO"),
        (False, True),
        (False, True),
    )
]
ALLOWED = [case for case in CASES if case.is_allowed]
HANDFUL = [
    Case("File", "ManifestFile", "ShardedByS3Key", "None", "None", is_shuffled=False, has_attributes=False),
    Case("File", "S3Prefix", "FullyReplicated", "None", "None", is_shuffled=False, has_attributes=False),
    Case("FastFile", "S3Prefix", "FullyReplicated", "None", "None", is_shuffled=True, has_attributes=False),
    Case("Pipe", "S3Prefix", "ShardedByS3Key", "Gzip", "RecordIO", is_shuffled=True, has_attributes=False),
    Case("Pipe", "AugmentedManifestFile", "FullyReplicated", "None", "RecordIO", is_shuffled=True, has_attributes=True),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("channels") / "home")
    site.up()
    try:
        put_objects(site)
        yield site
    finally:
        site.command("down")


def put_objects(site: Site) -> None:
    """The data as it is and compressed, its manifests, and the program."""
    s3 = site.client("s3")
    s3.create_bucket(Bucket="bucket")
    for folder, compress in (("none", bytes), ("gzip", gzip.compress)):

        def put(key: str, body: bytes, folder: str = folder) -> None:
            s3.put_object(Bucket="bucket", Key=f"{folder}/{key}", Body=body)

        for key, payload in PAYLOADS.items():
            put(key, compress(payload))
        put("p/", b"")  # a "folder" object is no data
        prefix = f"s3://bucket/{folder}/p/"
        manifest = [{"prefix": prefix}, *(key.removeprefix("p/") for key in MANIFEST_KEYS)]
        put("ManifestFile", json.dumps(manifest).encode())
        lines = [
            f'{{"x-ref": "s3://bucket/{folder}/{key}", "label": {LABELS[key].decode()}}}\n' for key in MANIFEST_KEYS
        ]
        put("AugmentedManifestFile", "".join(lines).encode())
    s3.put_object(Bucket="bucket", Key="code/read.sh", Body=READ_ALL.encode())


def run(  # noqa: PLR0917 (every call names all)
    site: Site, name: str, engine: str, channels: Sequence[dict[str, Any]], script: str, tmp_path: Path
) -> Any:
    """A job of shell commands, brought to its end."""
    algorithm: dict[str, Any] = {"TrainingInputMode": "File"}
    if engine == "process":
        program = tmp_path / name
        program.mkdir()
        (program / "train").write_text(script if script.startswith("#!") else f"#!/bin/sh\n{script}")
        (program / "train").chmod(0o755)
        algorithm["TrainingImage"] = program.as_uri()
    else:
        site.client("s3").put_object(Bucket="bucket", Key=f"{name}/read.sh", Body=script.encode())
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://bucket/{name}/"}
        channels = [*channels, {"ChannelName": "code", "DataSource": {"S3DataSource": source}}]
        algorithm["TrainingImage"] = DOCKER_IMAGE
        algorithm["ContainerEntrypoint"] = ["/bin/sh", "/opt/ml/input/data/code/read.sh"]
    create(site, name, "", AlgorithmSpecification=algorithm, InputDataConfig=channels)
    return wait(site, name)


def model(site: Site, name: str) -> tarfile.TarFile:
    found = site.client("s3").get_object(Bucket="bucket", Key=f"out/{name}/output/model.tar.gz")["Body"].read()
    return tarfile.open(fileobj=io.BytesIO(found))


def text_of(archive: tarfile.TarFile, name: str) -> str:
    member = archive.extractfile(name)
    assert member is not None
    return member.read().decode()


def lines(site: Site, name: str) -> list[str]:
    events = site.client("logs").filter_log_events(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{name}/")["events"]
    return [event["message"] for event in events]


def read_by(site: Site, engine: str, cases: Sequence[Case], tmp_path: Path) -> dict[Case, tuple[set[str], Any]]:
    """Of each case what the container has read, and its part of ``inputdataconfig.json``."""
    found: dict[Case, tuple[set[str], Any]] = {}
    for start in range(0, len(cases), CHANNELS_MAX):
        named = {f"c{start + number}": case for number, case in enumerate(cases[start : start + CHANNELS_MAX])}
        name = f"{engine}-{start}"
        job = run(site, name, engine, [case.channel(one) for one, case in named.items()], READ_ALL, tmp_path)
        assert job["TrainingJobStatus"] == "Completed", (job, lines(site, name))
        with model(site, name) as archive:
            said = [line.replace("/ ", " ", 1).split() for line in text_of(archive, "hashes").splitlines()]
            config = json.loads(text_of(archive, "inputdataconfig.json"))
        for one, case in named.items():
            found[case] = ({" ".join(rest) for channel, *rest in said if channel == one}, config[one])
    return found


@pytest.fixture(scope="module")
def read_by_program(site: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[Case, tuple[set[str], Any]]:
    return read_by(site, "process", ALLOWED, tmp_path_factory.mktemp("programs"))


def check(case: Case, found: tuple[set[str], Any]) -> None:
    said, config = found
    assert said == case.expected()
    assert config == {
        "TrainingInputMode": case.mode,
        "S3DistributionType": case.distribution,
        "RecordWrapperType": case.wrapper,
    }


@pytest.mark.parametrize("case", ALLOWED, ids=lambda case: case.name)
def test_combination_reaches_a_program_byte_for_byte(
    case: Case, read_by_program: dict[Case, tuple[set[str], Any]]
) -> None:
    check(case, read_by_program[case])


@pytest.mark.docker
def test_handful_of_combinations_reaches_an_image_byte_for_byte(site: Site, tmp_path: Path) -> None:
    for case, found in read_by(site, "docker", HANDFUL, tmp_path).items():
        check(case, found)


def test_combination_that_aws_forbids_is_refused(site: Site, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.mkdir()
    (program / "train").write_text("#!/bin/sh\n")
    (program / "train").chmod(0o755)
    forbidden = [case for case in CASES if not case.is_allowed]
    for number, case in enumerate(forbidden):
        with pytest.raises(ClientError) as refused:
            create(
                site,
                f"forbidden-{number}",
                "",
                AlgorithmSpecification={"TrainingImage": program.as_uri(), "TrainingInputMode": "File"},
                InputDataConfig=[case.channel("train")],
            )
        assert refused.value.response["Error"]["Code"] == "ValidationException", case
        assert "can only be used with" in str(refused.value), case
        assert "channel train" in str(refused.value), case


# --- what a container can do to its channels ------------------------------------------------------------------------

ABUSE = """
cd /opt/ml/input/data
for c in file fast; do
    for f in $c/d*/*; do
        { echo more >> $f; truncate -s 0 $f; chmod 000 $f; chown 1:1 $f; touch -d 2001-01-01 $f; } 2>/dev/null
    done
    rm -rf $c/d0 2>/dev/null
    mkdir $c/new 2>/dev/null && echo 1 > $c/new/file
done
test -e file/new/file && test ! -e file/d0 && test ! -e fast/new && test -e fast/d0/00 && echo 1 > /opt/ml/model/done
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_container_writes_into_its_own_view_and_never_into_the_store(site: Site, engine: str, tmp_path: Path) -> None:
    store = site.home / "objects/bucket/none/p"
    before = _snapshot(store)
    channels = [
        Case(mode, "S3Prefix", "FullyReplicated", "None", "None", is_shuffled=False, has_attributes=False).channel(name)
        for mode, name in (("File", "file"), ("FastFile", "fast"))
    ]
    name = f"abuse-{engine}"
    job = run(site, name, engine, channels, ABUSE, tmp_path)

    assert job["TrainingJobStatus"] == "Completed", (job, lines(site, name))
    _wait_until_gone(site.home / "jobs" / name)  # and with it the second names of the objects
    assert _snapshot(store) == before
    assert not [line for line in lines(site, name) if "copied" in line], "no byte is moved where overlays can be had"
    assert list((site.home / "objects/.seatrial/tmp").iterdir()) == []


def _snapshot(top: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(top.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (content, status.st_mode, status.st_uid, status.st_mtime_ns, status.st_nlink)
    return found


def _wait_until_gone(path: Path) -> None:
    deadline = time.monotonic() + 30
    while path.exists():
        assert time.monotonic() < deadline, list(path.rglob("*"))
        time.sleep(0.02)


LINK = """
cd /opt/ml/input/data/file
echo changed > d0/00; rm d0/01
ln -s $PWD/d0/00 /opt/ml/model/changed; ln -s $PWD/d1/02 /opt/ml/model/given
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_links_of_the_model_into_a_channel_are_packed_as_the_container_saw_them(
    site: Site, engine: str, tmp_path: Path
) -> None:
    case = Case("File", "S3Prefix", "FullyReplicated", "None", "None", is_shuffled=False, has_attributes=False)
    name = f"link-{engine}"
    job = run(site, name, engine, [case.channel("file")], LINK, tmp_path)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    with model(site, name) as archive:
        assert text_of(archive, "changed") == "changed\n"
        assert text_of(archive, "given").encode() == PAYLOADS["p/d1/02"]


def test_link_of_the_model_to_what_was_removed_from_a_channel_fails_the_job(site: Site, tmp_path: Path) -> None:
    case = Case("File", "S3Prefix", "FullyReplicated", "None", "None", is_shuffled=False, has_attributes=False)
    job = run(site, "gone", "process", [case.channel("file")], f"{LINK}\nln -s $PWD/d0/01 /opt/ml/model/gone", tmp_path)

    assert job["TrainingJobStatus"] == "Failed"
    assert "gone" in job["FailureReason"]


# --- data that cannot be had ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_object_that_is_no_gzip_data_fails_the_job_while_it_runs(site: Site, engine: str, tmp_path: Path) -> None:
    case = Case("Pipe", "S3Prefix", "FullyReplicated", "Gzip", "None", is_shuffled=False, has_attributes=False)
    channel = case.channel("train")
    channel["DataSource"]["S3DataSource"]["S3Uri"] = "s3://bucket/none/p/"
    script = "trap 'exit 3' TERM; cat /opt/ml/input/data/train_0 > /opt/ml/model/got & wait; echo came to its end"
    job = run(site, f"no-gzip-{engine}", engine, [channel], script, tmp_path)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:an object cannot be decompressed")
    assert lines(site, f"no-gzip-{engine}") == [], "the reader never saw an end of the data"


@pytest.mark.parametrize("mode", ["File", "Pipe"])
def test_broken_manifest_fails_the_job_before_it_trains(site: Site, mode: str, tmp_path: Path) -> None:
    site.client("s3").put_object(Bucket="bucket", Key="broken", Body=b'["no prefix"]')
    case = Case(mode, "ManifestFile", "FullyReplicated", "None", "None", is_shuffled=False, has_attributes=False)
    channel = case.channel("train")
    channel["DataSource"]["S3DataSource"]["S3Uri"] = "s3://bucket/broken"
    job = run(site, f"broken-{mode}", "process", [channel], "exit 0", tmp_path)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:")
    assert [one["Status"] for one in job["SecondaryStatusTransitions"]] == ["Starting", "Downloading", "Failed"]


def test_manifest_that_is_not_there_is_refused_also_when_others_begin_with_its_key(site: Site, tmp_path: Path) -> None:
    case = Case("File", "ManifestFile", "FullyReplicated", "None", "None", is_shuffled=False, has_attributes=False)
    channel = case.channel("train")
    channel["DataSource"]["S3DataSource"]["S3Uri"] = "s3://bucket/none/Manifest"
    with pytest.raises(ClientError, match="No S3 objects found under S3 URL"):
        run(site, "absent", "process", [channel], "exit 0", tmp_path)


def test_objects_of_another_server_are_piped_and_downloaded_which_the_log_says(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    far = Site(tmp_path / "far")
    far.up(f"--s3-endpoint={site.url}")
    try:
        cases = [case for case in ALLOWED if case.distribution == "FullyReplicated" and not case.is_shuffled]
        for case, found in read_by(far, "process", cases, tmp_path).items():
            check(case, found)
        assert [line for line in lines(far, "process-0") if "is in FastFile mode, but its objects are not" in line]
    finally:
        far.command("down")


def test_channels_are_read_in_any_order_and_left_early_without_a_deadlock(site: Site, tmp_path: Path) -> None:
    case = Case("Pipe", "S3Prefix", "FullyReplicated", "None", "None", is_shuffled=False, has_attributes=False)
    script = """
cd /opt/ml/input/data
exec 3< b_0; head -c 1 <&3 > /dev/null; cat a_0 | wc -c; exec 3<&-
while [ ! -p b_1 ]; do sleep 0.01; done
exec 3< b_1 4< a_1; cat <&3 | wc -c; cat <&4 | wc -c
"""
    job = run(site, "order", "process", [case.channel("a"), case.channel("b")], script, tmp_path)

    total = str(sum(map(len, PAYLOADS.values())))
    assert job["TrainingJobStatus"] == "Completed", job
    assert lines(site, "order") == [total] * 3
    assert not [one for one in os.listdir("/proc") if one.isdecimal() and _is_feeder_of(one, site.home)]


def _is_feeder_of(pid: str, home: Path) -> bool:
    try:
        return f"{home}/jobs/order".encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
