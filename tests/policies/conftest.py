"""Who works on the policies of these tests, and on which book."""

import pytest
from flask import Flask

from tests.cast import Browser, sign_in
from tests.policies.book import Book, make_book


@pytest.fixture(scope="module")
def book(app: Flask) -> Book:
    """Masters and one family, in the module's database."""
    return make_book()


@pytest.fixture(scope="module")
def clerk(app: Flask, book: Book) -> Browser:
    """Staff, who may not see commission."""
    return sign_in(app, "staff")


@pytest.fixture(scope="module")
def accountant(app: Flask, book: Book) -> Browser:
    """Accounts, who may."""
    return sign_in(app, "accounts")


@pytest.fixture(scope="module")
def manager(app: Flask, book: Book) -> Browser:
    """A manager, who may delete and restore too."""
    return sign_in(app, "manager")


@pytest.fixture(scope="module")
def colleague(app: Flask, book: Book) -> Browser:
    """Somebody else at another screen."""
    return sign_in(app, "manager")
