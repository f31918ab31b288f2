"""Seatrial: both sides of Amazon SageMaker's bring-your-own-container contract, on your machine.

ARCHITECTURE.md names the rooms of this package and follows one training run and one prediction through them.
"""

__version__ = "0.1.0"
