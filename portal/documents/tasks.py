"""What is done for documents without anybody asking."""

import logging
from typing import Any

from batch_file_operations import batch_file_manager
from database_pool import transaction
from portal.documents import queries, service
from portal.errors import Refused
from task_queue import TemporaryFailure, enqueue_many, schedule, task

logger = logging.getLogger(__name__)
MOST_AT_ONCE = 500


@task("documents.check_store", priority=3, attempts=1)
def check_store() -> dict[str, Any]:
    """Asks the store of documents whether it would take one, soon after the start and each hour; says what is wrong."""
    problems = batch_file_manager.problems()
    for sentence in problems:
        logger.error("documents cannot be stored: %s", sentence)
    return {"problems": problems}


@task("documents.empty_trash", priority=3)
def empty_trash() -> dict[str, Any]:
    """Asks for each document whose 30 days in the trash are over to be archived, so that one failure stays alone."""
    due = [row["document_id"] for row in queries.to_purge(limit=MOST_AT_ONCE)]
    with transaction() as tx:
        enqueue_many(
            tx,
            "documents.purge",
            [{"document_id": document_id} for document_id in due],
            unique_keys=[f"documents.purge {document_id}" for document_id in due],
        )
    return {"asked_for": len(due)}


@task("documents.purge", priority=3, attempts=8)
def purge(document_id: int) -> dict[str, Any]:
    """Archives one document from the trash, if it is still due."""
    due = queries.to_purge(limit=1, document_id=document_id)
    if not due:
        return {"archived": False}
    try:
        key = service.move_to_archive(document_id)
    except Refused as refusal:
        raise TemporaryFailure(str(refusal)) from refusal
    with transaction() as tx:
        service.purge(tx, due[0], key)
    return {"archived": True}


schedule("documents.check_store", every=3600)
schedule("documents.empty_trash", daily_at="03:40")
