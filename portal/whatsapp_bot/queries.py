"""Questions the bot asks: who is writing, which policies they have, where the conversation stands."""

from datetime import date, timedelta
from typing import Any

from database_pool import execute_query
from portal.formats import compact
from portal.paging import Listing, Page, Sort, read_page

Row = dict[str, Any]
AHEAD = 60  # days that "renewals due" looks ahead
MOST_POLICIES = 200
MOST_CLIENTS = 8
SORTS = (Sort("last", "last_at", "address", kind="time", descending=True),)


def session(address: str) -> Row | None:
    """Where the conversation with a sender stands, or None when there was none yet."""
    rows = execute_query("bot_sessions", filters={"address_eq": address}, limit=1).data
    return rows[0] if rows else None


def next_unanswered(address: str, *, up_to: int) -> Row | None:
    """The oldest message of a sender that waits for an answer, none after `up_to`."""
    filters = {"address_eq": address, "inbound_id_lte": up_to}
    rows = execute_query("bot_unanswered", filters=filters, order="inbound_id", limit=1).data
    return rows[0] if rows else None


def unanswered(inbound_id: int) -> Row | None:
    """One message that waits for an answer; None when it was answered, or there is none."""
    rows = execute_query("bot_unanswered", filters={"inbound_id_eq": inbound_id}, limit=1).data
    return rows[0] if rows else None


def clients_of_phone(phone: str) -> list[Row]:
    """The living clients that have a number: client_id, name, language."""
    return execute_query("bot_clients", filters={"phone_eq": phone}, order="client_id", limit=MOST_CLIENTS).data


def client(client_id: str) -> Row | None:
    """A living client: client_id, name, language, phone, other_phone."""
    columns = "client_id, name, language, phone, other_phone"
    filters = {"client_id_eq": client_id, "deleted_at_is": None}
    rows = execute_query("clients", columns=columns, filters=filters, limit=1).data
    return rows[0] if rows else None


def policies_of(client_id: str) -> list[Row]:
    """The policies of a client that run or ended lately, those that end first in front."""
    filters = {"client_id_eq": client_id}
    return execute_query("bot_policies", filters=filters, order="due_on, policy_id", limit=MOST_POLICIES).data


def due_of(client_id: str, today: date) -> list[Row]:
    """Those of them that are overdue or end within 60 days, without one-time policies."""
    filters = {"client_id_eq": client_id, "one_time_eq": False, "due_on_lte": today + timedelta(days=AHEAD)}
    return execute_query("bot_policies", filters=filters, order="due_on, policy_id", limit=MOST_POLICIES).data


def policy(policy_id: int) -> Row | None:
    """One of the policies that the bot may tell about."""
    rows = execute_query("bot_policies", filters={"policy_id_eq": policy_id}, limit=1).data
    return rows[0] if rows else None


def clients_of_policy_number(number: str) -> list[str]:
    """The clients that have a policy of this number, however it is written."""
    rows = execute_query(
        "bot_policies", columns="client_id", filters={"number_key_eq": compact(number)}, order="policy_id", limit=5
    ).data
    return list(dict.fromkeys(row["client_id"] for row in rows))


def contact(address: str) -> Row | None:
    """What is known of the sender's address: opted_out_at, waits_for_staff_since."""
    filters = {"channel_eq": "whatsapp", "address_eq": address}
    rows = execute_query("contacts", filters=filters, limit=1).data
    return rows[0] if rows else None


def listed_session(address: str) -> Row | None:
    """One conversation as colleagues see it."""
    rows = execute_query("bot_session_list", filters={"address_eq": address}, limit=1).data if address else []
    return rows[0] if rows else None


def page_of_sessions(wanted: Listing, *, waiting: bool) -> Page:
    """One page of the conversations, the latest first; or those that wait for a colleague alone."""
    return read_page("bot_session_list", wanted, filters={"waits_for_staff_since_not_is": None} if waiting else {})
