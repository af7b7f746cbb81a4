"""Naming a Postgres: for the driver, and for people without secrets."""

from pathlib import Path

import pytest
from reflexio_server.store.location import InvalidDatabaseUrl, driver_arguments, driver_url, location_of
from sqlalchemy import make_url

SECRET = "s3cr3t"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_a_url_is_understood_in_its_usual_spellings(scheme: str):
    url = make_url(driver_url(f"{scheme}://ann:{SECRET}@db.example:5433/memory"))
    assert url.drivername == "postgresql+asyncpg"
    assert (url.username, url.password, url.host, url.port, url.database) == (
        "ann",
        SECRET,
        "db.example",
        5433,
        "memory",
    )


def test_strange_characters_in_a_password_survive():
    assert make_url(driver_url("postgresql://ann:p%40ss%2Fw%3Ard%25@host/db")).password == "p@ss/w:rd%"


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca", "verify-full"])
def test_sslmode_gets_the_name_that_the_driver_has_for_it(mode: str):
    url = make_url(driver_url(f"postgresql://host/db?sslmode={mode}&passfile=x"))
    assert url.query == {"ssl": mode, "passfile": "x"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        f"mysql://ann:{SECRET}@host/db",
        f"postgresql+psycopg://ann:{SECRET}@host/db",
        f"http://ann:{SECRET}@host",
        f"ann:{SECRET}@host/db",
        f"postgresql://ann:{SECRET}@host:port/db",
        f"postgresql://ann:{SECRET}@host:99999/db",
        f"postgresql:///db?host=host:99999&password={SECRET}",
        f"postgresql:///db?host=host&port=x&password={SECRET}",
        f"postgresql:///db?host=one&host=two&password={SECRET}",
        f"postgresql://ann@host/db?sslrootcert={SECRET}",
    ],
)
def test_another_text_is_refused_without_being_repeated(text: str):
    for use in (driver_url, lambda url: location_of(url, Path("data"))):
        with pytest.raises(InvalidDatabaseUrl) as refused:
            use(text)
        assert SECRET not in str(refused.value)
        assert refused.value.__cause__ is None, "the cause would repeat it"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://host:99999/db", "1 to 65535"),
        ("postgresql://host/db?foo=1&sslmode=require&sslrootcert=x", "must not have foo, sslrootcert;"),
    ],
)
def test_a_refusal_names_what_is_wrong(url: str, told: str):
    with pytest.raises(InvalidDatabaseUrl, match=told):
        driver_url(url)


def test_several_hosts_with_ports_are_taken():
    url = driver_url("postgresql://ann@/db?host=one:1&host=two:2")
    assert driver_arguments(url) == {"host": ["one", "two"], "port": [1, 2], "user": "ann", "database": "db"}


@pytest.mark.parametrize(
    ("url", "label"),
    [
        (f"postgresql://ann:{SECRET}@db.example:5433/memory", "db.example/memory"),
        (f"postgresql://ann:{SECRET}@db.example", "db.example/ann"),
        (f"postgresql://ann:{SECRET}@/memory?host=/run/pg&password={SECRET}", "local/memory"),
        (f"postgresql://host/db?sslmode=require&passfile={SECRET}", "host/db"),
    ],
)
def test_the_label_names_host_and_database_and_no_secret(url: str, label: str):
    location = location_of(url, Path("data"))
    assert location.storage_type == "postgres"
    assert location.storage_label == label


def test_the_embedded_one_is_called_by_its_folder():
    location = location_of(None, Path("/home/ann/data"))
    assert location.storage_type == "embedded-postgres"
    assert location.storage_label == "/home/ann/data"
