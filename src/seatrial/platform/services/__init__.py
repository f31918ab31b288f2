"""The services of AWS that the local platform speaks for: one module or folder a service."""
