"""Questions about clients and their members."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from database_pool import Question, execute_queries, execute_query
from portal import sealing
from portal.clients.inputs import ClientFilter
from portal.formats import today
from portal.freshness import Fresh
from portal.inputs import search_query
from portal.lists.queries import MOST_AT_ONCE
from portal.paging import Listing, Page, Sort, keep_page, read_all, read_page

Row = dict[str, Any]

SORTS = (
    Sort("name", "name_key", "client_id", letters=True),
    Sort("id", "client_id", "client_id"),
    Sort("city", "city", "client_id", nullable=True),
    Sort("policies", "live_policies", "client_id", kind="whole", descending=True),
    Sort("gross", "gross_premium", "client_id", kind="number", nullable=True, descending=True),
    Sort("due", "next_due", "client_id", kind="date", nullable=True),
    Sort("added", "created_at", "client_id", kind="time", descending=True),
)
SUBJECTS = ("listed", "policies", "masters")   # what the list is made from
HOUSEHOLD = ("clients", "policies", "masters", "colleagues")
MOST_CHOICES = 1000
MOST_POLICIES = 200
MOST_MEMBERS = 500
SHOWN = (
    "client_id, client_type, name, name_key, phone, email, city, group_name, agent_name, whatsapp_opt_in, "
    "created_at, deleted_at, members, live_policies, gross_premium, next_due"
)
LISTED = f"{SHOWN}, version"   # whoever goes on from a row to change it says which one was seen
MEMBER = ", ".join(("member_id, client_id, name, relation, gender, phone, nominee, version, deleted_at",
                    *sealing.sealed_columns("members")))
NOTHING: dict[str, Any] = {"client_id_eq": ""}


@dataclass(frozen=True, eq=False)
class Choices:
    """Cities and groups in use, by name; one object as long as they are right."""

    cities: list[str]
    groups: list[str]


@dataclass(frozen=True)
class Household:
    """A client with its members, removed ones too, and today's covers: one row for each member and open term, the one
    that ends first first.
    """

    client: Row
    members: list[Row]
    covers: list[Row]


def page_of_clients(wanted: Listing, narrowed: ClientFilter) -> Page:
    """One page of the clients that match, without those in the trash (or those alone)."""
    return read_page("client_list", wanted, filters=filters_of(narrowed), columns=LISTED)


def first_clients(wanted: Listing, narrowed: ClientFilter, fresh: Fresh) -> Page:
    """The same without versions; the first page is kept while nothing of it changes."""
    return keep_page("client_list", wanted, filters=filters_of(narrowed), columns=SHOWN, total=None, subjects=SUBJECTS,
                     fresh=fresh)


def every_client(wanted: Listing, filters: Row) -> Iterator[Row]:
    """All clients that the filters hold, in the order of the list, with `to_note` as one text."""
    rows = read_all("client_list", wanted, filters=filters, columns=LISTED)
    return ({**row, "to_note": to_note(row)} for row in rows)


def to_note(row: Row) -> str:
    """What is missing of a client, as the list shows it."""
    missing = [("No phone", row["phone"]), ("No e-mail", row["email"]), ("No consent", row["whatsapp_opt_in"])]
    return ", ".join(word for word, there in missing if not there)


def all_clients(filters: Row) -> list[Row]:
    """Id, name, agent and version of the clients that the filters hold, at most one more than may change at once."""
    columns = "client_id, name, agent_id"
    return execute_query(
        "client_list", columns=columns, filters=filters, order="client_id", limit=MOST_AT_ONCE + 1
    ).data


def filters_of(narrowed: ClientFilter) -> dict[str, Any]:
    """The conditions on client_list that a filter stands for."""
    filters: dict[str, Any] = {"deleted_at_not_is" if narrowed.show == "trash" else "deleted_at_is": None}
    exact = {
        "agent_id": narrowed.agent_id,
        "city": narrowed.city,
        "group_name": narrowed.group,
        "client_type": narrowed.client_type,
    }
    filters |= {f"{column}_eq": value for column, value in exact.items() if value is not None}
    if narrowed.show == "no-phone":
        filters["phone_is"] = None
    if narrowed.show == "no-email":
        filters["email_is"] = None
    if narrowed.show == "no-consent":
        filters["whatsapp_opt_in_eq"] = False
    if narrowed.q:
        query = search_query(narrowed.q)
        filters |= {"search_fts": query} if query else NOTHING
    return filters


def choices(fresh: Fresh) -> Choices:
    """The cities and groups that living clients have."""
    return fresh.value("listed", "choices", _choices)


def _choices() -> Choices:
    rows = execute_query("client_choices", order="name", limit=MOST_CHOICES).data
    return Choices(
        cities=[row["name"] for row in rows if row["kind"] == "city"],
        groups=[row["name"] for row in rows if row["kind"] == "group"],
    )


def client(client_id: str) -> Row | None:
    """One client with agent and totals, in the trash or not; None when there is none."""
    rows = execute_query("client_page", filters={"client_id_eq": client_id}, limit=1).data
    return sealing.opened(rows[0]) if rows else None


def members_of(client_id: str) -> list[Row]:
    """The members of a client in the order they were added, removed ones too."""
    [members] = execute_queries([_members(client_id)])
    return sealing.all_opened(members)


def household_of(client_id: str, fresh: Fresh) -> Household | None:
    """One client as `client`, with members and covers, in one trip and read again only after something changed; None
    when there is none. What is stored sealed is opened each time and never kept.
    """
    def read() -> list[list[Row]]:
        of_client = {"client_id_eq": client_id}
        return execute_queries([
            Question("client_page", filters=of_client, limit=1), _members(client_id),
            Question("family_cover", filters=of_client, order="due_on, policy_id", limit=MOST_POLICIES)])

    clients, members, covers = fresh.value(HOUSEHOLD, ("household", client_id, today()), read)
    if not clients:
        return None
    return Household(sealing.opened(clients[0]), sealing.all_opened(members), covers)


def _members(client_id: str) -> Question:
    return Question("members", MEMBER, {"client_id_eq": client_id}, "member_id", MOST_MEMBERS)


def member(client_id: str, member_id: int) -> Row | None:
    """One member of a client, removed or not."""
    filters = {"client_id_eq": client_id, "member_id_eq": member_id}
    rows = execute_query("members", columns=MEMBER, filters=filters, limit=1).data
    return sealing.opened(rows[0]) if rows else None


def policies_of(client_id: str) -> list[Row]:
    """The terms of a client, the latest first, at most 200."""
    columns = (
        "policy_id, policy_number, member_name, insurer_short, product_name, line, asset, policy_from, "
        "policy_to, due_on, gross_premium, state, status"
    )
    return execute_query(
        "policy_list",
        columns=columns,
        filters={"client_id_eq": client_id, "deleted_at_is": None},
        order="policy_to desc, policy_id desc",
        limit=MOST_POLICIES,
    ).data


def has_open_policies(client_id: str) -> bool:
    """Whether a term of the client is live or waits for papers."""
    filters: dict[str, Any] = {"client_id_eq": client_id, "deleted_at_is": None, "state_in": ["live", "pending"]}
    return bool(execute_query("policies", columns="policy_id", filters=filters, limit=1).data)


def is_covered(member_id: int) -> bool:
    """Whether a term that is live or waits for papers names a member, be it as one of several insured persons."""
    return bool(execute_query("open_cover", columns="policy_id", filters={"member_id_eq": member_id}, limit=1).data)


def activity_of(client_id: str, *, limit: int = 20) -> list[Row]:
    """What was done to a client, its members and policies, the latest first."""
    columns = "audit_id, happened_at, user_name, action, record_type, record_id, before, after"
    return execute_query(
        "audit_trail", columns=columns, filters={"client_id_eq": client_id}, order="audit_id desc", limit=limit
    ).data


def who_may_be_meant(exact: Sequence[Row], by_name: Row | None, *, but_not: str | None) -> list[Row]:
    """Living clients that one of the `exact` groups of conditions or the conditions `by_name` fit, but not `but_not`.

    All that fit exactly are found. Of those that only a name suggests, which may be half a city, the first 1000 are.
    """
    living: Row = {"deleted_at_is": None, **({"client_id_neq": but_not} if but_not else {})}
    columns = "client_id, name, phone, other_phone, email, pan, pan_sealed, city"
    found: list[Row] = []
    if exact:
        found += execute_query("clients", columns=columns, filters={**living, "or": list(exact)}).data
    if by_name:
        alike = {**living, **by_name}
        found += execute_query("clients", columns=columns, filters=alike, order="client_id", limit=MOST_CHOICES).data
    once = {row["client_id"]: row for row in found}
    return [sealing.opened(once[client_id]) for client_id in sorted(once)]
