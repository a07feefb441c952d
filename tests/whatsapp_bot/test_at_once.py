"""Messages that arrive at once: each is answered once, those of one sender in their order."""

import threading

from database_pool import execute_query
from portal.whatsapp_bot import tasks
from task_queue import TemporaryFailure

WORKERS = 6


def answered_by_many(inbound_ids):
    """Every message's task on several workers at the same moment."""
    ready = threading.Barrier(WORKERS)
    failures = []

    def work(order):
        ready.wait()
        for inbound_id in order:
            try:
                tasks.answer(inbound_id)
            except TemporaryFailure:
                failures.append(inbound_id)

    orders = [inbound_ids if number % 2 else list(reversed(inbound_ids)) for number in range(WORKERS)]
    threads = [threading.Thread(target=work, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_six_workers_answer_the_messages_of_one_sender_in_order_and_once(client):
    person = client()
    inbound_ids = [person.writes(text) for text in ("hi", "1", "0", "2", "hello", "4")]
    assert answered_by_many(inbound_ids) == []
    heard = [[reply["template_key"] for reply in person.replies_to(inbound_id)] for inbound_id in inbound_ids]
    assert heard == [["bot.menu"], ["bot.no_policies"], ["bot.menu"], ["bot.nothing_due"], ["bot.menu"], ["bot.staff"]]
    # Ids are taken beforehand, in blocks: the moment of writing is what tells the order.
    order = execute_query("messages", filters={"recipient_eq": person.phone}, order="created_at").data
    assert [row["key"] for row in order] == [f"bot:{inbound_id}:1" for inbound_id in inbound_ids]


def test_a_later_message_takes_the_earlier_one_along(client):
    person = client()
    first, second = person.writes("hi"), person.writes("2")
    assert tasks.answer(second) == {"understood": ["greeting", "due"]}
    assert tasks.answer(first) == {"understood": []}
