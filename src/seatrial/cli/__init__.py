"""The ``seatrial`` command: one file a command, and ``_output`` the only place that prints."""
