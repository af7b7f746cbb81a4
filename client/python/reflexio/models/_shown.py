"""How answers show themselves at a prompt and in logs."""

from dataclasses import Field
from typing import Any, ClassVar


class Shown:
    """A dataclass whose `repr` leaves out what is None; made with `repr=False`, else the usual one hides it."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __repr__(self) -> str:
        values = ((field.name, getattr(self, field.name)) for field in self.__dataclass_fields__.values() if field.repr)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in values if value is not None)})"
