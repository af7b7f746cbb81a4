"""What is given to Postgres's parser, and that it has the configuration that the settings name."""

import string

import pytest
from reflexio_server.store.database import Database
from reflexio_server.store.text_search import UnknownTextSearchConfig, document_words, plain_words, require_config


def test_punctuation_parts_words_and_letters_of_any_script_stay():
    assert plain_words("it's a_b c-d@e.f/ünï 漢字") == "it s a b c d e f ünï 漢字"
    assert plain_words(string.punctuation).strip() == ""


def test_of_a_very_long_text_the_end_is_left_out_between_two_letters():
    for letter in ("a", "é", "漢", "🙂"):
        words = plain_words(f"{letter} " * 300_000)
        assert set(words) == {letter, " "}
        assert 399_990 < len(words.encode()) <= 400_000
    assert plain_words("a" * 400_000) == "a" * 400_000


def test_an_identifier_is_indexed_in_one_piece_too():
    assert document_words("order KP-2801.b, x.y and 7/7").split()[-2:] == ["KP2801b", "77"]
    assert document_words("no compound 2801") == "no compound 2801"


def test_an_identifier_has_forty_letters_at_most():
    longest = "-".join(["1"] * 40)
    assert document_words(longest).split()[-1] == "1" * 40
    assert "1" * 41 not in document_words(f"{longest}-1")
    assert "1" * 41 not in document_words("1" * 20 + "-" + "1" * 21)


def test_of_very_many_identifiers_the_first_are_indexed():
    words = document_words(" ".join(f"a-{n}" for n in range(3000))).split()
    assert (words[-1], len(words)) == ("a1999", 8000)


async def test_a_configuration_that_postgres_has_is_accepted(database: Database):
    for name in ("english", "simple", "german"):
        await require_config(database, name)


async def test_one_that_it_lacks_is_refused_with_those_that_it_has(database: Database):
    for name in ("klingon", "", "English; drop table"):
        with pytest.raises(UnknownTextSearchConfig, match=r"english.*german.*simple"):
            await require_config(database, name)
