"""schemathesis as each role: no 500, no answer that the description does not know.

The full size, 200 examples for each operation in every phase, is a command of its own, about an hour on two cores, or
a part of it (-k "administrator and policies"):

    python -m pytest tests/api/test_schema.py --examples 200
"""

import pytest

from database_pool import transaction
from portal.api.views import work
from tests.api.conftest import Program, token_for
from tests.api.examination import examine, served
from tests.cast import CAST, email_of, make_cast

FEW = 1
# In the suite the administrator, who may do everything, is examined everywhere, the others where roles differ.
SOME = "/(clients|policies|users|audit|insurers)"
PARTS = {
    "clients": "/clients", "policies": "/policies", "users": "/users", "reading": "/(me|search|today|audit)",
    "insurers": "/insurers", "products": "/products", "agents": "/agents", "tpas": "/tpas", "hospitals": "/hospitals",
    "reasons": "/lost-reasons", "types": "/document-types", "documents": "/(documents|files)",
    "work": "/(bulk|tasks|batches|system)",
}  # fmt: skip


def pytest_generate_tests(metafunc):
    """In the full size each part of the operations is a test of its own, so that it can be run and fail alone."""
    if "part" in metafunc.fixturenames:
        full = metafunc.config.getoption("--examples", default=None)
        metafunc.parametrize("part", PARTS if full else ["some"])


def restore_cast():
    """Everybody active again, in their own role."""
    make_cast()
    with transaction() as tx:
        for who, (_, role) in CAST.items():
            values = {"role": role, "is_active": True, "must_change_password": False}
            tx.update("users", values, filters={"email_eq": email_of(who)})


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("who", CAST)
def test_no_answer_is_an_error_of_ours_or_undocumented(app, request, who, part, record_property, monkeypatch):
    # Nobody works here, so a stream of events would last its quarter of an hour.
    monkeypatch.setattr(work, "LONGEST_STREAM", 0.1)
    monkeypatch.setattr(work, "LOOK_EVERY", 0.01)
    wanted = request.config.getoption("--examples", default=None)
    restore_cast()   # an administrator's examination disables and promotes whom it finds
    token = token_for(make_cast()[who])
    phases = ("examples", "coverage", "fuzzing", "stateful") if wanted else ("fuzzing",)
    with served(app) as url:
        paths = PARTS.get(part, "" if who == "administrator" else SOME)
        report = examine(url, token, examples=wanted or FEW, phases=phases, paths=paths, seed=None if wanted else 7)
    print(f"\n{who}, {part}: {report}")
    record_property("figures", str(report))
    assert report.failures == {}
    assert report.requests > len(PARTS)
    assert Program(app, token)("GET", "/me").status_code == 200   # it was not examined as a stranger
