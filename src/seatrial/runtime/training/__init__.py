"""What ``train`` does: read the contract, run the user's algorithm module or script, report how it ended.

``Job`` is what an algorithm module's ``train`` function is given; import it from here for annotations.
"""

from seatrial.runtime.training.job import Job
from seatrial.runtime.training.stopping import JobStopping

__all__ = ["Job", "JobStopping"]
