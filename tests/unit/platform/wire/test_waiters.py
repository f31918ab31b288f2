"""A waiter's poll is told from a plain call, with the headers that boto3 really sends."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from seatrial.platform.wire.request import Headers
from seatrial.platform.wire.waiters import is_waiter


class _Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, *_args: Any, **_options: Any) -> list[bytes]:
        return [self.body]


@pytest.mark.slow
def test_is_waiter_knows_botocores_waiter() -> None:
    sent: list[Headers] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        headers = {name: value if isinstance(value, str) else value.decode() for name, value in request.headers.items()}
        sent.append(Headers(headers.items()))
        return AWSResponse(request.url, 200, {}, _Raw(b'{"TrainingJobStatus": "Completed"}'))

    session = boto3.session.Session("AKIDEXAMPLE", "secret", region_name="us-east-1")
    client = session.client("sagemaker", endpoint_url="http://127.0.0.1:9", config=Config(retries={"max_attempts": 0}))
    client.meta.events.register("before-send.sagemaker.DescribeTrainingJob", answer)

    client.describe_training_job(TrainingJobName="job")
    client.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="job")
    client.describe_training_job(TrainingJobName="job")

    assert [is_waiter(headers) for headers in sent] == [False, True, False]


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux m/Z,N,e,b,D,B cfg/retry-mode#legacy", True),
        ("Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux m/Z,N,e,b,D cfg/retry-mode#legacy", False),
        ("aws-sdk-go-v2/1.30 m/AB,BB,b", False),
        ("m/B", True),
        ("curl/8", False),
        ("", False),
    ],
)
def test_is_waiter_reads_the_features_of_a_user_agent(agent: str, expected: bool) -> None:
    assert is_waiter(Headers([("User-Agent", agent)])) is expected
    assert is_waiter(Headers()) is False
