"""The keys of what is sealed: whether this process has those that it needs, and sealing anew with the first one."""

import json
from collections.abc import Callable
from typing import Any

import config
from database_pool import call_function, execute_query
from portal import sealing

Row = dict[str, Any]
AT_ONCE = 500
# What is sealed, and the key by which its rows are walked through.
TABLES = (("clients", "client_id"), ("members", "member_id"), ("two_step", "user_id"))


def check_keys() -> None:
    """Raises config.ConfigurationError when something is sealed with a key that this process does not have."""
    used = execute_query("sealing_keys", columns="key_id", order="since", limit=100).data
    lacking = [row["key_id"] for row in used if row["key_id"] not in sealing.key_ids()]
    if lacking:
        given = bool(config.settings().data_encryption_key)
        setting = "DATA_ENCRYPTION_KEY" if given else "DATA_ENCRYPTION_KEY or SECRET_KEY"
        raise config.ConfigurationError([
            f"{setting}: this data is sealed with the key {', '.join(lacking)}, which is not among those given "
            f"({', '.join(sealing.key_ids())}). Write the old key behind the new one, with a comma, until "
            "`flask --app app_multiuser seal-data` says that nothing is sealed with it any more."])


def seal_everything(say: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Seals with the first key what is still open or sealed with another one, and forgets keys that nothing needs.

    Killed, it goes on where it is started again: what is sealed is passed over. A row that somebody changes meanwhile
    was sealed by that change. Answers rows by table, and `other_keys` that something is still sealed with.
    """
    report: dict[str, Any] = {}
    for table, key in TABLES:
        report[table] = _seal_table(table, key, say)
    report["other_keys"] = call_function("forget_unused_keys", {"current_key": sealing.key_ids()[0]})
    return report


def _seal_table(table: str, key: str, say: Callable[[str], None] | None) -> int:
    columns = f"{key}, secret" if table == "two_step" else ", ".join((key, "version", *sealing.sealed_columns(table)))
    changed, last = 0, None
    while True:
        filters: Row = {} if last is None else {f"{key}_gt": last}
        found = execute_query(table, columns=columns, filters=filters, order=key, limit=AT_ONCE).data
        due = [anew for row in found if (anew := _anew(table, row)) is not None]
        if due:
            changed += call_function("reseal", {"relation": table, "rows": json.dumps(due)})
            if say:
                say(f"{changed} rows of {table.replace('_', ' ')} sealed")
        if len(found) < AT_ONCE:
            return changed
        last = found[-1][key]


def _anew(table: str, row: Row) -> Row | None:
    """The row as it is to be stored; None when it is sealed with the first key already."""
    if table == "two_step":
        if sealing.is_current(row["secret"]):
            return None
        return {"user_id": row["user_id"], "was": row["secret"], "secret": sealing.seal(sealing.unseal(row["secret"]))}
    names = sealing.SEALED[table]
    if all(row[name] is None and sealing.is_current(row[f"{name}_sealed"]) for name in names):
        return None
    return sealing.sealed_row(table, sealing.opened(row))
