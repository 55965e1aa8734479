"""`takeover conform --new-adapter LANGUAGE`: an adapter to begin with.

The skeletons are files in `skeletons/`, in one source file each and without a library. They have good manners, and a
server that does nothing: the frames are refused, and nothing that counts passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from takeover_conformance import documents


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A skeleton, and what it takes to run it."""

    file: str
    build: str
    """The command that makes the program of it; empty if there is none."""
    command: str
    """The command that is given to `takeover conform`."""

    def text(self) -> str:
        """What is in the file."""
        return (
            files("takeover_conformance.adapter").joinpath("skeletons", self.file).read_text(encoding="utf-8")
        )


SKELETONS = {
    "c": Skeleton("adapter.c", "cc -o adapter adapter.c", "./adapter"),
    "java": Skeleton("Adapter.java", "javac Adapter.java", "java Adapter"),
    "javascript": Skeleton("adapter.js", "", "node adapter.js"),
    "python": Skeleton("adapter.py", "", "python3 adapter.py"),
}
"""By language."""


def new_adapter(language: str, directory: Path) -> list[str]:
    """Write a skeleton into a directory; what to do with it. Raises `FileExistsError`."""
    skeleton = SKELETONS[language]
    with (directory / skeleton.file).open("x", encoding="utf-8") as file:
        file.write(skeleton.text())
    return [
        f"{skeleton.file} is written: it says hello, and the rest is for your server to say.",
        "",
        *([f"  {skeleton.build}"] if skeleton.build else []),
        f"  takeover conform --smoke -- {skeleton.command}   what is wrong with its manners",
        f"  takeover conform --next -- {skeleton.command}    what to do next",
        f"  takeover conform -- {skeleton.command}           which level it reaches",
        "",
        f"what it is asked and may answer: {documents.adapter_file()}",
        f"what a server has to do:         {documents.protocol_file()}",
    ]
