"""schemathesis as each role: no 500, no answer that the description does not know, nothing a role may not see.

The suite makes a few examples. The full size is a command, `python -m tests.api --examples 500`.
"""

import pytest

from portal import demo
from portal.api.views import work
from tests.api.colleagues import Colleagues
from tests.api.conftest import Program
from tests.api.examination import examine, served
from tests.cast import CAST

FEW, BOOK = 1, 5   # examples, clients


@pytest.mark.slow
def test_no_answer_is_an_error_of_ours_or_undocumented(app, monkeypatch):
    # Nobody works here, so a stream of events would last its quarter of an hour.
    monkeypatch.setattr(work, "LONGEST_STREAM", 0.1)
    monkeypatch.setattr(work, "LOOK_EVERY", 0.01)
    demo.seed(BOOK)
    colleagues = Colleagues(app)
    with served(app) as url:
        report = examine(url, colleagues, "administrator", examples=FEW, phases=("fuzzing",), seed=7)
    assert {who: figures.failures for who, figures in report.items()} == {who: {} for who in CAST}
    operations = len(report["administrator"].examples)
    for who, figures in report.items():
        assert len(figures.examples) == operations > 90
        assert Program(app, colleagues.tokens[who])("GET", "/me").json["name"] == CAST[who][0]
