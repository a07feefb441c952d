"""The catalogue: insurers by their real names, products by generic ones, each with its weight and its figures.

Medians are rupees of net premium, retention and claim rates per term. They are assumptions, chosen so that the whole
book has the shares of an agency of this size (health about two fifths of the premium, motor a third).
"""

from dataclasses import dataclass, field
from random import Random

CLERKS = 3  # staff among whom the clients are shared out


@dataclass(frozen=True)
class Insurer:
    """An insurance company that sells one or more `kinds` of business."""

    short_name: str
    name: str
    kinds: str
    weight: int


@dataclass(frozen=True)
class Product:
    """One product; `weight` of a hundred policies sold, of which `firm_share` to firms."""

    key: str
    name: str
    line: str
    subtype: str
    weight: float
    firm_share: float
    median: int
    spread: float
    retention: float
    growth: float = 0.0
    claim_rate: float = 0.0
    is_group: bool = False
    kinds: str = field(default="general")


# fmt: off
INSURERS = (
    Insurer("New India", "The New India Assurance Company Limited", "general", 17),
    Insurer("Oriental", "The Oriental Insurance Company Limited", "general", 7),
    Insurer("United India", "United India Insurance Company Limited", "general", 7),
    Insurer("National", "National Insurance Company Limited", "general", 5),
    Insurer("ICICI Lombard", "ICICI Lombard General Insurance Company Limited", "general", 16),
    Insurer("HDFC ERGO", "HDFC ERGO General Insurance Company Limited", "general", 14),
    Insurer("Bajaj General", "Bajaj General Insurance Limited", "general", 12),
    Insurer("Tata AIG", "Tata AIG General Insurance Company Limited", "general", 10),
    Insurer("SBI General", "SBI General Insurance Company Limited", "general", 5),
    Insurer("Go Digit", "Go Digit General Insurance Limited", "general", 4),
    Insurer("IFFCO Tokio", "IFFCO Tokio General Insurance Company Limited", "general", 3),
    Insurer("Star Health", "Star Health and Allied Insurance Company Limited", "health", 34),
    Insurer("Niva Bupa", "Niva Bupa Health Insurance Company Limited", "health", 24),
    Insurer("Care", "Care Health Insurance Limited", "health", 22),
    Insurer("Aditya Birla Health", "Aditya Birla Health Insurance Company Limited", "health", 12),
    Insurer("LIC", "Life Insurance Corporation of India", "life", 52),
    Insurer("HDFC Life", "HDFC Life Insurance Company Limited", "life", 17),
    Insurer("ICICI Prudential", "ICICI Prudential Life Insurance Company Limited", "life", 14),
    Insurer("SBI Life", "SBI Life Insurance Company Limited", "life", 10),
    Insurer("Tata AIA", "Tata AIA Life Insurance Company Limited", "life", 7),
)

PRODUCTS = (
    Product("car", "Private car package", "motor", "private car", 21.6, 0.14, 8_900, 0.4, 0.74, -0.05, 0.085),
    Product("new car", "Private car bundled (1 year own damage, 3 years third party)", "motor", "private car",
            2.4, 0.14, 12_000, 0.4, 0.80, -0.05, 0.085),
    Product("car own damage", "Private car stand-alone own damage", "motor", "private car",
            0, 0.14, 8_900, 0.4, 0.76, -0.05, 0.085),
    Product("bike", "Two-wheeler package", "motor", "two-wheeler", 12.0, 0.04, 820, 0.5, 0.58, -0.05, 0.03),
    Product("new bike", "Two-wheeler bundled (1 year own damage, 5 years third party)", "motor", "two-wheeler",
            1.0, 0.04, 1_300, 0.4, 0.62, -0.05, 0.03),
    Product("bike own damage", "Two-wheeler stand-alone own damage", "motor", "two-wheeler",
            0, 0.04, 820, 0.5, 0.58, -0.05, 0.03),
    Product("car liability", "Private car third party", "motor", "private car", 1.6, 0.14, 0, 0, 0.55),
    Product("bike liability", "Two-wheeler third party", "motor", "two-wheeler", 3.2, 0.05, 0, 0, 0.55),
    Product("goods", "Goods carrying vehicle package", "motor", "goods carriage",
            3.2, 0.6, 15_500, 0.45, 0.72, -0.05, 0.11),
    Product("floater", "Family floater health plan", "health", "floater",
            23.0, 0, 23_500, 0.4, 0.91, 0.09, 0.105, kinds="health or general"),
    Product("individual", "Individual health plan", "health", "individual",
            7.0, 0.02, 14_200, 0.5, 0.90, 0.09, 0.08, kinds="health or general"),
    Product("top-up", "Super top-up health plan", "health", "top-up",
            4.0, 0, 5_200, 0.45, 0.89, 0.09, 0.02, kinds="health or general"),
    Product("accident", "Personal accident plan", "health", "personal accident",
            2.5, 0.03, 1_350, 0.6, 0.88, 0.02, 0.01),
    Product("group", "Group health plan for employees", "health", "group",
            1.3, 1.0, 165_000, 0.45, 0.88, 0.09, 0.45, is_group=True, kinds="health or general"),
    Product("home", "Bharat Griha Raksha", "fire", "dwelling", 1.8, 0, 4_300, 0.6, 0.87, 0.03, 0.005),
    Product("small business", "Bharat Sookshma Udyam Suraksha", "fire", "small business",
            3.0, 0.6, 11_800, 0.7, 0.90, 0.03, 0.01),
    Product("medium business", "Bharat Laghu Udyam Suraksha", "fire", "medium business",
            0.9, 1.0, 88_000, 0.5, 0.88, 0.03, 0.02),
    Product("marine", "Marine cargo open cover", "other", "marine", 1.0, 0.95, 21_000, 0.7, 0.84, 0.03, 0.02),
    Product("liability", "Public liability", "other", "liability", 0.6, 0.8, 9_500, 0.6, 0.84, 0.03, 0.005),
    Product("term", "Term life plan", "life", "term",
            2.6, 0, 19_500, 0.5, 0.93, 0, 0, kinds="life"),
    Product("savings", "Endowment savings plan", "life", "savings",
            5.2, 0, 34_000, 0.6, 0.88, 0, 0, kinds="life"),
    Product("travel", "Overseas travel plan", "travel", "", 4.5, 0.06, 2_600, 0.6, 0, 0, 0, kinds="general"),
)
# fmt: on

PRODUCT = {product.key: product for product in PRODUCTS}
INSURER = {insurer.short_name: insurer for insurer in INSURERS}

# Sub-agents with their share of the clients; "" is the office itself.
AGENTS = (
    ("", 52),
    ("Mehul Pandya", 14),
    ("Sneha Gokhale", 12),
    ("Lalit Bansal", 9),
    ("Priya Nair", 8),
    ("Office walk-in", 5),
)


def pick_product(rng: Random, *, firm: bool) -> Product:
    weights = [product.weight * (product.firm_share if firm else 1 - product.firm_share) for product in PRODUCTS]
    return rng.choices(PRODUCTS, weights)[0]


def pick_insurer(rng: Random, product: Product, *, but: str | None = None) -> Insurer:
    """An insurer that sells the product; `but` is the one the client leaves."""
    fitting = [insurer for insurer in INSURERS if insurer.kinds in product.kinds and insurer.short_name != but]
    return rng.choices(fitting, [insurer.weight for insurer in fitting])[0]
