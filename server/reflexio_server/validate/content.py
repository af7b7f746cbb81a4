"""What an operator may bound more tightly than the contract does."""

from dataclasses import dataclass

from reflexio_server.domain.errors import InvalidFields
from reflexio_server.validate.images import ImageRules

MOST_TOOL_BYTES = 262_144
"""All tool data of one interaction, written as JSON, as the contract has it."""

DEEPEST_TOOL_DATA = 32
"""How deep it may be nested, as the contract has it."""


@dataclass(frozen=True, slots=True)
class ContentRules:
    """How much there may be of what callers send."""

    images: ImageRules
    most_interactions: int
    most_query_bytes: int
    most_tool_bytes: int = MOST_TOOL_BYTES
    deepest_tool_data: int = DEEPEST_TOOL_DATA

    def interactions(self, field: str, count: int) -> None:
        """Check how many interactions a publish has.

        Raises:
            InvalidFields: They are too many.
        """
        if count > self.most_interactions:
            problem = f"must have at most {self.most_interactions} interactions"
            raise InvalidFields.one(field, "repeated.max_items", problem)

    def query(self, field: str, text: str) -> str:
        """The same query, if it is not too long.

        Raises:
            InvalidFields: It is.
        """
        if len(text.encode()) > self.most_query_bytes:
            raise InvalidFields.one(field, "string.max_bytes", f"must have at most {self.most_query_bytes} bytes")
        return text

    def tools_size(self, field: str, size: int) -> None:
        """Check the size of all tool data of an interaction.

        Raises:
            InvalidFields: It is too large.
        """
        if size > self.most_tool_bytes:
            problem = f"must have at most {self.most_tool_bytes} bytes as JSON"
            raise InvalidFields.one(field, "tools_used.max_bytes", problem)
