"""Policies through the years: sold once, then renewed or lost, term by term up to the day of seeding."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import accumulate
from random import Random
from typing import Any

from portal.demo import covers, vehicles
from portal.demo.products import PRODUCT, Insurer, Product, pick_insurer
from portal.demo.records import ClientFile, Cover, Row, Term
from portal.formats import OFFICE_ZONE
from portal.policies.commission_terms import CommissionTerms, choose_commission
from portal.policies.premium import Tax, calculate, choose_tax, commission
from portal.settings.queries import TradeRules

# Of a hundred sales, in which month cover starts: financial-year end and the festival season lead.
MONTH_WEIGHTS = (85, 80, 125, 80, 75, 75, 75, 80, 82, 92, 84, 67)
WINDOW_DAYS = 967  # 01/04/2024 to 23/11/2026: three financial years and nearly three terms of a policy
GRACE_DAYS = {"health": 30, "life": 30}
UNDECIDED_DAYS = 10  # how long a motor or fire policy that ran out stays on the list before it counts as lost
EARLY_DAYS = 20  # renewals are written at most so long before the day
# fmt: off
LOST_REASONS = (("price", 26), ("insurer switch", 18), ("no response", 26), ("moved agent", 18),
                ("claim unhappy", 8), ("other", 4))
LOST_MOTOR = (("sold asset", 34), ("price", 26), ("no response", 20), ("insurer switch", 12), ("moved agent", 6),
              ("claim unhappy", 2))
PAYMENTS = (("UPI", 34), ("NEFT", 20), ("Cheque", 17), ("Debit card", 8), ("Credit card", 12),
            ("Insurer's payment link", 9))
WAITING = ((("policy document",), 45), (("payment",), 25), (("inspection",), 10), (("KYC", "policy document"), 12),
           (("proposal",), 8))
# fmt: on
Weighted = tuple[tuple[Any, int], ...]


@dataclass
class _Chain:
    """One policy on its way through the years."""

    insurer: Insurer
    serial: int
    renewals: int = 0


class Terms:
    """Writes terms into clients' files by the rules of the trade; `today` is the office's day."""

    def __init__(self, rng: Random, today: date, rules: TradeRules) -> None:
        self._rng = rng
        self._today = today
        self._rules = rules
        self._taxes: dict[tuple[str, date, bool], Tax] = {}
        self._commissions: dict[tuple[str, str, date, str], CommissionTerms] = {}
        self._days = _days_until(today)

    def first_day(self) -> date:
        """A day of the last two years and eight months on which some policy was sold, today included."""
        days, weights = self._days
        return self._rng.choices(days, cum_weights=weights)[0]

    def office_hour(self, day: date, *, early: int = 0) -> datetime:
        """An hour of office time up to so many days before, and never later than yesterday evening."""
        on = min(day - timedelta(days=self._rng.randint(0, early)), self._today - timedelta(days=1))
        return datetime.combine(on, time(self._rng.randint(10, 18), self._rng.randrange(60)), OFFICE_ZONE)

    def sell(self, file: ClientFile, product: Product, start: date) -> None:
        """One policy sold to the client with cover from `start`, and what became of it each year since."""
        if product.line == "motor":
            cover = vehicles.first_cover(self._rng, product, file, start, self._rules)
        else:
            cover = covers.first_cover(self._rng, product, file, start)
        chain = _Chain(pick_insurer(self._rng, product), _serial(file))
        business = self._how_it_came(product, cover)
        follows: int | None = None
        while True:
            term = self._term(file, chain, cover, start, business, follows)
            file.terms.append(term)
            self._settle(term, is_first=follows is None)
            if term.policy["state"] != "renewed":
                return
            follows = len(file.terms) - 1
            start = term.policy["due_on"] + timedelta(days=1)
            business = "renewal"
            chain.renewals += 1
            if product.line != "life" and self._rng.random() < 0.07:
                chain.insurer = pick_insurer(self._rng, PRODUCT[cover.product], but=chain.insurer.short_name)
                business = "roll over"
            claimed = self._rng.random() < PRODUCT[cover.product].claim_rate
            if product.line == "motor":
                cover = vehicles.next_cover(self._rng, cover, self._rules, claimed=claimed, start=start)
            else:
                cover = covers.next_cover(self._rng, cover, claimed=claimed, start=start)

    def _how_it_came(self, product: Product, cover: Cover) -> str:
        """The business type of a first term: a life policy begun elsewhere goes on here, others may roll over."""
        if not cover.begun_earlier:
            return "new"
        if product.line == "life":
            return "renewal"
        return self._rng.choices(("renewal", "roll over", "new"), (30, 45, 25))[0]

    def _term(
        self, file: ClientFile, chain: _Chain, cover: Cover, start: date, business: str, follows: int | None
    ) -> Term:
        product = PRODUCT[cover.product]
        created = self.office_hour(start, early=12)
        policy: Row = {
            "line": product.line,
            "policy_number": _policy_number(chain, product, start, _serial(file)),
            "state": "live",
            "waiting_for": [],
            "business_type": business,
            "policy_from": start,
            "policy_to": cover.policy_to,
            "due_on": _due_on(cover),
            "one_time": cover.one_time,
            **self._payment(start),
            **self._money(product, cover, chain, start, business),
            "sum_insured": cover.sum_insured,
            "asset": cover.asset,
            "group_name": file.client["group_name"],
            "remarks": None,
            "lost_reason": None,
            "cancelled_on": None,
            "created_at": created,
            "updated_at": created,
        }
        return Term(
            policy,
            chain.insurer.short_name,
            product.key,
            file.agent,
            cover.member,
            follows,
            cover.detail_table,
            cover.detail,
            cover.persons,
        )

    def _settle(self, term: Term, *, is_first: bool) -> None:
        """Decides what became of a term by today."""
        rng, policy = self._rng, term.policy
        if is_first and (self._today - policy["policy_from"]).days < 18 and rng.random() < 0.28:
            self._leave_pending(policy)
        elif rng.random() < 0.003 and not policy["one_time"]:
            self._cancel(policy)
        elif not policy["one_time"]:
            self._decide_renewal(policy, PRODUCT[term.product])

    def _decide_renewal(self, policy: Row, product: Product) -> None:
        rng = self._rng
        over = (self._today - policy["due_on"]).days
        keeps = rng.random() < product.retention
        if over <= 0:
            if not keeps or -over > EARLY_DAYS or rng.random() > 0.06:
                return
        elif rng.random() < _still_open(product.line, over, keeps):
            return
        if keeps:
            policy["state"], decided = "renewed", policy["due_on"]
        else:
            policy["state"], decided = "lost", policy["due_on"] + timedelta(days=30)
            policy["lost_reason"] = _pick(rng, LOST_MOTOR if product.line == "motor" else LOST_REASONS)
        policy["updated_at"] = max(policy["created_at"], self.office_hour(decided, early=12))

    def _leave_pending(self, policy: Row) -> None:
        waiting = list(_pick(self._rng, WAITING))
        policy |= {"state": "pending", "policy_number": None, "waiting_for": waiting}
        if "policy document" not in waiting:
            policy |= {"payment_date": None, "payment_details": None}

    def _cancel(self, policy: Row) -> None:
        last = min(policy["policy_to"], self._today)
        day = policy["policy_from"] + timedelta(days=self._rng.randint(0, max(0, (last - policy["policy_from"]).days)))
        policy |= {
            "state": "cancelled",
            "cancelled_on": day,
            "lost_reason": "client's request",
            "updated_at": max(policy["created_at"], self.office_hour(day)),
        }

    def _payment(self, start: date) -> Row:
        """Paid shortly before cover begins; of the youngest policies some are not paid yet."""
        young = (self._today - start).days < 12
        if young and self._rng.random() < 0.12:
            return {"payment_date": None, "payment_details": None}
        paid = min(start - timedelta(days=self._rng.randint(0, 8)), self._today)
        details = _pick(self._rng, PAYMENTS)
        if details == "Cheque":
            details = f"Cheque {self._rng.randrange(1_000_000):06d}"
        return {"payment_date": paid, "payment_details": details}

    def _money(self, product: Product, cover: Cover, chain: _Chain, start: date, business: str) -> Row:
        tax = self._tax(product, start, cover.third_party > 0)
        net, addon, third_party = Decimal(cover.net), Decimal(cover.addon), Decimal(cover.third_party)
        premium = calculate(net, addon, third_party, gst_rate=tax.rate, gst_tp_rate=tax.tp_rate)
        terms = self._commission(product, chain.insurer, start, business)
        return {
            "net_premium": net,
            "addon_premium": addon,
            "tp_premium": third_party,
            "gst_rate": premium.gst_rate,
            "gst_tp_rate": premium.gst_tp_rate,
            "gst_reason": tax.reason,
            "gst_amount": premium.gst,
            "gross_premium": premium.gross,
            "commission_rate": terms.rate,
            "commission_tp_rate": terms.tp_rate,
            "commission_gst_rate": terms.gst_rate,
            "commission_reason": terms.reason,
            "commission_amount": commission(
                net, addon, third_party, rate=terms.rate, tp_rate=terms.tp_rate, gst_rate=terms.gst_rate
            ),
            "commission_received": self._rng.random() < _commission_received((self._today - start).days),
        }

    def _tax(self, product: Product, start: date, has_third_party: bool) -> Tax:
        key = product.key, start, has_third_party
        if key not in self._taxes:
            self._taxes[key] = choose_tax(
                self._rules.of("gst"),
                line=product.line,
                subtype=product.subtype,
                is_group=product.is_group,
                on=start,
                has_third_party=has_third_party,
            )
        return self._taxes[key]

    def _commission(self, product: Product, insurer: Insurer, start: date, business: str) -> CommissionTerms:
        key = product.key, insurer.name, start, business
        if key not in self._commissions:
            self._commissions[key] = choose_commission(
                self._rules,
                insurer=insurer.name,
                line=product.line,
                subtype=product.subtype,
                business_type=business,
                on=start,
                is_exempt=self._tax(product, start, False).rate == 0,
            )
        return self._commissions[key]


def _serial(file: ClientFile) -> int:
    """A number for the client's next term that no other term of the book has."""
    return file.number * 64 + len(file.terms)


def _policy_number(chain: _Chain, product: Product, start: date, serial: int) -> str:
    """In the manner of insurers, with DEMO in it. Life keeps its number, health counts the years, others renumber."""
    office = 1000 + chain.serial * 7919 % 9000
    if product.line == "life":
        return f"DEMO{chain.serial:08d}"
    if product.line == "health":
        return f"P/{office}/DEMO{chain.serial:08d}/{chain.renewals:02d}"
    return f"{office}-{start:%y}-DEMO-{serial:08d}"


def _due_on(cover: Cover) -> date:
    """The day something has to be done: the end of own damage where the third party cover runs on."""
    own_damage_to: date | None = cover.detail.get("own_damage_to")
    return min(cover.policy_to, own_damage_to or cover.policy_to)


def _still_open(line: str, days_over: int, keeps: bool) -> float:
    """How likely nobody knows yet what becomes of a term that ended so many days ago: in grace, or just run out."""
    grace = GRACE_DAYS.get(line, 0)
    if days_over > max(grace, UNDECIDED_DAYS):
        return 0.0
    if grace:
        return 0.86 - 0.016 * days_over if keeps else 0.9
    return 0.25 if keeps else 0.7


def _commission_received(days: int) -> float:
    return 0.93 if days > 90 else 0.45 if days > 30 else 0.06 if days >= 0 else 0.0


def _pick(rng: Random, weighted: Weighted) -> Any:
    choices, weights = zip(*weighted, strict=True)
    return rng.choices(choices, weights)[0]


def _days_until(today: date) -> tuple[list[date], list[float]]:
    """The days of the window up to today, with the weights of their months summed up, as Random.choices wants them."""
    days = [today - timedelta(days=ago) for ago in range(WINDOW_DAYS)]
    return days, list(accumulate(MONTH_WEIGHTS[day.month - 1] / monthrange(day.year, day.month)[1] for day in days))
