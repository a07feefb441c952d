"""How many questions a page asks of the database."""

from typing import Any

from database_pool import DatabasePool
from tests.cast import Browser


def questions_of(browser: Browser, path: str, monkeypatch: Any) -> int:
    """Fetches a page (once before, so that nothing is asked for the first time) and counts its questions."""
    assert browser.get(path).status_code == 200, path
    asked: list[None] = []
    attempt = DatabasePool._attempt

    def counted(*arguments: Any, **options: Any) -> Any:
        asked.append(None)
        return attempt(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(DatabasePool, "_attempt", counted)
        assert browser.get(path).status_code == 200, path
    return len(asked)
