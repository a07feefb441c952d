"""How hard the tests of faults try: a little in every run of the suite, more when asked."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """pytest tests/faults/test_killed_workers.py --kills 15"""
    parser.addoption("--kills", type=int, default=None, help="how often worker processes are killed with -9")
