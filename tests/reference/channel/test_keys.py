"""A party's keys: what is refused when they are read, how they are exchanged, and when they are warned about."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from takeover.channel.keys import AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE, REVOKED_FILE, Keys, read_revoked
from takeover.commands.key_making import (
    AUTHORITY_DAYS,
    EARLY_DAYS,
    Authority,
    exchange_authority,
    make_keys,
    read_authority,
    renew,
)
from takeover.errors import CallerError, ConfigurationError

DAY_S = 86_400


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """The keys of a pair."""
    make_keys(tmp_path, "db")
    return tmp_path


def keys(pair: Path, party: str = "primary") -> Keys:
    return Keys(pair / party / "keys", "db", party)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged at warning and above."""
    logging.getLogger("takeover").propagate = True
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def own(pair: Path, certificate: bytes, key: bytes) -> None:
    """Give the primary this certificate."""
    (pair / "primary" / "keys" / CERTIFICATE_FILE).write_bytes(certificate)
    (pair / "primary" / "keys" / KEY_FILE).write_bytes(key)


def test_only_the_owner_may_read_what_was_made(pair: Path) -> None:
    """Files 0600, directories of keys 0700; and a party's directory does not hold the authority's key."""
    files = [path for path in pair.rglob("*") if path.is_file()]
    assert {0o600} == {path.stat().st_mode & 0o777 for path in files}
    assert {0o700} == {path.parent.stat().st_mode & 0o777 for path in files}
    names = {AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE, REVOKED_FILE}
    for party in ("primary", "secondary", "witness"):
        assert names == {path.name for path in (pair / party / "keys").iterdir()}


def test_keys_of_another_party_or_pair_are_refused(pair: Path) -> None:
    """When they are read, before anybody is dialled; the file is named, and both names."""
    with pytest.raises(
        ConfigurationError, match="names the primary of pair 'db'; expected the secondary of pair 'db'"
    ):
        Keys(pair / "primary" / "keys", "db", "secondary")
    with pytest.raises(ConfigurationError, match=r"own\.crt: names .* expected the primary of pair 'other'"):
        Keys(pair / "primary" / "keys", "other", "primary")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (AUTHORITY_FILE, None, "No such file"),
        (AUTHORITY_FILE, b"", "no certificate or crl found"),
        (CERTIFICATE_FILE, None, "No such file"),
        (CERTIFICATE_FILE, b"rubbish", "pem lib"),
        (KEY_FILE, None, "No such file"),
        (KEY_FILE, b"rubbish", "pem lib"),
        (REVOKED_FILE, None, "cannot be read"),
        (REVOKED_FILE, b"abc\n", "line 1: found 'abc'; expected a SHA-256 fingerprint"),
    ],
)
def test_a_file_that_is_absent_or_rubbish_is_named(
    pair: Path, name: str, content: bytes | None, reason: str
) -> None:
    """With what is wrong."""
    path = pair / "primary" / "keys" / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        keys(pair)
    assert name in str(caught.value)


def test_a_key_that_others_may_read_is_refused(pair: Path) -> None:
    """As ssh does; the group may read it, for an owner who is not the service."""
    path = pair / "primary" / "keys" / KEY_FILE
    path.chmod(0o640)
    keys(pair)
    for mode in (0o604, 0o620, 0o601):
        path.chmod(mode)
        with pytest.raises(ConfigurationError, match=r"own\.key: others may use it, its mode is -rw"):
            keys(pair)


def test_a_key_of_another_certificate_is_refused(pair: Path) -> None:
    """A copy that was not complete is noticed."""
    (pair / "primary" / "keys" / KEY_FILE).write_bytes((pair / "witness" / "keys" / KEY_FILE).read_bytes())
    with pytest.raises(ConfigurationError, match="key values mismatch"):
        keys(pair)


def test_a_certificate_that_the_own_authority_does_not_vouch_for_is_refused(pair: Path) -> None:
    """Nobody else would believe it."""
    own(pair, *Authority.make("db").issue("db", "primary"))
    with pytest.raises(
        ConfigurationError, match="does not vouch for it: unable to get local issuer certificate"
    ):
        keys(pair)


def test_bad_keys_do_not_take_the_place_of_good_ones(pair: Path, warnings: Callable[[], list[str]]) -> None:
    """What was read before goes on, all of it, and the log says why; once they are mended they count."""
    mine = keys(pair)
    before = (mine.server, mine.client, mine.expires_s)
    certificate = (pair / "primary" / "keys" / CERTIFICATE_FILE).read_bytes()
    (pair / "primary" / "keys" / CERTIFICATE_FILE).write_text("half a fi")
    assert not mine.reload()
    assert before == (mine.server, mine.client, mine.expires_s)
    (said,) = warnings()
    assert said.startswith("the keys are not exchanged: ")
    assert CERTIFICATE_FILE in said
    (pair / "primary" / "keys" / CERTIFICATE_FILE).write_bytes(certificate)
    assert mine.reload()
    assert before[0] is not mine.server


@pytest.mark.parametrize(("days", "said"), [(29, "expires on "), (-2, "expired on "), (31, "")])
def test_a_certificate_that_ends_soon_is_warned_about(
    pair: Path, warnings: Callable[[], list[str]], days: int, said: str
) -> None:
    """With its date; an expired one is read all the same, for the clock may be wrong. `expires_s` is for the status."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    own(pair, *read_authority(pair).issue("db", "primary", ends - timedelta(days=5), ends))
    mine = keys(pair)
    assert int(ends.timestamp()) == mine.expires_s
    mine.remind()
    expected = f"this party's certificate {said}{ends.isoformat(timespec='minutes')}: renew it"
    assert ([expected] * 2 if said else []) == warnings()


def test_the_revocation_list_takes_what_openssl_prints(tmp_path: Path) -> None:
    """With or without colons, in either case, with comments."""
    file = tmp_path / "revoked.txt"
    first, second = "AB" * 32, "0f" * 32
    colons = ":".join(first[i : i + 2] for i in range(0, 64, 2))
    file.write_text(f"# stolen\n\n{colons} # laptop\n  {second}\n")
    assert {first.lower(), second} == read_revoked(file)


def test_a_new_list_of_a_pair_is_empty(pair: Path) -> None:
    """It says how to fill it."""
    file = pair / "primary" / "keys" / REVOKED_FILE
    assert frozenset() == read_revoked(file)
    assert "openssl x509 -noout -fingerprint -sha256" in file.read_text()


# --- making ------------------------------------------------------------------------------------------------


def authorities(pair: Path) -> int:
    """How many authorities each party believes."""
    (count,) = {(path.read_text().count("BEGIN")) for path in pair.glob("*/keys/authority.crt")}
    return count


def test_renewed_keys_are_others_from_the_same_authority(pair: Path) -> None:
    """A party with the new ones and one with the old ones believe each other."""
    before = {path: path.read_bytes() for path in pair.glob("*/keys/*")}
    renew(pair)
    changed = {path.name for path, content in before.items() if content != path.read_bytes()}
    assert {CERTIFICATE_FILE, KEY_FILE} == changed
    assert 1 == authorities(pair)
    for party in ("primary", "secondary", "witness"):
        keys(pair, party)


def test_an_authority_is_exchanged_in_three_steps(pair: Path) -> None:
    """Believed beside the old one; then the certificates are its own; then the old one is forgotten."""
    first = read_authority(pair)
    exchange_authority(pair)
    second = read_authority(pair)
    assert first.certificate != second.certificate
    assert 2 == authorities(pair)
    keys(pair)
    renew(pair)
    assert 2 == authorities(pair)
    keys(pair)
    renew(pair)
    assert 1 == authorities(pair)
    keys(pair)
    own(pair, *first.issue("db", "primary"))
    with pytest.raises(ConfigurationError, match="does not vouch for it"):
        keys(pair)


def test_an_exchange_begun_twice_forgets_the_authority_in_between(pair: Path) -> None:
    """No certificate comes from it."""
    exchange_authority(pair)
    exchange_authority(pair)
    assert 2 == authorities(pair)
    keys(pair)


def test_a_certificate_does_not_outlive_its_authority(pair: Path) -> None:
    """And begins early enough for a clock that is behind."""
    far = datetime.now(UTC) + timedelta(days=2 * AUTHORITY_DAYS)
    own(pair, *read_authority(pair).issue("db", "primary", ends=far))
    left_s = keys(pair).expires_s - time.time()
    assert (AUTHORITY_DAYS - 1) * DAY_S < left_s < AUTHORITY_DAYS * DAY_S
    begins = read_authority(pair).certificate.not_valid_before_utc
    assert datetime.now(UTC) - begins >= timedelta(days=EARLY_DAYS)


def test_without_its_authority_nothing_is_renewed(tmp_path: Path, pair: Path) -> None:
    """The reason names the directory; nothing is written."""
    with pytest.raises(CallerError, match="the pair's authority cannot be read"):
        renew(tmp_path / "elsewhere")
    key = pair / "authority" / "authority.key"
    key.write_bytes((pair / "primary" / "keys" / KEY_FILE).read_bytes())
    with pytest.raises(CallerError, match=r"authority\.key is not the key of authority\.crt"):
        renew(pair)
