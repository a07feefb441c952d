"""In which folder a document lies, and under what name, as the trade expects it."""

from typing import Any

from infrastructure.file_names import folder_name
from infrastructure.stores import Place

Row = dict[str, Any]


def document_place(work: Row) -> Place:
    """client / member / client - member - file; of a claim client / member / Claims / Claim_number / type / file."""
    folders = [folder_name(f"{work['client_name']} {work['client_id']}")]
    folders += [folder_name(work["member_name"])] if work["member_name"] else []
    if work["claim_number"]:
        folders += ["Claims", folder_name(f"Claim_{work['claim_number']}"), folder_name(work["kind_name"])]
    return Place(tuple(folders), work["stored_name"])


def archive_place(work: Row) -> Place:
    """Archive / financial year / client / member; the number keeps two of one name apart."""
    day = work["created_at"].date()
    year = day.year if day.month >= 4 else day.year - 1
    stem, _, ending = work["stored_name"].rpartition(".")
    name = f"{stem} ({work['document_id']})_ARCHIVED_{day:%Y%m%d}.{ending}"
    folders = document_place({**work, "claim_number": None}).folders
    return Place(("Archive", f"{year}-{(year + 1) % 100:02d}", *folders), name)
