"""Clients' files into the tables: ids taken beforehand, one insert per table, all of a chunk in one round trip."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from database_pool import Transaction, execute_query, new_ids
from portal import sealing
from portal.clients.service import suggested_prefix
from portal.demo.contacts import email, phone
from portal.demo.products import AGENTS, INSURERS, PRODUCTS
from portal.demo.records import ClientFile, Row, Term

MOST_MASTERS = 5000
# In the order in which rows may name each other.
TABLES = (
    "clients", "members", "policies", "health_details", "motor_details", "fire_details", "life_details",
    "travel_details", "insured_persons",
)  # fmt: skip


@dataclass(frozen=True)
class Ids:
    """What a policy names, by the demo's own keys: insurers, products and agents, and the users who enter clients."""

    insurers: Mapping[str, int]
    products: Mapping[str, int]
    agents: Mapping[str, int]
    clerks: Sequence[int]


def write_masters(tx: Transaction, clerks: Sequence[int]) -> Ids:
    """Adds the insurers, products and agents that are not there yet under the same name; answers the ids of all."""
    insurers = {
        insurer.short_name: {
            "name": insurer.name,
            "short_name": insurer.short_name,
        }
        for insurer in INSURERS
    }
    products = {
        product.key: {
            "name": product.name,
            "line": product.line,
            "subtype": product.subtype,
            "is_group": product.is_group,
        }
        for product in PRODUCTS
    }
    rng = Random("agents")
    agents: dict[str, Row] = {
        name: {"name": name, "phone": phone(rng), "email": email(name, number)}
        for number, (name, _) in enumerate(AGENTS, 1)
        if name
    }
    return Ids(
        _ids_by_name(tx, "insurers", "insurer_id", insurers),
        _ids_by_name(tx, "products", "product_id", products),
        _ids_by_name(tx, "agents", "agent_id", agents),
        clerks,
    )


def _ids_by_name(tx: Transaction, table: str, key: str, wanted: Mapping[str, Row]) -> dict[str, int]:
    known = {
        row["name"].lower(): row[key]
        for row in execute_query(table, columns=(key, "name"), order=key, limit=MOST_MASTERS).data
    }
    missing = [row for row in wanted.values() if row["name"].lower() not in known]
    if missing:
        rows = [{key: number, **row} for number, row in zip(new_ids(table, len(missing)), missing, strict=True)]
        tx.insert(table, rows, returning=False)
        known |= {row["name"].lower(): row[key] for row in rows}
    return {name: known[row["name"].lower()] for name, row in wanted.items()}


def write_files(tx: Transaction, files: Sequence[ClientFile], ids: Ids) -> Counter[str]:
    """Adds some clients with all that is theirs; answers the rows per table.

    The end of `tx` raises Duplicate when a colleague added a client under one of the same initials meanwhile.
    """
    rows: dict[str, list[Row]] = {table: [] for table in TABLES}
    client_ids = _number_clients(tx, files)
    member_ids = iter(_take("members", sum(len(file.members) for file in files)))
    policy_ids = iter(_take("policies", sum(len(file.terms) for file in files)))
    for file, client_id in zip(files, client_ids, strict=True):
        common = {"client_id": client_id, "created_by": ids.clerks[file.clerk]}
        agent_id = ids.agents[file.agent] if file.agent else None
        rows["clients"].append({**sealing.sealed_row("clients", file.client), **common, "agent_id": agent_id})
        members = [next(member_ids) for _ in file.members]
        policies = [next(policy_ids) for _ in file.terms]
        for member_id, member in zip(members, file.members, strict=True):
            rows["members"].append({**sealing.sealed_row("members", member), **common, "member_id": member_id})
        for policy_id, term in zip(policies, file.terms, strict=True):
            rows["policies"].append(
                {
                    **term.policy,
                    **common,
                    "policy_id": policy_id,
                    "member_id": None if term.member is None else members[term.member],
                    "insurer_id": ids.insurers[term.insurer],
                    "product_id": ids.products[term.product],
                    "agent_id": agent_id,
                    "renewed_from_id": None if term.follows is None else policies[term.follows],
                }
            )
            _add_details(rows, policy_id, term, members)
    for table, of_table in rows.items():
        tx.insert(table, of_table, returning=False)
    return Counter({table: len(of_table) for table, of_table in rows.items()})


def _add_details(rows: dict[str, list[Row]], policy_id: int, term: Term, members: Sequence[int]) -> None:
    if term.detail_table:
        rows[term.detail_table].append({**term.detail, "policy_id": policy_id})
    for person in term.persons:
        place = person["member"]
        named = {name: value for name, value in person.items() if name != "member"}
        rows["insured_persons"].append({**named, "policy_id": policy_id, "member_id": members[place]})


def _number_clients(tx: Transaction, files: Sequence[ClientFile]) -> list[str]:
    """Initials and the next number for each client, as the SQL function next_client_id counts: RM01, RM02.

    That function costs a round trip for each client, this one for all of them.
    """
    prefixes = [suggested_prefix(file.client["name"]) for file in files]
    last = dict.fromkeys(prefixes, 0)
    last |= {
        row["prefix"]: row["last_number"]
        for row in execute_query("client_prefixes", filters={"prefix_in": sorted(last)}, limit=len(last)).data
    }
    client_ids = []
    for prefix in prefixes:
        last[prefix] += 1
        client_ids.append(f"{prefix}{last[prefix]:02d}")
    tx.upsert("client_prefixes", [{"prefix": prefix, "last_number": number} for prefix, number in last.items()])
    return client_ids


def _take(table: str, how_many: int) -> list[int]:
    return new_ids(table, how_many) if how_many else []
