"""A clock that a server sees instead of the machine's, and that can be set while it runs."""

from pathlib import Path

import libfaketime

LIBRARY = Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"


class Clock:
    """`environment` makes a process and all that it starts look at this clock. They follow a jump within a second, each
    at a moment of its own; all at the same moment when it is `exact`, which makes looking at the clock slow.
    """

    def __init__(self, file: Path, *, exact: bool = False) -> None:
        self._file = file
        self.jump("+0")
        file.chmod(0o644)
        self.environment = {"LD_PRELOAD": str(LIBRARY), "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
                            "FAKETIME_TIMESTAMP_FILE": str(file),
                            **({"FAKETIME_NO_CACHE": "1"} if exact else {"FAKETIME_CACHE_DURATION": "1"})}

    def jump(self, to: str) -> None:
        """So far from the machine's clock: "+1h", "-30m", "+0"."""
        self._file.write_text(f"{to}\n")
