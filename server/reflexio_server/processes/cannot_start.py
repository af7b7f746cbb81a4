"""Why `reflexio serve` ends before it has begun."""


class CannotStart(Exception):
    """The server cannot start, for a reason that its operator can do something about."""

    def __init__(self, reason: str, setting: str | None = None) -> None:
        """Say why.

        Args:
            reason: One sentence.
            setting: The field of `Settings` that is to blame, where it is that.
        """
        super().__init__(reason)
        self.reason = reason
        self.setting = setting
