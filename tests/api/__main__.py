"""The examination in its full size: every operation, as every role, in every phase.

    python -m tests.api --examples 500                       # go on with what `--results` does not hold yet
    python -m tests.api --examples 500 --share 1/2           # half of it; the other half in another process
    python -m tests.api --examples 50 --roles staff,accounts --parts policies,clients

Each role in turn leads through all operations with its share of the examples, followed by all others, so that each role
sends `--examples` for each operation; schemathesis ends earlier where it finds nothing new. What is finished is written
to `--results`, line by line. The next run goes on from there, and does again what failed.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import database_pool
from portal import demo
from portal.api.views import work
from tests.api.colleagues import Colleagues
from tests.api.examination import examine, served
from tests.cast import CAST
from tests.conftest import point_portal_at, portal_settings
from tests.servers.postgres import PostgresServer

PARTS = {
    "policies": "/policies", "clients": "/clients", "masters": "/(insurers|products|agents)",
    "lists": "/(tpas|hospitals|lost-reasons|document-types)", "users": "/users",
    "reading": "^/api/(me$|search|today|audit|bulk|tasks|batches|system)", "documents": "/(documents|files)",
}  # fmt: skip
BOOK = 30   # clients


def main() -> int:
    """The command."""
    asked = _arguments()
    todo = [(part, lead) for lead in asked.roles for part in asked.parts]
    number, of = map(int, asked.share.split("/"))
    done = {(line["part"], line["lead"]) for line in _results(asked) if not _failures(line)}
    todo = [one for one in todo[number - 1 :: of] if one not in done]
    if todo:
        _examine(todo, asked)
    return _tell(asked)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.api", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--examples", type=int, default=500, help="for each operation as each role")
    parser.add_argument("--roles", type=lambda text: text.split(","), default=list(CAST), help=", ".join(CAST))
    parser.add_argument("--parts", type=lambda text: text.split(","), default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--share", default="1/1", help="2/3 is the second of three processes")
    parser.add_argument("--results", type=Path, default=Path("test-results/examination.jsonl"),
                        help="what is finished")
    return parser.parse_args()


def _examine(todo: list[tuple[str, str]], asked: argparse.Namespace) -> None:
    import app_multiuser

    # Nobody works here, so a stream of events would last its quarter of an hour.
    work.LONGEST_STREAM, work.LOOK_EVERY = 0.1, 0.01
    server = PostgresServer()
    server.start()
    try:
        server.create_database("examined")
        with tempfile.TemporaryDirectory() as folder:
            settings = portal_settings(Path(folder), DATABASE_URL=server.address("examined"))
            with point_portal_at(settings):
                database_pool.migrate()
                app = app_multiuser.create_app(settings)
                demo.seed(BOOK)   # in an empty portal nobody could see what they may not
                for part, lead in todo:
                    colleagues = Colleagues(app, tuple(asked.roles))
                    with served(app) as url:
                        report = examine(url, colleagues, lead, examples=-(-asked.examples // len(asked.roles)),
                                         paths=PARTS[part])  # fmt: skip
                    _keep(asked, part, lead, {who: vars(figures) for who, figures in report.items()})
    finally:
        server.remove()


def _keep(asked: argparse.Namespace, part: str, lead: str, figures: dict[str, Any]) -> None:
    failures = sum(len(one["failures"]) for one in figures.values())
    print(f"{part}, led by {lead}: {sum(one['requests'] for one in figures.values())} requests, {failures} failures",
          flush=True)  # fmt: skip
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    with asked.results.open("a") as file:
        file.write(json.dumps({"examples": asked.examples, "part": part, "lead": lead, "figures": figures}) + "\n")


def _results(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """What stands in the file for this number of examples: the last line of each part and lead."""
    lines = [json.loads(line) for line in asked.results.read_text().splitlines()] if asked.results.exists() else []
    return list({(line["part"], line["lead"]): line for line in lines if line["examples"] == asked.examples}.values())


def _failures(line: dict[str, Any]) -> dict[str, str]:
    return {f"{who}: {what}": told for who, one in line["figures"].items() for what, told in one["failures"].items()}


def _tell(asked: argparse.Namespace) -> int:
    lines = _results(asked)
    titles = ("operations", "examples", "fewest", "requests", "failures")
    print(f"{'role':<15}" + "".join(f"{title:>11}" for title in titles) + "  answers")
    for who in asked.roles:
        examples, statuses, failures = Counter[str](), Counter[str](), 0
        for one in (line["figures"][who] for line in lines if who in line["figures"]):
            examples.update(one["examples"])
            statuses.update(one["statuses"])
            failures += len(one["failures"])
        told = " ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
        fewest = min(examples.values(), default=0)
        counts = (len(examples), examples.total(), fewest, statuses.total(), failures)
        print(f"{who:<15}" + "".join(f"{count:>11}" for count in counts) + f"  {told}")
    wrong = {what: told for line in lines for what, told in _failures(line).items()}
    for what, told in wrong.items():
        print(f"\n{what}\n{told}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
