"""The renewal desk and the bot where the data lies behind Supabase's REST interface."""

import pytest

from database_pool import execute_query
from portal.formats import today
from portal.renewals import queries
from tests.cast import sign_in
from tests.renewals.desk import hold_back_messages, messages, morning, notes, open_desk, term
from tests.whatsapp_bot.conftest import Person

pytestmark = pytest.mark.slow


def test_what_is_due_is_listed_reminded_of_and_told_to_who_asks_over_rest_as_everywhere(rest_app):
    hold_back_messages()
    book = open_desk()
    due, car = term(book, 7), term(book, -3, "motor", policy_number="T/9001")
    clerk = sign_in(rest_app, "staff")
    page = clerk.get("/renewals?q=rohan").text
    assert f'href="/renewals/{due}"' in page
    assert "Uninsured" in page
    assert "2 policies · ₹23,600 gross premium" in page
    assert queries.board(today()).overdue == 1
    morning()
    assert (notes(due), notes(car)) == (["D-7"], ["D+3"])
    assert {row["state"] for row in messages(due)} == {"queued"}
    lost = clerk.submit(f"/policies/{due}/loss", {"version": "1", "reason": "price"})
    assert lost.status_code == 303
    assert {row["state"] for row in messages(due)} == {"cancelled"}
    morning()
    assert notes(due) == ["D-7"]
    quoted = clerk.submit(f"/renewals/{car}", {"version": "0", "stage": "quoted", "quoted_premium": "9,900"})
    assert quoted.status_code == 303
    retained = queries.retention(today().replace(day=1), 2, today())
    assert sum(month.lost for month in retained) == 1

    # A phone number as a filter is respelled by this server (tests/database/conftest.py); a user id is not.
    client, person = execute_query("clients", filters={"client_id_eq": book.client}).data[0], Person(user_id="IN.rest")
    assert person.hears("hi") == "bot.ask_policy"
    assert person.hears("t 9001") == "bot.ask_digits"
    assert person.hears(client["phone"][-4:]) == "bot.menu"
    assert "T/9001" in person.says("2")[0]["body"]
