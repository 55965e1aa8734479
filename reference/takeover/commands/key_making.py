"""Making a pair's keys: an authority, and a key with a certificate for each of the three parties.

This is the only part that needs `cryptography`, and nothing that runs on a server imports it: keys are made wherever
the operator keeps the authority's own key, and copied to the servers.

An authority is exchanged in steps, each of which is copied to all three machines before the next one. First every party
learns to believe the new authority beside the old one (`exchange_authority`); then it gets a certificate from the new
one (`renew`); with the `renew` after that the old authority is forgotten. One rule makes it so: a party believes the
newest authority, and the one that its present certificate comes from.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from takeover.channel.keys import AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE, OPERATOR, REVOKED_FILE, name_of
from takeover.errors import CallerError
from takeover_spec.trace import PARTIES

AUTHORITY_DAYS = 3650
"""How long an authority is valid, in days."""

CERTIFICATE_DAYS = 730
"""How long a party's certificate is valid, in days, unless something else is asked for."""

EARLY_DAYS = 1
"""How many days before it was made a certificate begins to be valid: a server's clock may be behind."""

AUTHORITY_KEY_FILE = "authority.key"

_REVOKED = """\
# The certificates of this pair that are believed no more: the SHA-256 fingerprint of each on a line of its own, as
#     openssl x509 -noout -fingerprint -sha256 -in own.crt
# prints it after the equals sign. All three parties need the line. A change counts once the service is told to read its
# keys anew (systemctl reload, or SIGHUP).
"""


@dataclass(frozen=True, slots=True)
class Authority:
    """A pair's certificate authority, with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, pair: str, now: datetime | None = None) -> Authority:
        """A new one."""
        now = now or datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(pair, "authority")
        ends = now + timedelta(days=AUTHORITY_DAYS)
        builder = _builder(
            name, name, key.public_key(), key.public_key(), now - timedelta(days=EARLY_DAYS), ends
        )
        builder = builder.add_extension(x509.BasicConstraints(True, 0), True)
        builder = builder.add_extension(_usage(signs_certificates=True), True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    def issue(
        self, pair: str, party: str, begins: datetime | None = None, ends: datetime | None = None
    ) -> tuple[bytes, bytes]:
        """A new key for a party, and its certificate: (certificate, key), in PEM. It does not outlive the authority."""
        now = datetime.now(UTC)
        begins = begins or now - timedelta(days=EARLY_DAYS)
        ends = min(ends or now + timedelta(days=CERTIFICATE_DAYS), self.certificate.not_valid_after_utc)
        key = ec.generate_private_key(ec.SECP256R1())
        issuer, public = self.certificate.subject, key.public_key()
        builder = _builder(_name(pair, party), issuer, public, self.key.public_key(), begins, ends)
        for extension, critical in (
            (x509.BasicConstraints(False, None), True),
            (_usage(signs_certificates=False), True),
            (
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                False,
            ),
            (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name_of(pair, party))]), False),
        ):
            builder = builder.add_extension(extension, critical)
        return _certificate_pem(builder.sign(self.key, hashes.SHA256())), _key_pem(key)


SERVERS = PARTIES[:2]
"""The parties of a pair without a witness."""


def make_keys(
    directory: Path, pair: str, days: int = CERTIFICATE_DAYS, parties: Sequence[str] = PARTIES
) -> None:
    """Make all keys of a new pair: the authority's in `directory`/authority, a party's in `directory`/PARTY/keys.

    The first must not leave the operator's hands; each of the others is for one machine. The operator has a key, too.
    """
    authority = Authority.make(pair)
    _write_authority(directory, authority)
    for party in (*parties, OPERATOR):
        keys = directory / party / "keys"
        keys.mkdir(mode=0o700, parents=True)
        _write(keys / AUTHORITY_FILE, _certificate_pem(authority.certificate))
        _write_own(keys, authority, pair, party, days)
        _write(keys / REVOKED_FILE, _REVOKED.encode())


def renew(directory: Path, days: int = CERTIFICATE_DAYS) -> None:
    """Give every party a new key and certificate, in the place of the ones `make_keys` made. Raises CallerError."""
    authority = read_authority(directory)
    for party in _parties(directory):
        keys = directory / party / "keys"
        _write(keys / AUTHORITY_FILE, _believed(keys, authority))
        _write_own(keys, authority, _pair_of(authority), party, days)


def exchange_authority(directory: Path) -> None:
    """Make a new authority, and have every party believe it beside the one it has. Raises CallerError."""
    authority = Authority.make(_pair_of(read_authority(directory)))
    for party in _parties(directory):
        keys = directory / party / "keys"
        _write(keys / AUTHORITY_FILE, _believed(keys, authority))
    _write_authority(directory, authority)


def _parties(directory: Path) -> tuple[str, ...]:
    """Whoever has keys of the pair: one without a witness has no directory for it."""
    return tuple(party for party in (*PARTIES, OPERATOR) if (directory / party).exists())


def read_authority(directory: Path) -> Authority:
    """The authority that `make_keys` left in `directory`. Raises CallerError when there is none."""
    folder = directory / "authority"
    try:
        certificate = x509.load_pem_x509_certificate((folder / AUTHORITY_FILE).read_bytes())
        key = serialization.load_pem_private_key((folder / AUTHORITY_KEY_FILE).read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise CallerError(f"{folder}: the pair's authority cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise CallerError(f"{folder}: {AUTHORITY_KEY_FILE} is not the key of {AUTHORITY_FILE}")
    return Authority(certificate, key)


def _believed(keys: Path, newest: Authority) -> bytes:
    """The newest authority, and the one that the present certificate in `keys` comes from."""
    try:
        own = x509.load_pem_x509_certificate((keys / CERTIFICATE_FILE).read_bytes())
        known = x509.load_pem_x509_certificates((keys / AUTHORITY_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise CallerError(f"{keys}: the present keys cannot be read: {error}") from error
    present = [each for each in known if each != newest.certificate and _issued(each, own)]
    return b"".join(_certificate_pem(each) for each in (newest.certificate, *present))


def _issued(authority: x509.Certificate, own: x509.Certificate) -> bool:
    try:
        own.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _pair_of(authority: Authority) -> str:
    return str(authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _write_authority(directory: Path, authority: Authority) -> None:
    folder = directory / "authority"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(folder / AUTHORITY_KEY_FILE, _key_pem(authority.key))
    _write(folder / AUTHORITY_FILE, _certificate_pem(authority.certificate))


def _write_own(keys: Path, authority: Authority, pair: str, party: str, days: int) -> None:
    certificate, key = authority.issue(pair, party, ends=datetime.now(UTC) + timedelta(days=days))
    _write(keys / KEY_FILE, key)
    _write(keys / CERTIFICATE_FILE, certificate)


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _name(pair: str, what: str) -> x509.Name:
    parts = (
        (NameOID.ORGANIZATION_NAME, "takeover"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, what),
        (NameOID.COMMON_NAME, pair),
    )
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuers: ec.EllipticCurvePublicKey,
    begins: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuers), False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
