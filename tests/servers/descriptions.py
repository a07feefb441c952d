"""Where tests find what the providers publish: beside the repository, and for Twilio in a package of its own."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
TWILIO_PACKAGE = ROOT / "tests/servers/node_modules/@twilio/cli-core/src/services/twilio-api/twilio_api_v2010.json"


def shared(name: str) -> Path | None:
    """A file of the folder `shared` beside the repository (or beside the folder it is a worktree in); None without."""
    places = (parent / "shared" / name for parent in (ROOT.parent, ROOT.parent.parent))
    return next((place for place in places if place.is_file()), None)
