"""A secret is told by the name of its variable and by its value, and what is none stays readable."""

from __future__ import annotations

from pathlib import Path

import pytest

from potato import credentials, doctor

VALUE = "korrekt-pferd/batterie+heftklammer"


@pytest.mark.parametrize(
    "name",
    [
        "AZURE_STORAGE_KEY",
        "PAGERDUTY_ROUTING_KEY",
        "SIGNING_KEY",
        "STRIPE_KEY",
        "MYSQL_PWD",
        "SMTP_PASS",
        "REDIS_AUTH",
        "GH_PAT",
        "JWT",
        "COOKIE",
        "PGPASSWORD",
        "apiKey",
        "X-Amz-Signature",
        "VAULT_SECRET_ID",
        "API_KEY_2",
        "STRIPE_KEY_LIVE",
        "keyStorePassword",
        "BEARER",
    ],
)
def test_a_name_says_that_its_value_is_a_secret(name: str) -> None:
    assert credentials.is_secret(name)
    assert credentials.known({name: VALUE}).values == {VALUE}


@pytest.mark.parametrize(
    "name",
    [
        "MAX_TOKENS",
        "TOKENIZERS_PARALLELISM",
        "SSH_AUTH_SOCK",
        "KEYBOARD",
        "PASSIVE",
        "COMPASS",
        "PWD",
        "OLDPWD",
        "PATH",
        "GIT_AUTHOR_NAME",
        "XAUTHORITY",
        "SECRET_NAME",
        "PUBLIC_KEY",
        "SORT_KEY",
        "AUTH_TYPE",
        "TOKEN_TTL",
        "KMS_KEY_ID",
        "LS_COLORS",
        "MONKEY",
        "HOME",
    ],
)
def test_a_name_that_only_sounds_like_one_is_none(name: str) -> None:
    assert not credentials.is_secret(name)
    assert credentials.known({name: VALUE}) == credentials.Known(frozenset(), {})


@pytest.mark.parametrize(
    "value",
    [
        "4096",
        "-1.5e3",
        "2026",
        "2026-11-28T10:10:00Z",
        "abc",
        "secret",
        "name",
        "data",
        "error",
        "potato",
        "********",
        "succeeded",
        "weekly_features",
        "disabled",
        "/tmp",
        "true",
    ],
)
def test_a_value_that_is_too_short_or_too_common_is_spared(value: str) -> None:
    known = credentials.known({"LAB_TOKEN": value})
    assert known.values == frozenset()
    assert set(known.spared) == {"LAB_TOKEN"}


@pytest.mark.parametrize("value", ["hunter2", "swordfish", "jwt-77", "123456789012", "/notaplace/a"])
def test_a_value_that_nothing_speaks_against_is_a_secret(value: str) -> None:
    assert credentials.known({"LAB_TOKEN": value}).values == {value}


@pytest.mark.parametrize(
    ("name", "text", "secret"),
    [
        ("STORE", "AccountName=a;AccountKey=connkey-77==;", "connkey-77=="),
        ("PG_DSN", "host=h user=u password=dsnpw-77", "dsnpw-77"),
        ("PG_DSN", r"host=h password='dsn pw\'77' user=u", "dsn pw'77"),
        ("SAS", "https://a.blob/x?sv=1&sig=sas%2Fsig77&se=2", "sas/sig77"),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T000/slackhook77", "/services/T000/slackhook77"),
        ("JAVA_OPTS", "-Xmx1g -Djavax.net.ssl.keyStorePassword=javapw77", "javapw77"),
        ("OPENLINEAGE_URL", "http://bob:pa/ssw0rd99@127.0.0.1:1", "pa/ssw0rd99"),
        ("OPENLINEAGE_URL", "http://bob:pa#ssw@0rd99@127.0.0.1:1", "pa#ssw@0rd99"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20Ym9iOmhlYWRlcjc3", "header77"),
        ("LAB_CONNECTION_STRING", "opaque-77", "opaque-77"),
        ("LAB", '{"url": "http://bob:jsonpw77@h", "other": "a@b"}', "jsonpw77"),
    ],
)
def test_a_secret_inside_a_value_is_found(name: str, text: str, secret: str) -> None:
    assert secret in credentials.known({name: text}).values


@pytest.mark.parametrize(
    "text", ["http://localhost:5000/x?mail=anna@lab.example", "ssh://developer@lab.example/x", "host=h dbname=weights"]
)
def test_an_address_and_a_connection_without_a_secret_hold_none(text: str) -> None:
    assert credentials.known({"LAB_CONNECTION_STRING": text}).values == frozenset()


def test_doctor_names_a_variable_that_is_not_redacted_and_says_why(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "abc")
    (found,) = [check.found for check in doctor.examine(project) if check.name == "secrets"]
    assert "SMTP_PASSWORD is not, because 3 characters are too few" in found
    assert "abc" not in found
