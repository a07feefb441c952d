"""A person gets a copy of everything, and is erased as far as no law keeps the data, whatever dies in between."""

import io
import json
import re
import zipfile
from datetime import date, timedelta

import psycopg
import pytest
from psycopg import sql
from werkzeug.datastructures import FileStorage

from batch_file_operations import StoreError, batch_file_manager
from database_pool import execute_query, transaction
from portal.clients import queries as clients
from portal.documents import service as contents
from portal.formats import now, today
from portal.privacy import copies, service, tasks
from task_queue import run_due_tasks
from tests.cast import make_cast, sign_in
from tests.clients.conftest import gstin_of
from tests.monitoring.test_backups import pdf

pytestmark = pytest.mark.slow
LONG_AGO, LATELY = date(2010, 3, 31), today() - timedelta(days=200)
# What is forgotten by itself within a day.
PASSING = {"applied_changes", "api_answers"}


@pytest.fixture(scope="module")
def administrator(app):
    return sign_in(app, "administrator")


@pytest.fixture(scope="module")
def manager(app):
    return sign_in(app, "manager")


def file_for(client_id, name, **where):
    accepted = batch_file_manager.accept(
        [{"file": FileStorage(io.BytesIO(pdf(f"{client_id} {name}")), filename=name), "client_id": client_id, **where}]
    )
    run_due_tasks()
    assert accepted
    return execute_query("documents", filters={"client_id_eq": client_id}, order="document_id desc", limit=1).data[0]


def pan_of(word):
    return f"ACUP{word[0].upper()}{sum(map(ord, word)):04d}R"


def person(clerk, word, ended):
    """A client with a member, a policy that ended on a day, a payment, two documents, messages both ways and a consent.

    Everything that leads to the person holds `word`, the telephone its digits; answers (client_id, telephone).
    """
    phone = f"98{sum(map(ord, word)) % 10**8:08d}"
    here = clerk.submit(
        "/clients/new",
        {
            "name": f"{word} {word[::-1].title()}",
            "phone": phone,
            "email": f"{word.lower()}@example.in",
            "client_type": "individual",
            "language": "en",
            "pan": pan_of(word),
            "gstin": gstin_of(pan_of(word)),
            "date_of_birth": "4/2/1961",
            "address": f"{word} House",
            "notes": f"{word} is diabetic",
            "whatsapp_opt_in": "1",
        },
    ).location
    client_id = here.rsplit("/", 1)[1]
    clerk.submit(
        f"{here}/members/new", {"name": f"Daughter {word}", "relation": "daughter", "health_notes": f"{word} asthma"}
    )
    member = execute_query("members", filters={"client_id_eq": client_id}, order="member_id").data[0]
    with transaction() as tx:
        tx.upsert("insurers", {"insurer_id": 900, "name": "Example General"})
        tx.upsert("products", {"product_id": 900, "name": "Example Car Package", "line": "motor"})
        made = tx.insert(
            "policies",
            {
                "client_id": client_id,
                "member_id": member["member_id"],
                "insurer_id": 900,
                "product_id": 900,
                "line": "motor",
                "policy_number": f"EX/{client_id}",
                "policy_from": ended - timedelta(days=364),
                "policy_to": ended,
                "due_on": ended,
                "state": "lost",
                "payment_date": ended - timedelta(days=364),
                "gross_premium": "14206",
            },
        )
    policy_id = made.rows[0]["policy_id"]
    with transaction() as tx:
        tx.insert(
            "payments",
            {
                "policy_id": policy_id,
                "paid_on": ended - timedelta(days=364),
                "amount": "14206",
                "mode": "UPI",
                "form_key": f"once {client_id}",
            },
            returning=False,
        )
        tx.insert(
            "endorsements",
            {
                "policy_id": policy_id,
                "kind": "correction",
                "effective_on": ended - timedelta(days=90),
                "gross_premium": "1180",
                "commission_amount": "177.31",
            },
            returning=False,
        )
        tx.insert(
            "messages",
            {
                "key": f"test {client_id}",
                "channel": "whatsapp",
                "purpose": "service",
                "state": "sent",
                "recipient": f"+91{phone}",
                "client_id": client_id,
                "policy_id": policy_id,
                "body": f"Dear {word}",
                "variables": {"name": word},
            },
            returning=False,
        )
        tx.insert(
            "inbound_messages",
            {
                "provider": "meta",
                "provider_id": f"wamid.{client_id}",
                "address": f"+91{phone}",
                "body": f"{word} here",
                "received_at": now(),
            },
            returning=False,
        )
        tx.upsert(
            "contacts",
            {"channel": "whatsapp", "address": f"+91{phone}", "profile_name": word},
            on_conflict="channel, address",
        )
        left_out = [
            {"record_type": "client", "record_id": client_id, "reason": "No consent.", "label": f"{word} himself"},
            {"record_type": "policy", "record_id": str(policy_id), "reason": "Ended.", "label": f"EX · {word}"},
            {"record_type": "client", "record_id": "QQ98", "reason": "No phone.", "label": "A neighbour"},
            {"record_type": "policy", "record_id": client_id, "reason": "There is none.", "label": None},
        ]
        tx.insert(
            "batches",
            {"batch_id": f"of{client_id}", "kind": "tests", "title": "A job", "total": 0, "skipped": left_out},
            returning=False,
        )
    file_for(client_id, f"{word} schedule.pdf", policy_id=policy_id, kind="policy-schedule")
    file_for(client_id, f"{word} report.pdf", kind="medical-report")
    return client_id, phone


def where(address, *needles):
    """Names of the tables that hold one of these texts anywhere in a row."""
    with psycopg.connect(address) as connection:
        names = [
            row[0]
            for row in connection.execute(
                "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
            )
        ]
        one = "select exists (select from {table} t where t::text ilike any (%s))"
        return {
            name
            for name in names
            if name not in PASSING
            and connection.execute(
                sql.SQL(one).format(table=sql.Identifier(name)), [[f"%{needle}%" for needle in needles]]
            ).fetchone()[0]
        }


def ask_to_erase(browser, client_id):
    return browser.submit(f"/privacy/clients/{client_id}/erasure", {"number": client_id.lower()})


def contents_of(documents):
    """What each document contains, None where that is gone."""
    found: list[bytes | None] = []
    for document in documents:
        try:
            found.append(b"".join(batch_file_manager.read(document["document_id"])))
        except StoreError:
            found.append(None)
    return found


@pytest.fixture(scope="module")
def copied(manager, app):
    """A finished copy of somebody's data: the client's id, the page of it, and the download."""
    client_id, _ = person(manager, "Copywala", LATELY)
    manager.submit(f"/privacy/clients/{client_id}/copy")
    run_due_tasks()
    page = manager.get(f"/privacy/clients/{client_id}").text
    link = re.search(r'href="(/privacy/copies/[^"]+)"', page)[1]
    return client_id, link, manager.get(link)


def test_a_copy_holds_everything_that_is_known(copied):
    client_id, _, answer = copied
    assert (
        answer.status_code == 200
        and answer.headers["Content-Disposition"] == f'attachment; filename="{client_id}_data.zip"'
    )
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        known = json.loads(archive.read("data.json"))
        files = {name.split(" ", 1)[1] for name in archive.namelist() if name.startswith("documents/")}
        assert all(archive.read(name).startswith(b"%PDF") for name in archive.namelist() if name.endswith(".pdf"))
    assert files == {"Copywala schedule.pdf", "Copywala report.pdf"}
    assert (known["client"]["pan"], known["client"]["date_of_birth"]) == (pan_of("Copywala"), "1961-02-04")
    assert known["client"]["gstin"] == gstin_of(pan_of("Copywala"))
    assert known["members"][1]["health_notes"] == "Copywala asthma"
    counted = {"policies": 1, "payments": 1, "endorsements": 1, "messages": 1, "consents": 1, "documents": 2}
    assert {part: len(known[part]) for part in counted} == counted
    assert known["endorsements"][0]["gross_premium"] == "1180.00"
    rows = json.dumps({part: content for part, content in known.items() if part != "about"})
    assert [word for word in ("commission", "177.31", "form_key", "once ") if word in rows] == []


def test_a_name_in_a_copy_leads_nowhere_else():
    for name in ("../../etc/passwd", "/etc/passwd", "..\\..\\x.pdf", "a/b\x00c.pdf", "...", "x" * 500):
        place = copies.name_of({"document_id": 7, "file_name": name})
        assert place.startswith("documents/7 ") and not re.search(r"[\\\x00]|/.*/|\.\./", place) and len(place) < 120


def test_on_the_disk_a_copy_opens_for_nobody(copied, database):
    (file,) = (database.data_dir / "copies").glob("*.age")
    content = file.read_bytes()
    assert content.startswith(b"age-encryption.org/v1") and b"Copywala" not in content
    row = execute_query("person_requests", filters={"client_id_eq": copied[0]}).data[0]
    assert "AGE-SECRET-KEY" not in row["file_key"]


def test_a_link_to_a_copy_opens_for_those_who_may_and_not_for_ever(copied, app, manager, monkeypatch):
    _, link, _ = copied
    assert sign_in(app, "staff").get(link).status_code == 403
    assert app.test_client().get(link).status_code == 303
    assert manager.get(link[:-2]).status_code == 404
    monkeypatch.setattr("portal.privacy.views.LINK_VALID", -1)
    assert manager.get(link).status_code == 404
    assert {"ask for export", "download copy"} <= {
        row["action"] for row in execute_query("audit", filters={"client_id_eq": copied[0]}).data
    }


def test_a_copy_is_gone_after_a_day(copied, manager, database, monkeypatch):
    monkeypatch.setattr(tasks, "COPY_KEPT", timedelta(seconds=-1))
    assert tasks.review()["copies_removed"] == 1
    assert not list((database.data_dir / "copies").glob("*.age")) and manager.get(copied[1]).status_code == 404


def test_a_copy_is_not_made_for_who_lost_the_right_meanwhile(manager, administrator):
    client_id, _ = person(administrator, "Rightwala", LATELY)
    manager.submit(f"/privacy/clients/{client_id}/copy")
    who = {"user_id_eq": make_cast()["manager"]}
    execute_query("users", "update", data={"role": "staff"}, filters=who)
    run_due_tasks()
    execute_query("users", "update", data={"role": "manager"}, filters=who)
    asked = execute_query("person_requests", filters={"client_id_eq": client_id}).data[0]
    assert (asked["state"], asked["file_key"]) == ("gone", None)


def test_nobody_is_erased_while_a_policy_runs_or_by_who_may_not(administrator, manager):
    client_id, _ = person(administrator, "Openwala", LATELY)
    with transaction() as tx:
        tx.update(
            "policies", {"state": "live", "policy_to": today() + timedelta(days=9)}, filters={"client_id_eq": client_id}
        )
    assert "live or wait for papers" in administrator.get(f"/privacy/clients/{client_id}").text
    assert ask_to_erase(administrator, client_id).status_code == 422
    assert ask_to_erase(manager, client_id).status_code == 403
    assert administrator.submit(f"/privacy/clients/{client_id}/erasure", {"number": "ZZ99"}).status_code == 422
    assert execute_query("person_requests", filters={"client_id_eq": client_id}).data == []


@pytest.mark.parametrize("dies_at", ["the second document", "the rows", None])
def test_a_person_whom_no_law_keeps_is_gone_everywhere(administrator, database, monkeypatch, dies_at):
    word = {"the second document": "Firstgone", "the rows": "Secondgone", None: "Thirdgone"}[dies_at]
    client_id, phone = person(administrator, word, LONG_AGO)
    documents = execute_query("documents", filters={"client_id_eq": client_id}).data
    assert where(database.database_url, word, phone) >= {
        "clients",
        "members",
        "messages",
        "inbound_messages",
        "documents",
        "audit",
    }
    asked = ask_to_erase(administrator, client_id)
    request_id = int(asked.location.rsplit("/", 1)[1])
    with monkeypatch.context() as broken:
        if dies_at == "the rows":
            broken.setattr(service, "call_function", _dies)
        elif dies_at:
            removed = contents.remove_content
            calls = iter(range(10))
            broken.setattr(contents, "remove_content", lambda number: _dies() if next(calls) else removed(number))
        if dies_at:
            with pytest.raises(Killed):
                service.erase(request_id)
            assert execute_query("clients", filters={"client_id_eq": client_id}).data
    run_due_tasks()
    assert where(database.database_url, word, phone) == set()
    assert contents_of(documents) == [None, None]
    assert not [path for path in database.data_dir.rglob("*") if word in path.name]
    page = administrator.get(f"/privacy/requests/{request_id}").text
    assert "Erased" in page and "IRDAI" in page
    trail = execute_query(
        "audit", filters={"client_id_eq": client_id, "record_type_eq": "client", "action_eq": "add"}
    ).data
    assert re.fullmatch(r"Person [0-9A-F]{8}", trail[0]["after"]["name"]) and trail[0]["after"]["name"] in page
    told = execute_query("batches", filters={"batch_id_eq": f"of{client_id}"}).data[0]["skipped"]
    name = trail[0]["after"]["name"]
    assert [record["label"] for record in told] == [name, name, "A neighbour", None]
    assert [record["reason"] for record in told] == ["No consent.", "Ended.", "No phone.", "There is none."]
    assert service.erase(request_id) == {"erased": False}


def test_what_a_law_keeps_stays_until_its_time_is_over(administrator, database, monkeypatch):
    client_id, phone = person(administrator, "Keptwala", LATELY)
    number = ask_to_erase(administrator, client_id).location.rsplit("/", 1)[1]
    run_due_tasks()
    assert (
        where(database.database_url, phone, "keptwala@", "diabetic", "asthma") & {"clients", "members", "messages"}
        == set()
    )
    assert where(database.database_url, "Keptwala") <= {"clients", "members", "documents"}
    known = clients.client(client_id)
    assert (known["pan"], known["gstin"]) == (pan_of("Keptwala"), gstin_of(pan_of("Keptwala")))
    left = execute_query("documents", filters={"client_id_eq": client_id}).data
    assert [row["kind"] for row in left] == ["policy-schedule"] and None not in contents_of(left)
    assert [row["name"] for row in execute_query("members", filters={"client_id_eq": client_id}).data] == [
        "Keptwala Alawtpek"
    ]
    asked = execute_query("person_requests", filters={"request_id_eq": int(number)}).data[0]
    assert asked["state"] == "kept" and asked["review_on"] == LATELY.replace(year=LATELY.year + 5)
    with transaction() as tx:  # ten years later
        tx.update(
            "policies",
            {"policy_from": LONG_AGO - timedelta(days=364), "policy_to": LONG_AGO, "due_on": LONG_AGO},
            filters={"client_id_eq": client_id},
        )
        tx.update("person_requests", {"review_on": today()}, filters={"request_id_eq": int(number)})
    assert tasks.review()["erasures_continued"] == 1
    run_due_tasks()
    assert where(database.database_url, "Keptwala") == set()


def test_the_gstin_which_holds_the_pan_goes_with_it(administrator):
    """Seven years after the end the terms are kept, and no proof of identity."""
    client_id, _ = person(administrator, "Gstinwala", today().replace(day=1) - timedelta(days=7 * 365))
    ask_to_erase(administrator, client_id)
    run_due_tasks()
    row = execute_query("clients", filters={"client_id_eq": client_id}).data[0]
    assert row["name"].startswith("Gstinwala")
    sealed = ("pan", "pan_sealed", "pan_index", "gstin", "gstin_sealed")
    assert [row[column] for column in sealed] == [None] * 5


def test_a_family_that_shares_a_telephone_keeps_its_conversation(administrator, database):
    gone, phone = person(administrator, "Sharedwala", LONG_AGO)
    stays = administrator.submit(
        "/clients/new",
        {
            "name": "Brother Otherman",
            "phone": phone,
            "client_type": "individual",
            "language": "en",
            "same_as_known": gone,
        },
    ).location.rsplit("/", 1)[1]
    ask_to_erase(administrator, gone)
    run_due_tasks()
    assert execute_query("clients", filters={"client_id_eq": stays}).data[0]["phone"] == f"+91{phone}"
    assert execute_query("inbound_messages", filters={"address_eq": f"+91{phone}"}).data
    assert not execute_query("clients", filters={"client_id_eq": gone}).data


class Killed(BaseException):
    """As sudden as kill -9: nobody catches it."""


def _dies(*_given, **_more):
    raise Killed
