"""How an interaction looks: in a table, on a line, and as JSON."""

from collections.abc import Iterable
from dataclasses import asdict, astuple
from typing import Any

import reflexio

from reflexio_server.cli.rendering import Column, print_table
from reflexio_server.cli.times import show_moment

_COLUMNS = {
    "score": Column("SCORE"),
    "parts": Column("WORDS+MEANING+ROLE+TIME+STATEMENT"),
    "id": Column("ID"),
    "when": Column("WHEN"),
    "user": Column("USER", widest=24),
    "role": Column("ROLE", widest=16),
    "interaction": Column("INTERACTION", flexible=True),
}


def print_interactions(
    interactions: Iterable[reflexio.Interaction],
    *,
    users: bool = False,
    scores: bool = False,
    explained: bool = False,
) -> None:
    """Write interactions as a table, with whose they are, how well they fit and why, where that is wanted."""
    hidden = {"user": not users, "score": not scores, "parts": not explained}
    names = [name for name in _COLUMNS if not hidden.get(name)]
    cells = (_cells(interaction) for interaction in interactions)
    print_table([_COLUMNS[name] for name in names], ([cell[name] for name in names] for cell in cells))


def summary(interaction: reflexio.Interaction) -> str:
    """What was said and done, on a line: the content, then the action, the tools and the image in brackets."""
    parts = [interaction.content]
    if action := ": ".join(filter(None, (_action(interaction), interaction.user_action_description))):
        parts.append(f"[{action}]")
    parts += [f"[tool {tool.tool_name}]" for tool in interaction.tools_used]
    if interaction.has_image or interaction.interacted_image_url:
        parts.append(f"[image {interaction.interacted_image_url}]".replace(" ]", "]"))
    return " ".join(filter(None, parts))


def as_json(interaction: reflexio.Interaction) -> dict[str, Any]:
    """An interaction for --json: everything but its image, under the names of the Python client."""
    shown = asdict(interaction)
    del shown["image_encoding"]
    for name in ("score", "explanation"):
        if shown[name] is None:
            del shown[name]
    return shown


def _cells(interaction: reflexio.Interaction) -> dict[str, str]:
    return {
        "score": "" if interaction.score is None else f"{interaction.score:.3f}",
        "parts": "" if interaction.explanation is None else _parts(interaction.explanation),
        "id": str(interaction.interaction_id),
        "when": show_moment(interaction.created_at),
        "user": interaction.user_id,
        "role": interaction.role,
        "interaction": summary(interaction),
    }


def _action(interaction: reflexio.Interaction) -> str:
    return "" if interaction.user_action is reflexio.UserActionType.NONE else interaction.user_action.value


def _parts(explanation: reflexio.ScoreExplanation) -> str:
    return " + ".join(f"{part:.2f}" for part in astuple(explanation))
