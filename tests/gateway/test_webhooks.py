"""Webhooks: signed so that only the holder of the secret can have sent them, to public targets only."""

from __future__ import annotations

import base64

import pytest

from shared.errors import FieldError
from shared.jobs.webhooks import check_target, is_genuine, public_addresses, signed

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = b'{"type":"job.completed"}'


def test_a_signed_message_is_genuine() -> None:
    assert is_genuine(SECRET, signed(SECRET, "msg-1", 1000, BODY), BODY, 1000)


def test_the_signature_is_that_of_the_published_example() -> None:
    """The test vector of the Standard Webhooks specification."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = signed(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("change", ["body", "id", "time", "late", "secret", "unsigned"])
def test_a_changed_message_is_not_genuine(change: str) -> None:
    headers = signed(SECRET, "msg-1", 1000, BODY)
    headers |= {"id": {"webhook-id": "msg-2"}, "time": {"webhook-timestamp": "1001"}}.get(change, {})
    if change == "unsigned":
        del headers["webhook-signature"]
    secret = "whsec_" + base64.b64encode(bytes(32)).decode() if change == "secret" else SECRET
    body = BODY + b" " if change == "body" else BODY
    assert not is_genuine(secret, headers, body, 1301 if change == "late" else 1000)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "plain", "whsec_" + "A" * 33])
def test_a_weak_secret_is_refused(secret: str) -> None:
    with pytest.raises(FieldError, match="webhook_secret"):
        signed(secret, "msg-1", 1000, BODY)


@pytest.mark.parametrize(
    "url", ["https://example.org/hook", "https://93.184.216.34:8443/", "https://[2606:2800::1]/"]
)
def test_a_public_target_is_allowed(url: str) -> None:
    check_target(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "https://",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://user:pass@example.org/",
        "https://example.org:99999/",
        "ftp://example.org/",
        "https://[broken/",
    ],
)
def test_a_target_that_isnt_public_https_is_refused(url: str) -> None:
    with pytest.raises(FieldError, match="webhook"):
        check_target(url)


def test_a_private_target_is_allowed_where_that_is_wanted() -> None:
    check_target("https://10.1.2.3/", allow_private=True)


def test_a_name_that_leads_to_a_private_address_is_refused_when_it_is_looked_up() -> None:
    with pytest.raises(FieldError, match="private address"):
        public_addresses("localhost", 443)
