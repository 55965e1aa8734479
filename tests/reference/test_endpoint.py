"""Reading and writing endpoints."""

import pytest

from takeover.endpoint import Endpoint
from takeover.errors import CallerError


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [("192.0.2.1:80", Endpoint("192.0.2.1", 80)), ("[2001:db8::1]:65535", Endpoint("2001:db8::1", 65535))],
)
def test_what_is_written_reads_back(text: str, endpoint: Endpoint) -> None:
    """`parse` and `str` are inverse."""
    assert endpoint == Endpoint.parse(text)
    assert text == str(endpoint)


@pytest.mark.parametrize(
    "text",
    ["", ":80", "192.0.2.1", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:0", "192.0.2.1:65536", "db.example:80"],
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    """Names too: a failover must not wait for a name server."""
    with pytest.raises(CallerError):
        Endpoint.parse(text)
