"""The services that the local platform speaks for: one module or package a service."""
