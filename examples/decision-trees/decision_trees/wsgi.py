"""What gunicorn loads: the Flask application under the name ``app``."""

from predictor import app

__all__ = ["app"]
