"""The list of policies: views, search, filters, order, pages, count and sum."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest

from database_pool import execute_query, new_ids, transaction
from infrastructure.postgres_backend import PostgresBackend
from portal.formats import office_date, today
from tests.cast import sign_in
from tests.policies.book import add, make_book

ROWS = re.compile(r'<th scope="row" data-l="Policy"><a class="mono[^"]*" href="/policies/\d+">([^<]+)</a>')


def row_of(book, number, *, start=-100, end=265, **more):
    return {
        "client_id": book.client,
        "insurer_id": book.insurer,
        "product_id": book.products["other"],
        "line": "other",
        "policy_number": number,
        "policy_from": today() + timedelta(days=start),
        "policy_to": today() + timedelta(days=end),
        "due_on": today() + timedelta(days=end),
        "gross_premium": Decimal(1000),
        "payment_date": today(),
        "state": "live",
        "one_time": False,
        "agent_id": None,
        "asset": None,
        "waiting_for": [],
        "deleted_at": None,
    } | more


@pytest.fixture(scope="module")
def book(app):
    made = make_book()
    other = make_book("ZZ09")
    rows = [
        row_of(made, "LIVE/1", end=200, gross_premium=Decimal(1500)),
        row_of(made, "SOON/1", end=6, asset="MH02DN4417"),
        row_of(made, "SOON/2", end=30, line="health", product_id=made.products["health"]),
        row_of(made, "LATER/1", end=31),
        row_of(made, "GRACE/1", start=-368, end=-3, line="health", product_id=made.products["health"]),
        row_of(made, "GONE/1", start=-368, end=-3),
        row_of(made, "TRIP/1", end=-3, one_time=True, line="travel", product_id=made.products["travel"]),
        row_of(made, "UNPAID/1", payment_date=None),
        row_of(made, "WAIT/1", state="pending", payment_date=None, waiting_for=["KYC"]),
        row_of(made, "OLD/1", start=-700, end=-335, state="renewed"),
        row_of(made, "LOST/1", start=-700, end=-335, state="lost"),
        row_of(other, "OTHER/1", insurer_id=made.other_insurer, agent_id=made.agent),
        row_of(made, "TRASH/1", deleted_at="2026-11-01T00:00:00Z"),
    ]
    with transaction() as tx:
        tx.insert("policies", rows)
    return made


@pytest.fixture(scope="module")
def reader(app, book):
    return sign_in(app, "reader")


def numbers(page):
    return ROWS.findall(page.text)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("live", {"LIVE/1", "SOON/1", "SOON/2", "LATER/1", "UNPAID/1", "OTHER/1"}),
        ("expiring", {"SOON/1", "SOON/2"}),
        ("overdue", {"GRACE/1", "GONE/1"}),
        ("unpaid", {"UNPAID/1"}),
        ("pending", {"WAIT/1"}),
        ("ended", {"OLD/1", "LOST/1"}),
        (
            "all",
            {
                "LIVE/1",
                "SOON/1",
                "SOON/2",
                "LATER/1",
                "GRACE/1",
                "GONE/1",
                "TRIP/1",
                "UNPAID/1",
                "WAIT/1",
                "OLD/1",
                "LOST/1",
                "OTHER/1",
            },
        ),
    ],
)
def test_each_view_holds_what_its_name_says(reader, view, expected):
    page = reader.get(f"/policies?view={view}")
    assert set(numbers(page)) == expected
    assert f"{len(expected)} {'policy' if len(expected) == 1 else 'policies'} ·" in page.text


def test_unpaid_commission_is_listed_for_those_who_may_see_commission(app, book, reader):
    accountant = sign_in(app, "accounts")
    assert "Every commission is received." in accountant.get("/policies?view=commission").text
    with transaction() as tx:
        tx.update("policies", {"commission_amount": Decimal(150)}, filters={"policy_number_in": ["LIVE/1", "OLD/1"]})
        tx.update("policies", {"commission_amount": Decimal(150), "commission_received": True},
                  filters={"policy_number": "SOON/1"})
    assert set(numbers(accountant.get("/policies?view=commission"))) == {"LIVE/1", "OLD/1"}
    assert "Commission unpaid" in accountant.get("/policies").text
    assert numbers(reader.get("/policies?view=commission")) == []
    assert "Commission unpaid" not in reader.get("/policies").text


def test_policies_without_a_document_are_listed_until_one_comes(book, reader):
    missing = {"LIVE/1", "SOON/1", "SOON/2", "LATER/1", "GRACE/1", "GONE/1", "TRIP/1", "UNPAID/1", "OTHER/1"}
    assert set(numbers(reader.get("/policies?view=undocumented"))) == missing
    policy = execute_query("policies", filters={"policy_number": "LIVE/1"}).data[0]
    paper = {"client_id": policy["client_id"], "policy_id": policy["policy_id"], "kind": "other", "title": "Policy",
             "file_name": "policy.pdf", "stored_name": "policy.pdf", "size": 10, "sha256": "0" * 64, "md5": "0" * 32,
             "media_type": "application/pdf", "store": "local", "state": "waiting", "spool_name": "paper"}
    with transaction() as tx:
        tx.insert("documents", paper)
    page = reader.get("/policies?view=undocumented")
    assert set(numbers(page)) == missing - {"LIVE/1"}
    assert "8 policies ·" in page.text


def test_the_head_of_the_list_says_how_many_and_how_much(reader):
    assert "6 policies · ₹6,500 gross premium" in reader.get("/policies?view=live").text


def test_a_row_says_how_far_the_end_is_away(reader):
    page = reader.get("/policies").text
    assert "in 6 days" in page
    assert "3 days overdue" in page
    assert "In grace" in page
    assert "Expired" in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=soon1", {"SOON/1"}),
        ("q=SOON-1", {"SOON/1"}),
        ("q=4417", {"SOON/1"}),
        ("q=mh 02 dn", {"SOON/1"}),
        ("q=zz09", {"OTHER/1"}),
        ("q=nothing+like+this", set()),
        ("q='%3B--%22%25_*():!|%26<>", set()),
        ("line=health", {"SOON/2", "GRACE/1"}),
        ("line=health&view=expiring", {"SOON/2"}),
        ("client_id=ZZ09", {"OTHER/1"}),
        ("q=rohan&client_id=ZZ09", {"OTHER/1"}),
    ],
)
def test_the_list_is_narrowed_by_what_the_address_says(reader, query, expected):
    page = reader.get(f"/policies?{query}")
    assert set(numbers(page)) == expected
    assert f"{len(expected)} {'policy' if len(expected) == 1 else 'policies'} ·" in page.text


def test_insurer_agent_and_dates_narrow_the_list(reader, book):
    assert set(numbers(reader.get(f"/policies?insurer_id={book.other_insurer}"))) == {"OTHER/1"}
    assert set(numbers(reader.get(f"/policies?agent_id={book.agent}"))) == {"OTHER/1"}
    first, last = office_date(today() + timedelta(days=6)), office_date(today() + timedelta(days=30))
    assert set(numbers(reader.get(f"/policies?date_from={first}&date_to={last}"))) == {"SOON/1", "SOON/2"}


def test_what_cannot_be_read_in_the_address_is_left_out(reader):
    for query in (
        "insurer_id=abc",
        "view=nonsense",
        "line=%00",
        "date_from=31/02/2026",
        "cursor=%%%",
        "sort=';--",
        "size=-1",
        "agent_id=99999999999999999999",
        "q=" + "x" * 5000,
        "client_id=" + "y" * 5000,
        "cursor=eyJhIjoxfQ",
    ):
        answer = reader.get(f"/policies?{query}")
        assert answer.status_code in (200, 400), query


def test_a_heading_sorts_and_says_so(reader):
    page = reader.get("/policies?sort=-gross")
    assert 'aria-sort="descending"' in page.text
    assert numbers(page)[0] == "LIVE/1"
    assert numbers(reader.get("/policies?sort=end&view=expiring")) == ["SOON/1", "SOON/2"]


def test_empty_lists_tell_apart_nothing_there_and_nothing_found(app, reader):
    assert "No policy matches" in reader.get("/policies?q=nothinglikethis").text
    assert "Clear filters" in reader.get("/policies?q=nothinglikethis").text


def test_pages_follow_each_other_without_gap_or_repetition(app, reader, book):
    with transaction() as tx:
        ids = new_ids("policies", 130)
        tx.insert(
            "policies",
            [
                {**row_of(book, f"PAGE/{place:03d}", end=150 + place // 10), "policy_id": policy_id}
                for place, policy_id in enumerate(ids)
            ],
        )
    seen, back = [], []
    path: str | None = "/policies?q=page&size=50&sort=end"
    while path:
        page = reader.get(path)
        seen.append(numbers(page))
        following = re.search(r'rel="next" href="([^"]+)"', page.text)
        previous = re.search(r'rel="prev" href="([^"]+)"', page.text)
        back.append(previous and previous[1].replace("&amp;", "&"))
        path = "/policies" + following[1].replace("&amp;", "&") if following else None
    assert [len(part) for part in seen] == [50, 50, 30]
    assert len({number for part in seen for number in part}) == 130
    assert numbers(reader.get(f"/policies{back[-1]}")) == seen[1]
    assert "130 policies · ₹1,30,000 gross premium" in reader.get("/policies?q=page").text


@pytest.fixture
def questions(monkeypatch):
    """Counts what goes to the database."""
    asked = []
    for name in ("select", "call", "apply"):
        original = getattr(PostgresBackend, name)

        def counted(self, *arguments, original=original, name=name, **more):
            asked.append((name, arguments[0]))
            return original(self, *arguments, **more)

        monkeypatch.setattr(PostgresBackend, name, counted)
    return asked


@pytest.mark.parametrize(
    "path",
    [
        "/policies",
        "/policies?view=overdue",
        "/policies?q=rohan&line=health",
        "/policies/{health}",
        "/policies/{motor}",
        "/policies/new",
        "/policies/new?q=rohan",
        "/policies/new?client_id=RM01&line=health",
        "/policies/{health}/edit",
        "/policies/{motor}/edit",
        "/policies/{health}/renewal",
        "/policies/{motor}/cancellation",
        "/settings",
        "/settings/rules/gst",
        "/settings/insurers",
        "/settings/products",
        "/business",
        "/renewals",
        "/renewals?q=mehta&stage=due",
        "/renewals/retention",
        "/pending",
        "/search?q=mehta",
    ],
)
def test_no_page_asks_more_than_six_questions(app, book, questions, path):
    clerk = sign_in(app, "administrator")
    ids = {}
    for line in ("health", "motor"):
        ids[line] = add(clerk, book.form(line, policy_number=f"Q/{path}/{line}"))
    clerk.get(path.format(**ids))
    questions.clear()
    assert clerk.get(path.format(**ids)).status_code == 200
    assert len(questions) <= 6, questions


SEEN_BY = ("administrator", "manager", "staff", "accounts", "reader")


def masked(answer):
    """A page without what differs at each request: the form tokens."""
    return re.sub(r'(name="csrf_token" value=|X-CSRFToken": )"[^"]+"', r"\1", answer.text)


@pytest.mark.parametrize("path", [
    "/policies", "/policies?view=live&size=25", "/policies?sort=due", "/clients", "/clients/RM01",
    "/clients/RM01/policies", "/renewals", "/renewals?view=all", "/"])  # fmt: skip
def test_a_page_of_kept_pieces_is_the_page_written_anew(app, book, path):
    pieces = app.extensions["portal.fragments"]
    colleagues = {who: sign_in(app, who) for who in SEEN_BY}
    for browser in colleagues.values():
        browser.get("/policies?view=ended")   # kept pieces of another page and of everybody
    kept = {who: masked(browser.get(path)) for who, browser in colleagues.items()}
    for who, browser in colleagues.items():
        pieces.forget_all()
        assert masked(browser.get(path)) == kept[who], who


def test_totals_and_choices_are_right_at_once_after_a_change(app, book, manager):
    def shown():
        return re.search(r"(\d+) policies", manager.get("/policies").text)[1]

    before = int(shown())
    with transaction() as tx:
        tx.insert("policies", row_of(book, "FRESH/1") | {"policy_id": new_ids("policies", 1)[0]})
    assert int(shown()) == before + 1
    with transaction() as tx:
        tx.update("insurers", {"name": "Star Renamed"}, filters={"insurer_id_eq": book.insurer})
    assert "Star Renamed" in manager.get("/policies").text
    with transaction() as tx:
        tx.delete("policies", filters={"policy_number_eq": "FRESH/1"})
    assert int(shown()) == before
