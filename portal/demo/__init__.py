"""The demo agency: a made-up book of clients and policies to try the portal with.

    seed(clients=2000, seed_number=7, today=None) -> Report

book.py generates (families, products and terms into clients' files), writing.py puts files into tables, seeding.py does
it in chunks that survive a crash. No real person, no community or religion, no Aadhaar number is in it.
"""

from portal.demo.seeding import DEFAULT_SEED, BookInUse, Report, SignIn, seed

__all__ = ["DEFAULT_SEED", "BookInUse", "Report", "SignIn", "seed"]
