"""What users test with, and we too: contract suites that an implementation inherits, and fakes that pass them."""
