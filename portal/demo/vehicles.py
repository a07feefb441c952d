"""Motor covers: which vehicle, its value and no-claim bonus, and the third party premium of the tariff."""

from datetime import date, timedelta
from random import Random

from portal.demo.places import vehicle_number
from portal.demo.products import PRODUCT, Product
from portal.demo.records import ClientFile, Cover, Row, lognormal, rounded, year_after
from portal.policies.motor import WEIGHED, ladder, next_bonus, tariff_premium
from portal.settings.queries import TradeRules

# fmt: off
# Make and model, size, price new in rupees. The size is what the tariff asks for: cc, or kg laden for goods carriers.
CARS = (
    ("Maruti Suzuki Alto K10", 998, 520_000), ("Maruti Suzuki Wagon R", 998, 680_000), ("Renault Kwid", 999, 560_000),
    ("Hyundai Exter", 998, 850_000), ("Tata Tiago", 1199, 720_000), ("Maruti Suzuki Swift", 1197, 820_000),
    ("Maruti Suzuki Baleno", 1197, 880_000), ("Hyundai i20", 1197, 950_000), ("Honda City", 1498, 1_450_000),
    ("Hyundai Creta", 1497, 1_500_000), ("Tata Nexon", 1199, 1_150_000), ("Kia Seltos", 1497, 1_450_000),
    ("Maruti Suzuki Ertiga", 1462, 1_150_000),
    ("Honda Amaze", 1199, 900_000), ("Toyota Innova Crysta", 2393, 2_300_000),
    ("Mahindra XUV700", 2198, 2_200_000), ("Mahindra Scorpio N", 2184, 1_900_000), ("Toyota Fortuner", 2755, 3_900_000),
)
CAR_WEIGHTS = (5, 9, 4, 5, 6, 10, 9, 7, 6, 9, 8, 5, 6, 4, 3, 2, 1.5, 0.5)
BIKES = (
    ("Honda Activa 6G", 109, 92_000), ("TVS Jupiter", 113, 90_000), ("Suzuki Access 125", 124, 98_000),
    ("TVS Scooty Pep", 87, 72_000),
    ("Hero Splendor Plus", 97, 84_000), ("Honda Shine", 123, 95_000), ("Bajaj Pulsar 150", 149, 128_000),
    ("Yamaha FZ", 149, 134_000), ("Royal Enfield Classic 350", 349, 232_000), ("KTM Duke 390", 373, 320_000),
)
BIKE_WEIGHTS = (24, 12, 11, 3, 15, 11, 9, 5, 8, 2)
TRUCKS = (
    ("Tata Ace Gold", 1_615, 650_000), ("Mahindra Bolero Pickup", 2_990, 1_000_000),
    ("Ashok Leyland Dost", 2_590, 950_000), ("Eicher Pro 2049", 4_995, 1_500_000),
    ("Tata 709g LPT", 7_490, 1_800_000), ("Eicher Pro 2110", 11_990, 2_400_000),
    ("Tata 1512 LPT", 16_020, 2_900_000), ("Ashok Leyland Ecomet 1615", 16_100, 2_800_000),
)
TRUCK_WEIGHTS = (24, 22, 14, 10, 10, 8, 7, 5)
Models = tuple[tuple[str, int, int], ...]
MODELS: dict[str, tuple[Models, tuple[float, ...]]] = {
    "private car": (CARS, CAR_WEIGHTS),
    "two-wheeler": (BIKES, BIKE_WEIGHTS),
    "goods carriage": (TRUCKS, TRUCK_WEIGHTS),
}
# fmt: on

# Own damage premium by engine, medians of the catalogue's "car".
CAR_OWN_DAMAGE = ((1000, 6_100), (1500, 8_900), (99_999, 19_500))
THIRD_PARTY_YEARS = {"new car": 3, "new bike": 5}
AFTER_BUNDLE = {"new car": "car own damage", "new bike": "bike own damage"}
PACKAGE = {"car own damage": "car", "bike own damage": "bike"}


def first_cover(rng: Random, product: Product, file: ClientFile, start: date, rules: TradeRules) -> Cover:
    """A vehicle bought or taken over, insured from `start`."""
    models, weights = MODELS[product.subtype]
    model, size, price = rng.choices(models, weights)[0]
    is_new = product.key in THIRD_PARTY_YEARS
    age = 0 if is_new else round(rng.triangular(1, 13, 4))
    value = rounded(price * 0.95 * 0.87**age * rng.uniform(0.92, 1.06), 1000)
    liability_only = not product.median
    net = 0 if liability_only else _own_damage(rng, product, size, value / price)
    detail: Row = {
        "vehicle_class": product.subtype,
        "cover": "third party only" if liability_only else "package",
        "vehicle_number": vehicle_number(rng, file.place.city),
        "chassis_number": f"DEMO{rng.randrange(10**13):013d}",
        "engine_number": f"DEMO{rng.randrange(10**8):08d}",
        "make_model": model,
        "year_of_manufacture": start.year - age,
        "cubic_capacity": None if product.subtype in WEIGHED else size,
        "gross_weight": size if product.subtype in WEIGHED else None,
        "insured_declared_value": None if liability_only else value,
        "no_claim_bonus": 0 if is_new or liability_only else rng.choice([0, *ladder(rules, start)][: min(age, 5) + 1]),
        "own_damage_to": None if liability_only else year_after(start),
        "third_party_to": year_after(start, THIRD_PARTY_YEARS.get(product.key, 1)),
    }
    return Cover(
        product.key,
        net,
        _addon(rng, product, net, age),
        _tariff(rules, product.subtype, size, start, THIRD_PARTY_YEARS.get(product.key, 1)),
        sum_insured=detail["insured_declared_value"],
        asset=detail["vehicle_number"],
        member=_owner(rng, file),
        detail_table="motor_details",
        detail=detail,
        policy_to=detail["third_party_to"],
        begun_earlier=age > 0,
    )


def next_cover(rng: Random, cover: Cover, rules: TradeRules, *, claimed: bool, start: date) -> Cover:
    """The same vehicle a year older: less value and premium, the next step of no-claim bonus or none after a claim.

    A new vehicle's third party cover runs on for years, so its renewals are own damage alone until that ends.
    """
    detail = dict(cover.detail)
    key = AFTER_BUNDLE.get(cover.product, cover.product)
    third_party = 0 if key in PACKAGE else cover.third_party
    if key in PACKAGE and detail["third_party_to"] < start:
        key = PACKAGE[key]
        third_party = _tariff(rules, detail["vehicle_class"], detail["cubic_capacity"], start)
    product = PRODUCT[key]
    if third_party:
        detail["third_party_to"] = year_after(start)
    detail["cover"] = (
        "own damage only" if key in PACKAGE else detail["cover"] if third_party == cover.third_party else "package"
    )
    if product.median:
        detail["own_damage_to"] = year_after(start)
        detail["insured_declared_value"] = rounded(detail["insured_declared_value"] * rng.uniform(0.87, 0.92), 1000)
        detail["no_claim_bonus"] = next_bonus(
            rules, detail["no_claim_bonus"], start - timedelta(days=1), start, claimed=claimed
        )
    growth = (1 + product.growth) * rng.uniform(0.96, 1.04) * (1.2 if claimed else 1)
    return Cover(
        key,
        rounded(cover.net * growth),
        rounded(cover.addon * rng.uniform(0.9, 1.05)),
        third_party,
        sum_insured=detail["insured_declared_value"],
        asset=cover.asset,
        member=cover.member,
        detail_table=cover.detail_table,
        detail=detail,
        policy_to=year_after(start),
    )


def _own_damage(rng: Random, product: Product, size: int, kept_value: float) -> int:
    median = _by_size(CAR_OWN_DAMAGE, size) if product.subtype == "private car" else product.median
    return lognormal(rng, median * (kept_value / 0.4) ** 0.4, product.spread)


def _addon(rng: Random, product: Product, net: int, age: int) -> int:
    """Zero depreciation, engine and roadside cover: mostly for cars up to six years old."""
    if product.subtype != "private car" or not net or rng.random() > (0.85 if age <= 6 else 0.15):
        return 0
    return rounded(net * rng.uniform(0.3, 0.8))


def _by_size(steps: tuple[tuple[int, int], ...], size: int) -> int:
    return next(premium for limit, premium in steps if size <= limit)


def _tariff(rules: TradeRules, vehicle_class: str, size: int, start: date, years: int = 1) -> int:
    """The third party premium in force today, for terms of the past too: the demo has no older tariff."""
    premium = tariff_premium(rules, vehicle_class, size, start, years=years)
    if premium is None:
        raise LookupError(f"the tariff has nothing for a {vehicle_class} of {size}")
    return int(premium)


def _owner(rng: Random, file: ClientFile) -> int | None:
    """The head of the family, or the spouse; a firm owns its vehicles itself."""
    if file.is_firm:
        return None
    has_spouse = len(file.members) > 1 and file.members[1]["relation"] == "spouse"
    return 1 if has_spouse and rng.random() < 0.2 else 0
