"""What is installed inside the user's image: the programs ``train`` and ``serve``."""
