"""``seatrial stop``: stop a training job as StopTrainingJob does."""

from __future__ import annotations

from pathlib import Path

import click

from seatrial.cli._client_options import home_option, platform_clients
from seatrial.cli._output import Output


@click.command("stop")
@click.argument("job_name", metavar="JOB")
@click.option("--wait", "is_waiting", is_flag=True, help="Wait until it has ended.")
@home_option
def command(*, job_name: str, is_waiting: bool, home: Path | None) -> int:
    """Stop a training job: its containers get SIGTERM, and SIGKILL 120 seconds later.

    What they have left in /opt/ml/model is uploaded. With --wait the exit code is 1 when the job fails meanwhile.
    """
    with Output() as out, platform_clients(home) as clients:
        from seatrial.cli._jobs import find_job, outcome, wait_for_end

        find_job(clients, job_name)
        clients.sagemaker.stop_training_job(TrainingJobName=job_name)
        if not is_waiting:
            out.say(f"{job_name} is stopping")
            return 0
        out.phase(f"Stopping {job_name}")
        sentence, exit_code = outcome(wait_for_end(clients, job_name))
        out.say(sentence)
        return exit_code
