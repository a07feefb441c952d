"""The whole demo book, client by client: the same seed, day and number of clients give the same book."""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

from portal.demo.families import Registry
from portal.demo.products import Product, pick_product
from portal.demo.records import ClientFile
from portal.demo.terms import Terms
from portal.settings.queries import TradeRules

# Policies sold to one client in all the years, of a hundred clients.
POLICIES_PER_CLIENT = ((1, 52), (2, 25), (3, 12), (4, 6), (5, 3), (6, 1.3), (7, 0.5), (8, 0.2))
# What nobody buys twice.
ONCE = frozenset({"floater", "top-up", "accident", "group", "home", "small business", "medium business", "term"})


class Book:
    """Streams the clients of a demo agency; nothing of a client is kept once it is handed out."""

    def __init__(self, seed_number: int, today: date, rules: TradeRules) -> None:
        self._rng = Random(f"demo book {seed_number}")
        self._registry = Registry(self._rng, today)
        self._terms = Terms(self._rng, today, rules)

    def files(self, clients: int) -> Iterator[ClientFile]:
        for _ in range(clients):
            yield self._next_file()

    def _next_file(self) -> ClientFile:
        rng = self._rng
        file = self._registry.next_client()
        counts, weights = zip(*POLICIES_PER_CLIENT, strict=True)
        starts = sorted(self._terms.first_day() for _ in range(rng.choices(counts, weights)[0]))
        for start in starts:
            product = self._choose(file)
            if product is not None:
                self._terms.sell(file, product, start)
        self._date_records(file, starts[0])
        return file

    def _choose(self, file: ClientFile) -> Product | None:
        """A product the client can use and does not have already; None after some attempts."""
        bought = {term.product for term in file.terms}
        for _ in range(12):
            product = pick_product(self._rng, firm=file.is_firm)
            if (product.key not in bought or product.key not in ONCE) and _fits(product, file):
                return product
        return None

    def _date_records(self, file: ClientFile, first_start: date) -> None:
        """The client came with the first policy; who agreed to messages did so then."""
        created = min((term.policy["created_at"] for term in file.terms), default=None)
        if created is None:
            created = self._terms.office_hour(first_start)
        created -= timedelta(minutes=self._rng.randint(5, 50))
        dates = {"created_at": created, "updated_at": created}
        file.client |= {**dates, "whatsapp_opt_in_at": created if file.client["whatsapp_opt_in"] else None}
        for member in file.members:
            member.update(dates)


def _fits(product: Product, file: ClientFile) -> bool:
    if product.key == "floater":
        return sum(member["relation"] in ("self", "spouse", "son", "daughter") for member in file.members) > 1
    if product.line in ("health", "life") and not product.is_group:
        return bool(file.members)
    return True
