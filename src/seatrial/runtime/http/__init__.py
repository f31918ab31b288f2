"""The HTTP server inside the image, behind one adapter."""
