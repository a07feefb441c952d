"""Sealing, reads and a person's rights work over PostgREST as everywhere."""

import io
import json
import re
import zipfile

import pytest

from database_pool import execute_query, transaction
from portal.clients import queries
from portal.privacy import keys
from portal.web import reads
from task_queue import run_due_tasks
from tests.cast import sign_in


@pytest.mark.slow
def test_a_person_is_sealed_read_copied_and_erased_over_rest_as_everywhere(rest_app):
    browser = sign_in(rest_app, "administrator")
    asked = {"name": "Zubin Wadia", "client_type": "individual", "language": "en", "pan": "ACUPZ7777R", "prefix": "QX"}
    here = browser.submit("/clients/new", {**asked, "date_of_birth": "13/7/1971", "notes": "asthma"}).location
    client_id = here.rsplit("/", 1)[1]
    assert "13/07/1971" in browser.get(here).text
    row = execute_query("clients", filters={"client_id_eq": client_id}).data[0]
    assert (row["pan"], row["date_of_birth"], row["notes"]) == (None, None, None)
    with transaction() as tx:
        older = {"pan": "ACUPZ7777R", "pan_sealed": None, "pan_index": None}
        tx.update("clients", older, filters={"client_id_eq": client_id})
    before = queries.client(client_id)
    assert keys.seal_everything() == {"clients": 1, "members": 0, "two_step": 0, "other_keys": []}
    assert queries.client(client_id) == before
    keys.check_keys()
    reads.flush()
    shown = {"client_id_eq": client_id, "record_type_eq": "client"}   # reads of other tests wait in this process too
    assert execute_query("read_list", columns="way", filters=shown).data == [{"way": "page"}]

    browser.submit(f"/privacy/clients/{client_id}/copy")
    run_due_tasks()
    found = re.search(r'href="(/privacy/copies/[^"]+)"', browser.get(f"/privacy/clients/{client_id}").text)
    assert found is not None
    with zipfile.ZipFile(io.BytesIO(browser.get(found[1]).data)) as archive:
        assert json.loads(archive.read("data.json"))["client"]["pan"] == "ACUPZ7777R"

    asked_for = browser.submit(f"/privacy/clients/{client_id}/erasure", {"number": client_id})
    run_due_tasks()
    assert "Erased" in browser.get(asked_for.location).text
    assert queries.client(client_id) is None
