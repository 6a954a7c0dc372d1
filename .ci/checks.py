"""Counts checks and prints them, for the checks that are written in Python."""


class Checks:
    """Counts checks and prints them."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, found, expected):
        """Passes when both are the same."""
        if found == expected:
            self.passed += 1
            print(f"ok    {name}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL  {name}: expected {expected!r}, found {found!r}", flush=True)
