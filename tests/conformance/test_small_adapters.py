"""Two small adapters, written from the protocol's document, read and write every frame, and reach level 0."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from takeover_conformance.adapter import lines
from takeover_conformance.adapter.process import Adapter
from takeover_conformance.adapter.smoke import smoke
from takeover_conformance.cases import shipped
from takeover_conformance.playing.bench import Bench, Outcome
from takeover_conformance.suite import CONFORMS, UNDECIDED, VIOLATES, Result, Selection, run
from takeover_spec import wire
from takeover_spec.codec import GREATEST

HERE = Path(__file__).parent
FRAMES = tuple(case for case in shipped() if case.level == 0)


@dataclass(frozen=True)
class Small:
    """A small adapter."""

    source: Path
    build: tuple[str, ...]
    command: tuple[str, ...]
    """In the folder in which it was built."""
    mistakes: tuple[tuple[str, str], ...]
    """What its source has, and what spoils it."""

    def built(self, folder: Path, right: str = "", wrong: str = "") -> tuple[str, ...]:
        """Its command, once it is built there, with that mistake."""
        text = self.source.read_text()
        assert right in text
        (folder / self.source.name).write_text(text.replace(right, wrong) if right else text)
        subprocess.run([*self.build, self.source.name], cwd=folder, check=True)
        return tuple(word.format(folder) for word in self.command)


SMALL = {
    "c": Small(
        HERE / "c" / "adapter.c",
        ("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", "adapter"),
        ("{}/adapter",),
        (
            ("8 * (LENGTH_BYTES - 1 - i)", "8 * i"),
            ("AN_OBJECT && from.at == from.end", "AN_OBJECT"),
            ("object->count == 1 + count + others", "object->count >= 1 + count + others"),
        ),
    ),
    "java": Small(
        HERE / "java" / "Adapter.java",
        ("javac", "-Xlint:all", "-Werror"),
        ("java", "-cp", "{}", "Adapter"),
        (("putInt(body.length)", "putInt(Integer.reverseBytes(body.length))"),),
    ),
}
"""By language."""


@pytest.fixture(scope="module", params=SMALL)
def command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Of one of them, built."""
    return SMALL[request.param].built(tmp_path_factory.mktemp(request.param))


def ignore(outcome: Outcome) -> None:
    """Nobody listens."""


def level_0(command: tuple[str, ...]) -> Result:
    """How all cases of level 0 went."""
    return run(Bench(lambda: Adapter(command)), Selection(FRAMES, 0, range(0)), ignore)


def test_it_reaches_level_0_with_good_manners(command: tuple[str, ...]) -> None:
    """Whatever the cases ask."""
    result = level_0(command)
    assert [] == [f"{outcome.case}: {outcome.finding}" for outcome in result.failed]
    assert (CONFORMS, 0) == (result.verdict, result.level), result.fault
    assert "good: ends with its input" == list(smoke(command))[-1]


ENTRIES = (
    wire.CopyEntry(b"a", True, 0, 0, b""),
    wire.CopyEntry(b"a/\xff", False, 65_537, 1, bytes(16)),
    wire.CopyEntry(b"a/\xff", False, GREATEST, 0, bytes(range(32))),
)
NESTED = (
    wire.CopyListing(3, 7, 0, ()),
    wire.CopyListing(3, 7, 1, ENTRIES),
    wire.CopyLacking(3, 7, 1, ()),
    wire.CopyLacking(3, 7, 1, (0, 1, GREATEST)),
)
"""What no server has to say, and level 0 does not ask."""

BODY = '{"kind":"not-leased","epoch":3,"run":7,"sent":8,"current":9,"clause":"LEASE-3","reason":"%s"}'
ENTRY = '{"path":"%s","directory":%s,"size":%s,"first":%s,"digests":"%s"}'
LISTING = '{"kind":"copy-listing","epoch":3,"upto":7,"index":0,"entries":[%s]}'
DIGEST = 21 * "A" + "A=="
HARD = tuple(
    body.encode("utf-8", "surrogatepass")
    for body in (
        *(
            BODY % text
            for text in (r"\ud83d\uDE00 \u0000\/\b", "\U0001f600\ufeff\x7f\u2028", r"\"\\\t\f\r\n")
        ),
        *(
            BODY % text
            for text in (r"\ud83d", r"\ude00\ud83d", r"\ud83dx", r"\u+123", r"\x41", r"\v", "\t", "\0")
        ),
        *(BODY % text for text in ("\ud83d\ude00", "\udc00", "\\", '","more":"', '","reason":"')),
        (BODY % "").replace("reason", r"r\u0065ason"),
        *((BODY % "").replace("9", number) for number in ("09", "00", "+9", "0x9", "", "9" * 19, str(2**64))),
        *((BODY % "").replace("9", value) for value in ("truex", "9 9", "\f9", "\xa09", "[" * 9000, "{}")),
        *("\ufeff" + BODY % "", f" \t\r\n{BODY % ''}\n", BODY % "" + "\0", BODY % "" + "\v"),
        LISTING % (ENTRY % ("YQ==", "false", 1, 0, DIGEST)),
        *(LISTING % (ENTRY % ("YQ==", "false", size, 0, DIGEST)) for size in (0, "true", -1)),
        *(LISTING % (ENTRY % ("YQ==", "false", 65_536, first, DIGEST)) for first in (1, GREATEST)),
        *(LISTING % (ENTRY % ("YQ==", "true", size, first, "")) for size, first in ((1, 0), (0, 1), (0, 0))),
        LISTING % (ENTRY % ("", "false", 1, 0, "")),
        *(
            LISTING % (ENTRY % (path, "false", 1, 0, ""))
            for path in ("YR==", "Y===", "=", "====", "YQ=", "YQ==YQ==")
        ),
        LISTING % (ENTRY % ("YQ==", "false", 1, 0, "AAAA")),
        LISTING % (ENTRY % ("YQ==", "false", 1, 0, "")).replace("}", ',"size":1}'),
        LISTING % (ENTRY % ("YQ==", "false", 1, 0, "")).replace("}", ',"more":1}'),
        LISTING % "[]",
        '{"kind":"copy-lacking","epoch":3,"upto":7,"index":0,"blocks":[1,"2"]}',
        '{"kind":"copy-lacking","epoch":3,"upto":7,"index":0,"blocks":[1,]}',
        '{"kind":"update-status","epoch":3,"seq":7,"status":"none","amount":0}',
        '{"kind":"update-status","epoch":3,"seq":7,"status":"Done","amount":0}',
    )
)
"""What a reader of JSON may get wrong, or a reader of §12.6."""


def bodies() -> Iterator[bytes]:
    """The hard ones; and those that can be read, with a byte changed, lost or doubled."""
    yield from HARD
    chance = random.Random(12)
    for body in filter(said, (*HARD, *(wire.encode(message)[wire.LENGTH_BYTES :] for message in NESTED))):
        for _ in range(40):
            at = chance.randrange(len(body))
            new = chance.choice((b"", body[at : at + 1] * 2, b'"', b"\\", b"\xed", b"7", b" "))
            yield body[:at] + new + body[at + 1 :]


def said(body: bytes) -> wire.Message | None:
    """What the specification reads there; None if it is malformed."""
    try:
        return wire.decode(body)
    except ValueError:
        return None


def test_it_reads_what_the_specification_reads(command: tuple[str, ...]) -> None:
    """And refuses what that refuses."""
    adapter = Adapter(command)
    read = 0
    for body in bodies():
        message = said(body)
        expected = lines.Refused() if message is None else lines.Decoded(message)
        frame = len(body).to_bytes(wire.LENGTH_BYTES, "big") + body
        assert [expected] == adapter.ask(lines.Decode(frame)), body
        read += message is not None
    assert read > 20
    adapter.leave()


def test_it_writes_what_is_nested(command: tuple[str, ...]) -> None:
    """Every message can be written, also those that no server has to say."""
    adapter = Adapter(command)
    for message in NESTED:
        (encoded,) = adapter.ask(lines.Encode(message))
        assert isinstance(encoded, lines.Encoded)
        assert message == wire.decode_frame(encoded.frame)
        assert [lines.Decoded(message)] == adapter.ask(lines.Decode(wire.encode(message)))
    adapter.leave()


@pytest.mark.parametrize(
    ("language", "right", "wrong"),
    [(name, *change) for name, small in SMALL.items() for change in small.mistakes],
)
def test_a_mistake_in_it_is_caught(language: str, right: str, wrong: str, tmp_path: Path) -> None:
    """Level 0 is not reached by one that frames, or reads, a little otherwise."""
    result = level_0(SMALL[language].built(tmp_path, right, wrong))
    assert (VIOLATES, None) == (result.verdict, result.level), result.fault


@pytest.mark.parametrize(
    ("language", "right", "wrong"),
    [
        ("c", "bits & ((1 << left) - 1) ? -1 : length", "length"),
        ("java", "Base64.getEncoder().encodeToString(bytes).equals(text) ? bytes : null", "bytes"),
    ],
)
def test_who_lets_idle_bits_through_and_says_them_again_is_at_fault(
    language: str, right: str, wrong: str, tmp_path: Path
) -> None:
    """Its own line is malformed then, as the frame was; whoever spells them anew is caught by the case itself."""
    result = level_0(SMALL[language].built(tmp_path, right, wrong))
    assert (UNDECIDED, None) == (result.verdict, result.level)
    assert result.fault is not None
    assert "garbage" == result.fault.fault
    assert "is not base64" in result.fault.detail
