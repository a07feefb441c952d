"""What is done for documents without anybody asking."""

import logging
from typing import Any

from batch_file_operations import batch_file_manager
from task_queue import schedule, task

logger = logging.getLogger(__name__)


@task("documents.check_store", priority=3, attempts=1)
def check_store() -> dict[str, Any]:
    """Asks the store of documents whether it would take one, soon after the start and each hour; says what is wrong."""
    problems = batch_file_manager.problems()
    for sentence in problems:
        logger.error("documents cannot be stored: %s", sentence)
    return {"problems": problems}


schedule("documents.check_store", every=3600)
