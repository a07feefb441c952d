"""Every value goes in and comes out as the same Python value, on every way to the data."""

import datetime as dt
from decimal import Decimal

import pytest

from database_pool import execute_query, new_id, transaction

IST = dt.timezone(dt.timedelta(hours=5, minutes=30))


@pytest.fixture(scope="module", autouse=True)
def masters(backend):
    backend.sql.execute("""
        insert into insurers (insurer_id, name) values (1, 'Example General');
        insert into products (product_id, name, line) values (1, 'Fire Cover', 'fire');
        insert into clients (client_id, name) values ('V01', 'Values');
    """)


def through(table, key, written):
    """What the transaction answers and what a later read finds, for the columns of `written`."""
    with transaction() as tx:
        change = tx.insert(table, {**key, **written})
    key_column, key_value = next(iter(key.items()))
    read = execute_query(table, columns=list(written), filters={f"{key_column}_eq": key_value}).data[0]
    assert {name: change.rows[0][name] for name in written} == read
    return read


def policy(**written):
    required = {
        "client_id": "V01",
        "insurer_id": 1,
        "product_id": 1,
        "line": "fire",
        "policy_from": "2026-04-01",
        "policy_to": "2027-03-31",
        "due_on": "2027-03-31",
        "state": "pending",
    }
    return through("policies", {"policy_id": new_id("policies")}, {**required, **written})


@pytest.mark.parametrize(
    "amount", ["0", "0.01", "12.50", "99.95", "100", "1864000.00", "0.10", "999999999999.99", "123456789012.30"]
)
def test_money_stays_exact_with_its_paise(backend, amount):
    read = policy(gross_premium=Decimal(amount))["gross_premium"]
    assert isinstance(read, Decimal)
    assert read == Decimal(amount)
    assert str(read) == f"{Decimal(amount):.2f}"


def test_sums_stay_exact(backend):
    amounts = [Decimal("0.10")] * 3 + [Decimal("999999999.99"), Decimal("0.01")]
    with transaction() as tx:
        tx.insert("clients", {"client_id": "V02", "name": "Sums"})
        tx.insert(
            "policies",
            [
                {
                    "policy_id": new_id("policies"),
                    "client_id": "V02",
                    "insurer_id": 1,
                    "product_id": 1,
                    "line": "fire",
                    "policy_number": f"S/{n}",
                    "policy_from": "2026-04-01",
                    "policy_to": "2027-03-31",
                    "due_on": "2027-03-31",
                    "gross_premium": amount,
                }
                for n, amount in enumerate(amounts)
            ],
        )
    total = execute_query("client_list", columns="gross_premium", filters={"client_id_eq": "V02"}).data[0][
        "gross_premium"
    ]
    assert (total, str(total)) == (Decimal("1000000000.30"), "1000000000.30")


@pytest.mark.parametrize("amount", ["9999999999999.99", "1234567890123.45", "5000000.00"])
def test_large_sums_insured_stay_exact(backend, amount):
    assert str(policy(sum_insured=Decimal(amount))["sum_insured"]) == amount


def test_rates_have_the_digits_of_their_column(backend):
    assert str(policy(gst_rate=18)["gst_rate"]) == "18.00"
    assert str(policy(commission_rate="12.5")["commission_rate"]) == "12.50"


@pytest.mark.parametrize(
    "day", [dt.date(2026, 11, 23), dt.date(2000, 2, 29), dt.date(1900, 1, 1), dt.date(2099, 12, 31)]
)
def test_days_come_back_as_days(backend, day):
    read = policy(payment_date=day)["payment_date"]
    assert (type(read), read) == (dt.date, day)


@pytest.mark.parametrize(
    "moment",
    [
        dt.datetime(2026, 11, 23, 15, 36, 8, 30000, tzinfo=dt.UTC),
        dt.datetime(2026, 4, 1, 0, 0, tzinfo=IST),
        dt.datetime(2026, 1, 1, 23, 59, 59, 999999, tzinfo=dt.UTC),
        dt.datetime(1999, 12, 31, 18, 30, tzinfo=dt.UTC),
    ],
)
def test_moments_come_back_in_utc(backend, moment):
    read = through(
        "audit",
        {"audit_id": new_id("audit")},
        {"action": "t", "record_type": "t", "record_id": "1", "happened_at": moment},
    )["happened_at"]
    assert read == moment
    assert read.utcoffset() == dt.timedelta(0)


def test_the_servers_own_moments_are_utc_too(backend):
    row = execute_query("clients", columns="created_at", filters={"client_id_eq": "V01"}).data[0]
    assert row["created_at"].utcoffset() == dt.timedelta(0)
    assert abs(row["created_at"] - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=30)


@pytest.mark.parametrize(
    "text",
    [
        "O'Neil",
        '"quoted"',
        "back\\slash",
        "comma, dot. (paren)",
        "रोहन उदाहरण",
        "ગુજરાતી",
        "😀 👨‍👩‍👧",
        "null",
        "true",
        "{}",
        "[1]",
        '{"a": 1}',
        "%",
        "*",
        "\\x41",
        "line\nbreak\r\n\ttab",
        " spaces ",
        "'; drop table clients; --",
        "x" * 200_000,
        "₹ 1,86,400",
    ],
)
def test_text_stays_text(backend, text):
    assert policy(remarks=text)["remarks"] == text


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, "b": [1, 2.5, None, True], "c": {"d": "देव 😀"}},
        [],
        {},
        ["x", {"y": None}],
        {"text": "12.50", "quote": "\"'\\"},
    ],
)
def test_json_keeps_its_shape(backend, value):
    read = through(
        "audit",
        {"audit_id": new_id("audit")},
        {"action": "t", "record_type": "t", "record_id": "1", "before": value, "after": None},
    )
    assert read["before"] == value
    assert read["after"] is None


@pytest.mark.parametrize(
    "value",
    [
        [],
        ["papers"],
        ["a, b", 'c "d"', "e\\f", "{g}", "रोहन", "null", "NULL", " "],
    ],
)
def test_lists_of_text_come_back_as_lists(backend, value):
    assert policy(waiting_for=value)["waiting_for"] == value


@pytest.mark.parametrize("value", [True, False])
def test_truth_values_stay_so(backend, value):
    assert policy(one_time=value)["one_time"] is value


def test_nothing_comes_back_as_none(backend):
    empty = {"remarks": None, "payment_date": None, "sum_insured": None, "agent_id": None, "deleted_at": None}
    read = policy(**empty)
    assert {name: read[name] for name in empty} == empty


@pytest.mark.parametrize("number", [2**31, 2**53, 2**53 + 1])
def test_whole_numbers_stay_exact(backend, known_fault_of_lite, number):
    if number > 2**53:
        known_fault_of_lite("large numbers")
    read = through("audit", {"audit_id": number}, {"action": "t", "record_type": "t", "record_id": "1"})
    assert read["action"] == "t"
    assert execute_query("audit", columns="audit_id", filters={"audit_id_eq": number}).data == [{"audit_id": number}]
