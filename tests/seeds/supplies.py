"""What the documents take for granted: pictures, variables, and an earlier life of some users."""

import time
from pathlib import Path
from typing import Any

import reflexio
from PIL import Image

from tests.seeds.adaptation import ELIDED

_DAY = 24 * 60 * 60

READER = "reader_of_the_reference"

# What was published before a document begins, so that its loops and deletions have something to work on. The third is a
# neighbour that must survive the deletion of the second.
EARLIER: list[dict[str, Any]] = [
    {
        "user_id": "student_eve",
        "session_id": "course_001",
        "interactions": [
            {"content": "I reached the second module of the course today", "created_at": int(time.time()) - 3 * _DAY},
            {
                "content": "Completion of the whole course feels close, my progress is good",
                "created_at": int(time.time()) - _DAY,
            },
        ],
    },
    {"user_id": "user_old", "session_id": "old_session_001", "interactions": [{"content": "An old question"}]},
    {"user_id": "user_old", "session_id": "old_session_0011", "interactions": [{"content": "A newer question"}]},
    {"user_id": "user_older", "session_id": "old_session_001", "interactions": [{"content": "An older question"}]},
]

_NAMED: dict[str, Any] = {
    "user_id": READER,
    "interactions": [
        {"role": "User", "content": "How do I read the reference?"},
        {"role": "Agent", "content": "From top to bottom.", "user_action": "type", "shadow_content": "Not at all."},
    ],
    "session_interactions": [
        {"role": "User", "content": "Good morning"},
        {"role": "Agent", "content": "Good morning, what can I do for you?"},
        {"user_action": "SCROLL", "user_action_description": "scrolled to the end"},
    ],
    ELIDED: [{"role": "User", "content": "What three dots stand for"}],
}


def supplied(name: str, client: reflexio.ReflexioClient) -> Any:
    """The value of a name that a document uses without defining it.

    Raises:
        NameError: nobody knows what it is; the document's code was misread or there is more to supply.
    """
    if name == "client":
        return reflexio.ReflexioClient()
    if name == "interaction_id":
        return client.get_interactions(READER, top_k=1).interactions[0].interaction_id
    if name not in _NAMED:
        raise NameError(f"the document uses {name!r}, which neither it nor the test defines")
    return _NAMED[name]


def paint(path: Path, shade: int) -> None:
    """Make a small real picture at `path`, in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 12), (shade % 256, 128, 255 - shade % 256)).save(path)
