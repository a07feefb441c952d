"""Every error code means the same, whether a provider answers with it or reports it later."""

from collections.abc import Mapping

import pytest

from portal.gateways import http, mail, whatsapp_meta, whatsapp_twilio
from portal.gateways.interface import Kind, Verdict, as_reported
from portal.outbox.delivery import pause_before

R, U, T, P, S, A = Kind.RETRY, Kind.UNCLEAR, Kind.TEMPLATE, Kind.PERMANENT, Kind.SUPPRESS, Kind.CHANNEL
# https://www.twilio.com/docs/api/errors and the map at docs/whatsapp/tutorial/error-codes
TWILIO = {
    A: "20003 21606 21612 63007 30002 63001",
    R: "20429 21611 30001 30003 30008 30500 63012 63023 63017 63018 63019 63038",
    U: "20500 20503",
    P: "21211 21408 21614 21217 21617 21654 21656 30005 30006 30007 30036 63005 63006 63013 63015 63021 63027 63028 "
       "63029 63030 63032 63049",
    S: "21610 30004 63003 63024 63014",
    T: "63016",
}  # fmt: skip
# https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
META = {
    A: "0 190 3 10 200 250 299 131048 368 131031 131042 131045 133010",
    R: "4 80007 130429 131056 131057 131052 131053",
    U: "1 2 131000 131016 133004",
    P: "130497 131049 130472 100 33 131008 131009 131021 131051 132000 132001 132005 132007 132012 132015 132016 "
       "132068 132069",
    S: "131026 131050",
    T: "131047",
}


def rows(table: Mapping[Kind, str]) -> list[tuple[str, Kind]]:
    return [(code, kind) for kind, codes in table.items() for code in codes.split()]


@pytest.mark.parametrize(("code", "kind"), rows(TWILIO))
def test_each_code_of_twilio_has_its_class(code, kind):
    assert whatsapp_twilio.judge_answer(code, 400).kind == kind
    reported = as_reported(whatsapp_twilio.ERRORS[code])
    assert reported.kind == (R if kind == U else kind)
    assert reported.sentence.endswith(".")


@pytest.mark.parametrize(("code", "kind"), rows(META))
def test_each_code_of_meta_has_its_class(code, kind):
    assert whatsapp_meta.judge_answer(code, 400).kind == kind
    reported = as_reported(whatsapp_meta.ERRORS[code])
    assert reported.kind == (R if kind == U else kind)
    assert reported.sentence.endswith(".")


def test_the_tables_of_the_tests_are_complete():
    assert set(whatsapp_twilio.ERRORS) == {code for code, _ in rows(TWILIO)}
    assert set(whatsapp_meta.ERRORS) - {str(code) for code in range(200, 300)} == {
        code for code, _ in rows(META) if not 200 <= int(code) < 300}  # fmt: skip


@pytest.mark.parametrize("judge", [whatsapp_twilio.judge_answer, whatsapp_meta.judge_answer])
@pytest.mark.parametrize(("status", "kind"), [
    (400, P), (404, P), (401, A), (403, A), (429, R), (500, U), (502, U), (503, U)])  # fmt: skip
def test_a_code_that_no_table_knows_goes_by_the_status(judge, status, kind):
    assert judge("99999", status).kind == kind


def test_what_a_suppressing_error_stops():
    assert whatsapp_twilio.ERRORS["21610"].blocks == "stop"
    assert whatsapp_meta.ERRORS["131050"].blocks == "promotions"
    assert whatsapp_twilio.ERRORS["63024"].blocks == whatsapp_meta.ERRORS["131026"].blocks == "unreachable"


@pytest.mark.parametrize(("code", "kind"), [
    (421, R), (450, R), (451, R), (452, R), (499, R), (530, A), (535, A), (552, P), (554, P), (550, P),
    (599, P)])  # fmt: skip
def test_each_reply_of_a_mail_server_has_its_class(code, kind):
    assert mail.judge_reply(code).kind == kind


def test_a_mailbox_that_does_not_exist_gets_nothing_more():
    assert mail.judge_reply(550, b"5.1.1 no such user", recipient=True).kind == S
    assert mail.judge_reply(550, b"5.7.1 spam", recipient=True).kind == P


def test_waiting_doubles_up_to_ten_times_and_retry_after_wins():
    waits = [pause_before(attempt, 60, None, 0.5).total_seconds() for attempt in (1, 2, 3, 10)]
    assert waits == [60, 120, 240, 600]
    assert pause_before(1, 2, 300.0, 0.0).total_seconds() == 300
    assert {pause_before(1, 60, None, chance).total_seconds() for chance in (0.0, 1.0)} == {45.0, 75.0}


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("", None), ("soon", None), ("-3", None), ("9" * 7, 3600)])
def test_retry_after_is_read_in_seconds(header, seconds):
    assert http.Answer(429, {"Retry-After": header}, b"").retry_after == seconds


def test_retry_after_is_read_as_a_date():
    assert http.Answer(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"").retry_after == 0.0


def test_every_verdict_is_one_sentence_for_a_colleague():
    verdicts: list[Verdict] = [*whatsapp_twilio.ERRORS.values(), *whatsapp_meta.ERRORS.values(), *mail.REPLIES.values()]
    assert all(verdict.sentence[0].isupper() and verdict.sentence.endswith(".") for verdict in verdicts)
