"""Where clients live: seven cities, their localities with PIN codes, registering offices and spoken languages."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class City:
    """One city; `localities` are (name, PIN), `rto` the registering offices, `weight` its clients of a hundred."""

    name: str
    weight: int
    state: str
    gst_state: str
    rto: tuple[str, ...]
    languages: tuple[tuple[str, int], ...]
    localities: tuple[tuple[str, str], ...]


# fmt: off
_MAHARASHTRA = (("en", 50), ("mr", 27), ("hi", 17), ("gu", 6))
_GUJARAT = (("gu", 50), ("en", 38), ("hi", 12))

CITIES = (
    City("Mumbai", 38, "Maharashtra", "27", ("MH01", "MH02", "MH03", "MH47"), _MAHARASHTRA, (
        ("Andheri East", "400069"), ("Andheri West", "400058"), ("Bandra West", "400050"), ("Borivali West", "400092"),
        ("Chembur", "400071"), ("Dadar West", "400028"), ("Ghatkopar East", "400077"), ("Goregaon East", "400063"),
        ("Kandivali West", "400067"), ("Malad West", "400064"), ("Mulund West", "400080"), ("Powai", "400076"),
        ("Santacruz West", "400054"), ("Vile Parle East", "400057"), ("Kurla West", "400070"), ("Girgaon", "400004"))),
    City("Thane", 14, "Maharashtra", "27", ("MH04", "MH05"), _MAHARASHTRA, (
        ("Naupada", "400602"), ("Vartak Nagar", "400606"), ("Majiwada", "400601"), ("Wagle Estate", "400604"),
        ("Kalwa", "400605"), ("Sandoz Baug", "400607"))),
    City("Navi Mumbai", 12, "Maharashtra", "27", ("MH43", "MH46"), _MAHARASHTRA, (
        ("Vashi", "400703"), ("Nerul", "400706"), ("CBD Belapur", "400614"), ("Airoli", "400708"),
        ("Kharghar", "410210"), ("Kopar Khairane", "400709"))),
    City("Pune", 12, "Maharashtra", "27", ("MH12", "MH14"), _MAHARASHTRA, (
        ("Kothrud", "411038"), ("Shivajinagar", "411005"), ("Hadapsar", "411028"), ("Aundh", "411007"),
        ("Viman Nagar", "411014"), ("Bibwewadi", "411037"), ("Chinchwad", "411033"))),
    City("Surat", 9, "Gujarat", "24", ("GJ05",), _GUJARAT, (
        ("Adajan", "395009"), ("Athwalines", "395001"), ("Varachha", "395006"), ("Ring Road", "395002"),
        ("Vesu", "395007"))),
    City("Ahmedabad", 9, "Gujarat", "24", ("GJ01", "GJ27"), _GUJARAT, (
        ("Navrangpura", "380009"), ("Maninagar", "380008"), ("Satellite", "380015"), ("Naranpura", "380013"),
        ("Vastrapur", "380015"), ("Paldi", "380007"))),
    City("Vadodara", 6, "Gujarat", "24", ("GJ06",), _GUJARAT, (
        ("Alkapuri", "390007"), ("Manjalpur", "390011"), ("Fatehgunj", "390002"), ("Karelibaug", "390018"))),
)
# fmt: on

_CITY_WEIGHTS = tuple(city.weight for city in CITIES)
_BUILDINGS = (
    "Lotus",
    "Sunflower",
    "Green Park",
    "Silver Oak",
    "Sea View",
    "Lake View",
    "Palm",
    "Emerald",
    "Sapphire",
    "Rosewood",
    "Maple",
    "Orchid",
    "Jasmine",
    "Highland",
    "Crescent",
    "Unity",
    "Harmony",
    "Blue Bell",
    "Golden Nest",
    "Park View",
)
_KINDS = ("Residency", "Apartments", "Heights", "CHS", "Towers", "Enclave", "Society")
_ROADS = (
    "Station Road",
    "Link Road",
    "Market Road",
    "Garden Road",
    "College Road",
    "Lake Road",
    "Cross Road 2",
    "Main Road",
)
_ESTATES = ("Industrial Estate", "Business Park", "Commercial Complex", "Trade Centre", "Market")
# Number series leave out I and O, which look like 1 and 0. A plate whose series starts with one of them has the right
# shape and belongs to no vehicle on the road.
_UNUSED_SERIES = "IO"
_SERIES = "ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True)
class Place:
    """One address: the city with the locality and the lines of a letter."""

    city: City
    locality: str
    pin: str
    address: str


def pick_place(rng: Random, *, business: bool = False) -> Place:
    city = rng.choices(CITIES, _CITY_WEIGHTS)[0]
    locality, pin = rng.choice(city.localities)
    if business:
        address = f"Unit {rng.randint(1, 240)}, {rng.choice(_BUILDINGS)} {rng.choice(_ESTATES)}, {locality}"
    else:
        flat = f"{rng.choice('ABCD')}-{rng.randint(1, 14)}{rng.randint(1, 6):02d}"
        address = f"{flat}, {rng.choice(_BUILDINGS)} {rng.choice(_KINDS)}, {rng.choice(_ROADS)}, {locality}"
    return Place(city, locality, pin, address)


def pick_language(rng: Random, city: City) -> str:
    """The tongue a client wants letters in, by city alone."""
    tongues, weights = zip(*city.languages, strict=True)
    return str(rng.choices(tongues, weights)[0])


def vehicle_number(rng: Random, city: City) -> str:
    """A number plate of the city's registering office in a series that is never issued: MH02OK4417."""
    return f"{rng.choice(city.rto)}{rng.choice(_UNUSED_SERIES)}{rng.choice(_SERIES)}{rng.randint(1, 9999):04d}"
