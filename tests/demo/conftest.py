"""Demo books for these tests: one of full size, generated once, and small ones."""

from datetime import date

import pytest

import config
from portal.demo import DEFAULT_SEED
from portal.demo.book import Book
from portal.demo.records import ClientFile, Term
from portal.settings.queries import TradeRules, trade_rules

TODAY = date(2026, 11, 23)


@pytest.fixture(scope="module")
def rules(database: config.Settings) -> TradeRules:
    """The rules of the trade as the migrations bring them."""
    return trade_rules()


@pytest.fixture(scope="module")
def files(rules: TradeRules) -> list[ClientFile]:
    """The book of 2,000 clients as of 23/11/2026."""
    return list(Book(DEFAULT_SEED, TODAY, rules).files(2000))


@pytest.fixture(scope="module")
def terms(files: list[ClientFile]) -> list[Term]:
    """Every term of that book."""
    return [term for file in files for term in file.terms]
