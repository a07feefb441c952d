"""Merging two masters that are one, and taking it back. The database moves the references (see carry_out_merge)."""

from typing import Any

from database_pool import Transaction, new_id
from portal import audit
from portal.errors import Refused
from portal.formats import now
from portal.settings import queries
from portal.settings.inputs import MergeInput
from portal.settings.kinds import Kind

Row = dict[str, Any]
# What the tables of the preview are called, one record and several.
RECORDS = {
    "policies": ("policy", "policies"),
    "clients": ("client", "clients"),
    "products": ("product", "products"),
    "documents": ("document", "documents"),
    "claims": ("claim", "claims"),
}


def merge(tx: Transaction, actor: audit.Actor, kind: Kind, stored: Row, into: Row, data: MergeInput) -> int:
    """Makes everything that names `stored` name `into`, removes `stored` and answers the number of the merge.

    Conflict when `stored` changed since `data.version` or one of the two is gone; Duplicate when both have a policy of
    one number and start, or a product of one name.
    """
    _check(kind, stored, into)
    merge_id, from_id, into_id = new_id("master_merges"), stored[kind.key], into[kind.key]
    tx.insert("master_merges", {"merge_id": merge_id, "kind": kind.table, "from_id": from_id, "into_id": into_id,
                                "now_id": into_id, "merged_by": actor.user_id}, returning=False)  # fmt: skip
    tx.delete(kind.table, filters={f"{kind.key}_eq": from_id, "version_eq": data.version}, expect=1)
    audit.record(tx, actor, "merge", kind.record_type, from_id, before={"name": stored["name"]},
                 after={"name": into["name"], "merged_into": into_id, "merge": merge_id})  # fmt: skip
    return merge_id


def take_back(tx: Transaction, actor: audit.Actor, kind: Kind, done: Row) -> None:
    """Brings the merged master back under its old id, with all that was moved and has not been given to others since.

    Conflict when it was taken back already; the database refuses it after 7 days.
    """
    if done["into_name"] is None:
        raise Refused(f"The {kind.word} it was merged into was itself merged since. Take back that merge first.")
    tx.update("master_merges", {"undone_at": now(), "undone_by": actor.user_id}, expect=1,
              filters={"merge_id_eq": done["merge_id"], "undone_at_is": None})  # fmt: skip
    audit.record(tx, actor, "take back merge", kind.record_type, done["from_id"],
                 after={"name": done["from_name"], "merge": done["merge_id"]})  # fmt: skip


def told(records: dict[str, int]) -> list[str]:
    """What would move, in words: ["12 policies", "1 client"]."""
    named = {table: RECORDS.get(table, (table.replace("_", " "), table.replace("_", " "))) for table in records}
    return [f"{count} {named[table][count != 1]}" for table, count in records.items()]


def candidates(kind: Kind, stored: Row) -> list[Row]:
    """The masters that `stored` may be merged into, those spelt alike first."""
    everyone = [row for row in queries.names_of(kind.table) if row["id"] != stored[kind.key]]
    mine = next((row["spelling"] for row in queries.twins(kind.table)
                 if stored[kind.key] in (row["first_id"], row["second_id"])), None)  # fmt: skip
    return sorted(everyone, key=lambda row: (row["spelling"] != mine, row["name"].lower()))


def _check(kind: Kind, stored: Row, into: Row) -> None:
    if stored[kind.key] == into[kind.key]:
        raise Refused("Choose another one than this itself.", field="into_id")
    if kind.slug != "products":
        return
    if stored["line"] != into["line"]:
        raise Refused(f"{into['name']} is of another line. Policies are kept by the line of their product.",
                      field="into_id")  # fmt: skip
    if into["insurer_id"] not in (None, stored["insurer_id"]):
        raise Refused(f"{into['name']} belongs to one insurer, the policies of {stored['name']} to another.",
                      field="into_id")  # fmt: skip
