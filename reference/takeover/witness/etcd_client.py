"""One value in etcd, read and replaced: what a witness needs of a cluster, over etcd's own JSON gateway.

A value is replaced only if it is still what was read (`replace`): the same revision, and the same bytes, so that not
even a cluster that was restored from an older backup lets a stale decision through. Reads are linearizable. Those two
are what etcd has been tested to keep under every fault; its leases are not used (`witness/etcd_witness.py` says why).

A member that does not answer in time is left for the next one, so a request may be carried out twice, or after it was
given up. For a replacement that does no harm: the second one finds that the value is another.
"""

from __future__ import annotations

import json
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from takeover.config import EtcdConfig
from takeover.errors import ConfigurationError, EnvironmentFault
from takeover.extras import missing

try:
    import httpx
except ModuleNotFoundError as error:
    raise ConfigurationError(f"witness.etcd {missing(str(error.name), 'etcd')}") from error

UNAUTHENTICATED = 16
"""The code that etcd answers when it does not know, or no longer knows, the token (a code of gRPC)."""


_NO_ANSWER = (httpx.HTTPError, httpx.StreamError, OSError)
"""How httpx says that there is no answer. What TLS refuses after the handshake comes as it is, an `OSError`."""


class EtcdFailure(EnvironmentFault):
    """No member of the cluster did what was asked, as far as is known."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A value as it was read, or that there was none."""

    revision: int = 0
    """Of its last change; 0 if there is no value."""
    value: bytes = b""


class EtcdClient:
    """A client of one cluster, for one key."""

    def __init__(self, config: EtcdConfig, key: str, attempt_s: float) -> None:
        """`attempt_s` is how long one member may take. Raises `ConfigurationError`."""
        self._config = config
        self._key = b64encode(key.encode()).decode()
        self._attempt_s = attempt_s
        self._token = ""
        self._member = 0
        self._password, self._http = self._open()

    def _open(self) -> tuple[str, httpx.AsyncClient]:
        password = _read(self._config.password_file) if self._config.password_file else ""
        http = httpx.AsyncClient(verify=_tls(self._config), timeout=self._attempt_s, trust_env=False)
        return password, http

    async def renew(self) -> None:
        """Read the files again, and connect anew. Raises `ConfigurationError`, and then nothing has changed."""
        password, http = self._open()
        await self._http.aclose()
        self._password, self._http, self._token = password, http, ""

    async def close(self) -> None:
        """Close the connections. Or use it in an `async with`."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.close()

    async def read(self) -> Entry:
        """The value now. Raises `EtcdFailure`."""
        return self._entry(await self._ask("kv/range", {"key": self._key}))

    async def replace(self, there: Entry, value: bytes) -> tuple[bool, Entry]:
        """Put `value` in the place of `there`; whether that was done, and what is there now. Raises `EtcdFailure`."""
        encoded = b64encode(value).decode()
        compare: list[dict[str, str]] = [
            {"key": self._key, "target": "MOD", "result": "EQUAL", "mod_revision": str(there.revision)}
        ]
        if there.revision:
            old = b64encode(there.value).decode()
            compare.append({"key": self._key, "target": "VALUE", "result": "EQUAL", "value": old})
        answer = await self._ask(
            "kv/txn",
            {
                "compare": compare,
                "success": [{"request_put": {"key": self._key, "value": encoded}}],
                "failure": [{"request_range": {"key": self._key}}],
            },
        )
        try:
            if answer.get("succeeded"):
                return True, Entry(int(answer["header"]["revision"]), value)
            return False, self._entry(answer["responses"][0]["response_range"])
        except (LookupError, TypeError, ValueError) as error:
            raise EtcdFailure(f"etcd answered a transaction with {_brief(answer)}") from error

    async def changes(self, after: int | None = None) -> AsyncIterator[Entry]:
        """Each value as it comes, and first those since revision `after`; without end. Raises `EtcdFailure`."""
        create = {"key": self._key}
        if after is not None:
            create["start_revision"] = str(after + 1)
        body = {"create_request": create}
        url = self._config.endpoints[self._member]
        no_end = httpx.Timeout(self._http.timeout.connect, read=None)
        try:
            headers = await self._headers(url)
            async with self._http.stream(
                "POST", f"{url}/v3/watch", json=body, headers=headers, timeout=no_end
            ) as response:
                async for line in response.aiter_lines():
                    result = json.loads(line).get("result", {})
                    if result.get("canceled") or "header" not in result:
                        raise EtcdFailure(f"{url} ended a watch: {_brief(line)}")
                    for event in result.get("events", []):
                        deleted = event.get("type") == "DELETE"
                        yield Entry() if deleted else self._entry({"kvs": [event["kv"]]})
            raise EtcdFailure(f"{url} ended a watch")
        except (*_NO_ANSWER, ValueError, LookupError) as error:
            self._next_member()
            raise EtcdFailure(f"{url}: {_why(error)}") from error

    def _entry(self, answer: dict[str, Any]) -> Entry:
        try:
            values = answer.get("kvs", [])  # the gateway leaves out what is empty
            if not values:
                return Entry()
            return Entry(int(values[0]["mod_revision"]), b64decode(values[0].get("value", ""), validate=True))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise EtcdFailure(f"etcd answered a read with {_brief(answer)}") from error

    async def _ask(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer of the first member that has one."""
        problems: list[str] = []
        for _ in self._config.endpoints:
            url = self._config.endpoints[self._member]
            try:
                return await self._ask_member(url, call, body)
            except (*_NO_ANSWER, EtcdFailure) as error:
                problems.append(f"{url}: {_why(error)}")
                self._next_member()
        raise EtcdFailure("; ".join(sorted(problems)))

    def _next_member(self) -> None:
        self._member = (self._member + 1) % len(self._config.endpoints)

    async def _ask_member(self, url: str, call: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self._post(url, call, body, await self._headers(url))
        if self._config.user and answer.get("code") == UNAUTHENTICATED:
            self._token = ""  # it does not outlive the cluster's memory of it
            answer = await self._post(url, call, body, await self._headers(url))
        if "error" in answer:
            raise EtcdFailure(str(answer["error"]))
        return answer

    async def _headers(self, url: str) -> dict[str, str]:
        """What says who is there."""
        if not self._config.user:
            return {}
        if not self._token:
            login = {"name": self._config.user, "password": self._password}
            answer = await self._post(url, "auth/authenticate", login, {})
            if "token" not in answer:
                raise EtcdFailure(
                    f"user {self._config.user!r} is not let in: {answer.get('error', 'no token')}"
                )
            self._token = str(answer["token"])
        return {"Authorization": self._token}

    async def _post(
        self, url: str, call: str, body: dict[str, Any], headers: dict[str, str]
    ) -> dict[str, Any]:
        response = await self._http.post(f"{url}/v3/{call}", json=body, headers=headers)
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise EtcdFailure(
                f"status {response.status_code}, and no JSON object: is this etcd 3.4 or later?"
            )
        if response.status_code != httpx.codes.OK and "error" not in answer:
            raise EtcdFailure(f"status {response.status_code}")
        return answer


def _tls(config: EtcdConfig) -> ssl.SSLContext | bool:
    if not any(url.startswith("https:") for url in config.endpoints):
        return False
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
        if config.certificate_file:
            context.load_cert_chain(config.certificate_file, config.key_file)
    except OSError as error:  # an ssl.SSLError is one
        files = [str(file) for file in (config.ca_file, config.certificate_file, config.key_file) if file]
        raise ConfigurationError(f"witness: the files for TLS, {', '.join(files)}: {error}") from error
    return context


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"witness.password_file: {file}: {error}") from error


def _why(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return str(error) or type(error).__name__


def _brief(answer: object) -> str:
    return repr(answer)[:200]
