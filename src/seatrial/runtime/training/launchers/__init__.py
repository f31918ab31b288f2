"""Engines that spread the user's program over processes and hosts; ``launch.py`` tells the way of one job."""
