"""One folder a service of AWS that the platform answers for."""
