"""String enums that do not care about upper and lower case."""

from enum import StrEnum
from typing import Self


class CaselessEnum(StrEnum):
    """Values are lower case; any case of a value makes the member."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        wanted = value.lower() if isinstance(value, str) else None
        return next((member for member in cls if member.value == wanted), None)
