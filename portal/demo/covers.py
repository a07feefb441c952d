"""Covers other than motor: who is insured for how much in health, fire, life, travel and the rest."""

from dataclasses import replace
from datetime import date, timedelta
from random import Random

from portal.demo.products import PRODUCT, Product
from portal.demo.records import ClientFile, Cover, Row, lognormal, rounded, year_after

LAKH = 100_000
SUMS_INSURED = ((5, 34), (10, 36), (15, 8), (25, 12), (50, 6), (100, 4))  # lakh, of a hundred plans
DESTINATIONS = (
    "Thailand",
    "Dubai, UAE",
    "Singapore",
    "Europe (Schengen)",
    "United Kingdom",
    "USA",
    "Vietnam",
    "Bali, Indonesia",
    "Australia",
    "Mauritius",
    "Sri Lanka",
    "Malaysia",
)
# Shares of a fire sum: building, plant and machinery, furniture and fittings, stocks, electrical installations.
FIRE_PARTS = ("building", "plant_and_machinery", "furniture_and_fittings", "stocks", "electrical_installations")
FIRE_SHARES = {
    "home": (0.88, 0, 0.12, 0, 0),
    "small business": (0.3, 0.12, 0.1, 0.42, 0.06),
    "medium business": (0.34, 0.3, 0.05, 0.27, 0.04),
}
FIRE_RATES = {"home": 0.0006, "small business": 0.0013, "medium business": 0.0009}
CARGO = (
    "Packaged goods, inland transit",
    "Machinery parts, inland transit",
    "Garments, export by sea",
    "Raw material, import by sea",
)


def first_cover(rng: Random, product: Product, file: ClientFile, start: date) -> Cover:
    """A cover that begins on `start`, fitting the client's family or firm."""
    if product.line == "health":
        return _health(rng, product, file, start)
    if product.line == "fire":
        return _fire(rng, product, file, start)
    if product.line == "life":
        return _life(rng, product, file, start)
    if product.line == "travel":
        return _travel(rng, product, file, start)
    return Cover(
        product.key,
        lognormal(rng, product.median, product.spread),
        policy_to=year_after(start),
        sum_insured=rounded(rng.uniform(20, 400), 5) * LAKH,
        asset=rng.choice(CARGO) if product.key == "marine" else f"Premises at {file.place.locality}",
        begun_earlier=rng.random() < 0.6,
    )


def next_cover(rng: Random, cover: Cover, *, claimed: bool, start: date) -> Cover:
    """The same cover a year later: premium grown as such products do, for health more bonus, or none after a claim."""
    product = PRODUCT[cover.product]
    growth = 1 + product.growth * rng.uniform(0.3, 1.7)
    coming = replace(
        cover,
        net=rounded(cover.net * growth),
        policy_to=year_after(start),
        detail=dict(cover.detail),
        persons=[dict(person) for person in cover.persons],
    )
    if product.line == "health" and cover.detail["plan"] in ("floater", "individual"):
        _grow_bonus(coming, claimed)
    if product.line == "fire":
        _grow_sums(coming, rng.uniform(1, 1.08))
    return coming


def _health(rng: Random, product: Product, file: ClientFile, start: date) -> Cover:
    if product.is_group:
        return _employees(rng, product, start)
    lakhs = _sum_insured(rng)
    base = lognormal(rng, product.median, product.spread)
    plan, deductible, places = "individual", 0, [0]
    if product.key == "floater":
        plan, places = "floater", _family_under_one_sum(file, start)
    elif product.key == "top-up":
        deductible = rng.choice((5, 5, 10)) * LAKH
        family = len(file.members) > 1 and rng.random() < 0.7
        plan, places = ("top-up floater", _family_under_one_sum(file, start)) if family else ("top-up individual", [0])
        lakhs = max(lakhs, 15)
    elif product.key == "individual":
        places = _single_persons(rng, file)
    if product.key != "accident":
        base = rounded(base * (lakhs / 10) ** 0.15)
    floater = plan.endswith("floater")
    per_person = None if floater else lakhs * LAKH
    places = [place for place in places if place < len(file.members)]
    return Cover(
        product.key,
        base,
        policy_to=year_after(start),
        sum_insured=lakhs * LAKH * (1 if floater else max(1, len(places))),
        member=0 if file.members else None,
        detail_table="health_details",
        detail={
            "plan": plan,
            "floater_sum_insured": lakhs * LAKH if floater else None,
            "floater_bonus": 0 if floater else None,
            "floater_deductible": deductible if floater else None,
        },
        persons=[
            {
                "member": place,
                "name": file.members[place]["name"],
                "sum_insured": per_person,
                "bonus": None if floater else 0,
                "deductible": None if floater else deductible,
            }
            for place in places
        ],
        begun_earlier=rng.random() < 0.7,
    )


def _employees(rng: Random, product: Product, start: date) -> Cover:
    """A firm's policy for its staff: the list of employees stays with the insurer."""
    lakhs = rng.choice((2, 3, 3, 5))
    return Cover(
        product.key,
        lognormal(rng, product.median, product.spread),
        policy_to=year_after(start),
        sum_insured=lakhs * LAKH,
        asset=f"{rng.randint(12, 90)} employees",
        detail_table="health_details",
        detail={
            "plan": "floater",
            "floater_sum_insured": lakhs * LAKH,
            "floater_bonus": None,
            "floater_deductible": None,
        },
        begun_earlier=rng.random() < 0.7,
    )


def _sum_insured(rng: Random) -> int:
    lakhs, weights = zip(*SUMS_INSURED, strict=True)
    return int(rng.choices(lakhs, weights)[0])


def _family_under_one_sum(file: ClientFile, start: date) -> list[int]:
    """Client, spouse and children up to 25: who can be on one floater. Parents have their own plans."""
    return [
        place
        for place, member in enumerate(file.members)
        if member["relation"] in ("self", "spouse")
        or (
            member["relation"] in ("son", "daughter")
            and (start - member["date_of_birth"]).days < 25 * 365
            and member["date_of_birth"] < start
        )
    ]


def _single_persons(rng: Random, file: ClientFile) -> list[int]:
    """One adult with a plan of their own, now and then a couple under one paper."""
    adults = [place for place, member in enumerate(file.members) if member["relation"] not in ("son", "daughter")]
    if not adults:
        return []
    return sorted(rng.sample(adults, 2)) if len(adults) > 1 and rng.random() < 0.2 else [rng.choice(adults)]


def _grow_bonus(cover: Cover, claimed: bool) -> None:
    """A tenth of the sum more for each year without claim, up to the half; a claim takes it away."""
    if cover.detail["floater_bonus"] is not None:
        cover.detail["floater_bonus"] = _bonus(
            cover.detail["floater_bonus"], cover.detail["floater_sum_insured"], claimed
        )
    for person in cover.persons:
        if person["bonus"] is not None:
            person["bonus"] = _bonus(person["bonus"], person["sum_insured"], claimed)


def _bonus(bonus: int, sum_insured: int, claimed: bool) -> int:
    return 0 if claimed else min(bonus + sum_insured // 10, sum_insured // 2)


def _fire(rng: Random, product: Product, file: ClientFile, start: date) -> Cover:
    net = lognormal(rng, product.median, product.spread)
    total = max(rounded(net / FIRE_RATES[product.key] * rng.uniform(0.85, 1.15), LAKH), 2 * LAKH)
    detail: Row = {
        part: rounded(total * share, 10_000) for part, share in zip(FIRE_PARTS, FIRE_SHARES[product.key], strict=True)
    }
    occupancy = "dwelling" if product.key == "home" else file.trade or "shop"
    detail |= {
        "risk_address": f"{file.client['address']}, {file.place.city.name} {file.place.pin}",
        "occupancy": occupancy,
    }
    return Cover(
        product.key,
        net,
        policy_to=year_after(start),
        sum_insured=sum(detail[part] for part in FIRE_PARTS),
        asset=f"{occupancy.capitalize()}, {file.place.locality}",
        member=None if file.is_firm else 0,
        detail_table="fire_details",
        detail=detail,
        begun_earlier=rng.random() < 0.65,
    )


def _grow_sums(cover: Cover, factor: float) -> None:
    for part in FIRE_PARTS:
        cover.detail[part] = rounded(cover.detail[part] * factor, 10_000)
    cover.sum_insured = sum(cover.detail[part] for part in FIRE_PARTS)


def _life(rng: Random, product: Product, file: ClientFile, start: date) -> Cover:
    """A yearly premium on a policy of many years; one savings plan in ten is paid once for all."""
    is_term = product.key == "term"
    net = rounded(lognormal(rng, product.median, product.spread), 10)
    single = not is_term and rng.random() < 0.08
    years = rng.choice((20, 25, 30, 35)) if is_term else rng.choice((10, 12, 15, 20, 25))
    paid_before = rng.randint(1, 6) if not single and rng.random() < 0.55 else 0
    maturity = year_after(start, years - paid_before)
    sum_insured = max(rounded(net * 750, 25 * LAKH), 25 * LAKH) if is_term else max(rounded(net * 11, 50_000), 50_000)
    nominee = file.members[0]["nominee"] if file.members else None
    if single:
        net *= 4
    return Cover(
        product.key,
        net,
        policy_to=maturity if single else year_after(start),
        sum_insured=sum_insured,
        member=0 if file.members else None,
        detail_table="life_details",
        one_time=single,
        begun_earlier=paid_before > 0,
        detail={
            "premium_mode": "single" if single else "yearly",
            "policy_term_years": years,
            "premium_term_years": 1 if single else years,
            "maturity_date": maturity,
            "nominee": nominee,
        },
    )


def _travel(rng: Random, product: Product, file: ClientFile, start: date) -> Cover:
    travellers = rng.randint(1, max(1, len(file.members)))
    days = round(rng.triangular(5, 45, 11))
    destination = rng.choice(DESTINATIONS)
    end = start + timedelta(days=days - 1)
    net = rounded(lognormal(rng, product.median, product.spread) * (0.7 + 0.2 * travellers))
    return Cover(
        product.key,
        net,
        policy_to=end,
        sum_insured=rng.choice((42, 84, 210, 420)) * LAKH,
        asset=destination,
        member=0 if file.members else None,
        detail_table="travel_details",
        one_time=True,
        begun_earlier=False,
        detail={"destination": destination, "trip_from": start, "trip_to": end, "travellers": travellers},
    )
