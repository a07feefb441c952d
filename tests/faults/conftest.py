"""How hard the tests of faults try: a little in every run of the suite, more when asked."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """pytest tests/faults/test_killed_workers.py --kills 15"""
    parser.addoption("--all-faults", action="store_true", help="fill the disk and let the clock jump as well")
    parser.addoption("--kills", type=int, default=None, help="how often worker processes are killed with -9")
