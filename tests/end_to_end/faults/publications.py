"""What is published in a campaign: made from its tag alone, so that whoever knows the tag knows every field."""

import base64
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

from reflexio import models

from tests.end_to_end.stand.poison import POISON

EVERYWHERE = "campaign"
"""A word that every text has."""

SOURCES = ("web", "phone")
USERS = 6

_WORDS = (
    *("river", "boat", "anchor", "harbour", "storm", "lantern", "ledger", "invoice", "refund", "parcel"),
    *("tulip", "copper", "violin", "meadow", "orchard", "granite", "saddle", "mirror", "pepper", "candle"),
)
_ROLES = ("User", "Agent", "Reviewer")
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_BASE_TIME = 1_700_000_000
_TIMES = 10_000_000

KEPT_SINCE = _BASE_TIME + _TIMES // 2
"""What was stored before, in seconds since the epoch, is too old. Interactions may be older, which does not matter."""


@dataclass(frozen=True)
class Publication:
    """One publish, or one record of an import.

    The tag is `round.publisher.session.number`; of the publisher's own third user `….u3s….…`, of an import `….i3.…`.
    """

    tag: str

    @property
    def session_id(self) -> str:
        return self.tag.rpartition(".")[0]

    @property
    def word(self) -> str:
        """A word that only its own texts have."""
        return "w" + self.tag.replace(".", "x")

    @cached_property
    def key(self) -> str | None:
        """Its explicit idempotency key, for the half that has one."""
        return f"key-{self.tag}" if self._chance("key").random() < 0.5 else None

    @cached_property
    def user_id(self) -> str:
        publisher, _, session = self.session_id.rpartition(".")
        if session.startswith("u"):
            return own_user(publisher, int(session[1:].partition("s")[0]))
        return f"{publisher.split('.')[0]}-user-{self._chance('user').randrange(USERS)}"

    @property
    def is_imported(self) -> bool:
        """Whether it comes as a record of an import."""
        return self.session_id.rpartition(".")[2].startswith("i")

    @cached_property
    def source(self) -> str:
        return self._chance("source").choice(SOURCES)

    @cached_property
    def is_poisoned(self) -> bool:
        """Whether the model fails on one of its texts."""
        return self._chance("poison").random() < 0.03

    @cached_property
    def interactions(self) -> list[dict[str, Any]]:
        """As the client takes them; no two of them are alike."""
        chance = self._chance("interactions")
        made = [self._interaction(chance, position) for position in range(chance.choice((1, 1, 2, 2, 3, 5, 12)))]
        if self.is_poisoned:
            made[0] = {"content": f"{EVERYWHERE} {self.word} {POISON}"}
        return made

    @property
    def arguments(self) -> dict[str, Any]:
        """For `publish_interaction`, beside `wait_for_response`."""
        return {
            "user_id": self.user_id,
            "interactions": self.interactions,
            "source": self.source,
            "agent_version": self.tag,
            "session_id": self.session_id,
            "idempotency_key": self.key,
        }

    def _chance(self, what: str) -> Random:
        return Random(f"{self.tag} {what}")

    def _interaction(self, chance: Random, position: int) -> dict[str, Any]:
        kind = chance.random()
        if kind < 0.1:
            return {"user_action": "click", "interacted_image_url": f"https://example.com/{self.tag}/{position}.png"}
        words = chance.choices(_WORDS, k=4)
        if kind < 0.12:
            # Larger than what a socket takes at once: it is on its way when connections break.
            words = chance.choices(_WORDS, k=6_000)
        made: dict[str, Any] = {
            "role": chance.choice(_ROLES),
            "content": " ".join([EVERYWHERE, self.word, f"{self.word}i{position}", *words]),
        }
        if kind < 0.3:
            made["tools_used"] = [{"tool_name": "lookup", "tool_data": {"words": words[:3], "position": position}}]
        elif kind < 0.4:
            # Bytes after the end of a picture are not looked at; with them no two pictures are the same.
            made["image_encoding"] = base64.b64encode(_PIXEL + self.tag.encode()).decode()
        elif kind < 0.5:
            made |= {"user_action": "type", "user_action_description": f"typed {self.word}"}
        elif kind < 0.6:
            made |= {"shadow_content": "another answer", "expert_content": "a better answer"}
        elif kind < 0.7:
            made |= {"created_at": _BASE_TIME + chance.randrange(_TIMES)}
        return made


def own_user(publisher: str, number: int) -> str:
    """A user for whom only one publisher publishes anything new."""
    return f"{publisher}-own-{number}"


def has_text(interaction: dict[str, Any]) -> bool:
    """Whether a search can find it."""
    return "content" in interaction


def as_published(given: dict[str, Any]) -> tuple[Any, ...]:
    """What must come back of an interaction."""
    return (
        given.get("role", "User"),
        given.get("content", ""),
        given.get("shadow_content", ""),
        given.get("expert_content", ""),
        given.get("user_action", "none"),
        given.get("user_action_description", ""),
        given.get("interacted_image_url", ""),
        given.get("image_encoding", ""),
        [(tool["tool_name"], tool["tool_data"]) for tool in given.get("tools_used", [])],
        given.get("created_at"),
    )


def as_found(found: models.Interaction, given: dict[str, Any]) -> tuple[Any, ...]:
    """The same of what came back. A time that was not given is not compared."""
    return (
        found.role,
        found.content,
        found.shadow_content,
        found.expert_content,
        found.user_action.value,
        found.user_action_description,
        found.interacted_image_url,
        found.image_encoding,
        [(tool.tool_name, tool.tool_data) for tool in found.tools_used],
        found.created_at if "created_at" in given else None,
    )
