"""From a directory with a Dockerfile to an image."""
