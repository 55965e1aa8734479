"""A party's keys: what it shows of itself on a connection, and whom it believes.

A pair has a certificate authority of its own, and each of its three parties a certificate that names the pair and the
party. The name is the only identity: an address proves nothing, and no name server is asked. So a connection is refused
unless the other side's certificate

- comes from one of the pair's authorities, and is in its validity (OpenSSL sees to both),
- names this pair, and a party that is expected on this connection,
- is not on the revocation list.

What complicates it: keys are replaced while a server runs. `reload` reads all of them anew, or changes nothing at all.
It is asked for (SIGHUP) and does not watch the files: a set of keys is several files, and only whoever copies them
knows when the last one is there. Every connection is then made anew, so a certificate that was revoked is out at once;
one that expires while its connection is up is noticed at the next one, and warned about long before.

What a list of revoked certificates needs is a line with a fingerprint. Refused: signed lists (CRLs). They expire, and
need the authority's key at the very moment when somebody is in a hurry.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
import ssl
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from takeover.errors import ConfigurationError, PeerError

log = logging.getLogger("takeover.keys")

AUTHORITY_FILE = "authority.crt"
"""The certificates of the pair's authorities: one, or two while they are being exchanged."""

CERTIFICATE_FILE = "own.crt"
KEY_FILE = "own.key"
REVOKED_FILE = "revoked.txt"
"""The revocation list: a SHA-256 fingerprint a line, in hexadecimal digits; `#` begins a comment."""

OPERATOR = "operator"
"""What the certificate of a pair's operator names, who is no party of the protocol and may give it orders."""

WARNING_DAYS = 30
"""How many days before its end a certificate is warned about."""

REMINDER_S = 86_400.0
"""The time between two such warnings, in seconds."""

_NAME = re.compile("takeover:([A-Za-z0-9._-]{1,64})/([a-z]+)")
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL


def name_of(pair: str, party: str) -> str:
    """The name in a party's certificate, as a URI."""
    return f"takeover:{pair}/{party}"


@dataclass(frozen=True, slots=True)
class _Set:
    """What was read from the files, at one moment."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    revoked: frozenset[str]
    expires_s: int


class Keys:
    """The keys of one party. `reload` them when the files have changed."""

    def __init__(self, directory: Path, pair: str, party: str) -> None:
        """Read them. Raises ConfigurationError that names the file and what is wrong with it."""
        self.directory = directory
        self.pair = pair
        self.party = party
        self._set = self._read()
        self.remind()

    @property
    def server(self) -> ssl.SSLContext:
        """What a connection is accepted with."""
        return self._set.server

    @property
    def client(self) -> ssl.SSLContext:
        """What a connection is made with."""
        return self._set.client

    @property
    def expires_s(self) -> int:
        """When this party's certificate expires, in seconds since 1970."""
        return self._set.expires_s

    def reload(self) -> bool:
        """Read the files anew. If something is wrong with them, say so, go on with what was read before: False."""
        try:
            self._set = self._read()
        except ConfigurationError as error:
            log.error("the keys are not exchanged: %s", error)
            return False
        log.info("the keys were read anew", extra={"fields": {"expires": _date(self.expires_s)}})
        self.remind()
        return True

    def remind(self) -> None:
        """Log a certificate that expires soon, or has expired."""
        left_days = (self.expires_s - time.time()) / 86_400
        if left_days < WARNING_DAYS:
            path, date = self.directory / CERTIFICATE_FILE, _date(self.expires_s)
            what = "expires" if left_days > 0 else "expired"
            fields = {"file": str(path), "expires": date, "days_left": int(left_days)}
            log.warning("this party's certificate %s on %s: renew it", what, date, extra={"fields": fields})

    async def keep_reminding(self) -> None:
        """Remind once a day, for ever."""
        while True:
            await asyncio.sleep(REMINDER_S)
            self.remind()

    def identify(self, names: Mapping[str, Any], certificate: bytes, expected: tuple[str, ...]) -> str:
        """The party that a verified certificate names; its fields as `ssl` decodes them, and its bytes.

        Raises PeerError unless it is one of `expected`, of this pair, and not revoked.
        """
        pair, party = _named(names)
        who = f"the {party} of pair {pair!r}"
        if pair != self.pair:
            raise PeerError(f"its certificate is that of {who}, and this is pair {self.pair!r}")
        if party not in expected:
            raise PeerError(f"its certificate is that of {who}, and not of the {' or the '.join(expected)}")
        fingerprint = hashlib.sha256(certificate).hexdigest()
        if fingerprint in self._set.revoked:
            raise PeerError(f"the certificate of {who} is revoked: {fingerprint}")
        return party

    # --- reading --------------------------------------------------------------------------------

    def _read(self) -> _Set:
        _refuse_open_key(self.directory / KEY_FILE)
        server, client = (self._context(end) for end in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT))
        server.num_tickets = 0  # no session is ever resumed
        own = self._own_certificate()
        try:
            pair, party = _named(own)
        except PeerError as error:
            raise ConfigurationError(f"{self.directory / CERTIFICATE_FILE}: {error}") from error
        if (pair, party) != (self.pair, self.party):
            raise ConfigurationError(
                f"{self.directory / CERTIFICATE_FILE}: names the {party} of pair {pair!r};"
                f" expected the {self.party} of pair {self.pair!r}"
            )
        revoked = read_revoked(self.directory / REVOKED_FILE)
        return _Set(server, client, revoked, int(ssl.cert_time_to_seconds(own["notAfter"])))

    def _context(self, protocol: int) -> ssl.SSLContext:
        authority, certificate = self.directory / AUTHORITY_FILE, self.directory / CERTIFICATE_FILE
        context = ssl.SSLContext(protocol)
        context.check_hostname = False  # the name that counts is looked at in `identify`
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            context.load_verify_locations(authority)
        except OSError as error:
            raise ConfigurationError(f"{authority}: {_reason(error)}") from error
        if not context.get_ca_certs():
            raise ConfigurationError(f"{authority}: holds no certificate of an authority")
        try:
            context.load_cert_chain(certificate, self.directory / KEY_FILE, _no_passphrase)
        except OSError as error:
            raise ConfigurationError(f"{certificate}, with {KEY_FILE}: {_reason(error)}") from error
        return context

    def _own_certificate(self) -> dict[str, Any]:
        """What this party's certificate says, from a handshake with itself, at whatever date.

        The standard library decodes a certificate only for a connection; and so it is also known that the pair's
        authorities vouch for it.
        """
        ends = []
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        for protocol, ways in (
            (ssl.PROTOCOL_TLS_CLIENT, (there, back)),
            (ssl.PROTOCOL_TLS_SERVER, (back, there)),
        ):
            context = self._context(protocol)
            context.verify_flags |= _NO_CHECK_TIME
            ends.append(context.wrap_bio(*ways, server_side=protocol == ssl.PROTOCOL_TLS_SERVER))
        try:
            for end in (*ends, *ends):
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
        except ssl.SSLError as error:
            authority = self.directory / AUTHORITY_FILE
            raise ConfigurationError(
                f"{self.directory / CERTIFICATE_FILE}: {authority} does not vouch for it: {_reason(error)}"
            ) from error
        return dict(ends[0].getpeercert() or {})


def refusal_of(error: OSError) -> str:
    """Why a handshake failed, in words."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is refused: {error.verify_message}"
        case ssl.SSLError(reason="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
            return "it shows no certificate"
        case ssl.SSLError(
            reason="HTTP_REQUEST" | "WRONG_VERSION_NUMBER" | "BAD_RECORD_TYPE" | "RECORD_LAYER_FAILURE"
        ):
            return f"it does not speak TLS: {_reason(error)}"
        case ssl.SSLError():
            return f"no session can be made with it: {_reason(error)}"
        case ConnectionError() | TimeoutError():
            return f"it ended, or was silent, before a session was made: {error or type(error).__name__}"
    return str(error)


def read_revoked(file: Path) -> frozenset[str]:
    """The fingerprints in a revocation list. Raises ConfigurationError, also when there is no list."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error
    found = set()
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip().replace(":", "").lower()
        if text and not re.fullmatch("[0-9a-f]{64}", text):
            raise ConfigurationError(
                f"{file}: line {number}: found {line[:80]!r}; expected a SHA-256 fingerprint, 64 hexadecimal digits"
            )
        found.add(text)
    return frozenset(found - {""})


def _named(certificate: Mapping[str, Any]) -> tuple[str, str]:
    """The pair and the party that a certificate names. Raises PeerError if it names none."""
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
    found = _NAME.fullmatch(names[0]) if len(names) == 1 else None
    if not found:
        raise PeerError(f"the certificate names no party of a pair, but {names}")
    return found[1], found[2]


def _refuse_open_key(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    if mode & 0o027:
        raise ConfigurationError(
            f"{path}: others may use it, its mode is {stat.filemode(mode)}; expected 0600"
        )


def _no_passphrase() -> str:
    raise OSError("the key is protected by a passphrase, and nobody is there to enter it")


def _reason(error: OSError) -> str:
    """What OpenSSL, or the operating system, says, without where in its source it says so."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return error.strerror or str(error)


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="minutes")
