"""A queue in which owners take turns: however much one of them has waiting, the next one's turn comes soon."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from itertools import chain, islice
from typing import Generic, TypeVar

from reflexio_server.domain.ids import OrgId, UserId

Owner = tuple[OrgId, UserId] | None
"""Whose work it is: a user of an organisation. All work without an owner counts as one owner's."""

T = TypeVar("T", bound=Hashable)


class FairQueue(Generic[T]):
    """Items of several owners, first in first out for each owner. Not thread-safe."""

    def __init__(self) -> None:
        self._items: dict[Owner, OrderedDict[T, None]] = {}
        # Whoever has not had a turn since it came goes first, but not twice in a row before those who have.
        self._newcomers: OrderedDict[Owner, None] = OrderedDict()
        self._served: OrderedDict[Owner, None] = OrderedDict()
        self._newcomer_went_first = False

    def __bool__(self) -> bool:
        return bool(self._items)

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(self._items.values())

    def has(self, owner: Owner, item: T) -> bool:
        """Whether the item is here."""
        return item in self._items.get(owner, ())

    def add(self, owner: Owner, item: T) -> None:
        """Put an item behind the others of its owner."""
        if owner not in self._items:
            self._items[owner] = OrderedDict()
            self._newcomers[owner] = None
        self._items[owner][item] = None

    def remove(self, owner: Owner, item: T) -> None:
        """Take an item out, if it is here."""
        items = self._items.get(owner)
        if items is None or item not in items:
            return
        del items[item]
        if not items:
            del self._items[owner]
            self._newcomers.pop(owner, None)
            self._served.pop(owner, None)

    def postpone(self, owner: Owner, item: T) -> None:
        """Put an item behind the others of its owner, if it is here."""
        if self.has(owner, item):
            self._items[owner].move_to_end(item)

    def first(self, count: int) -> list[T]:
        """The next items, `count` at most: one of the owner whose turn it is, one of each other owner, and so again."""
        rounds = [iter(self._items[owner]) for owner in islice(self._order(), count)]
        found: list[T] = []
        while rounds and len(found) < count:
            going_on = []
            for items in islice(rounds, count - len(found)):
                for item in islice(items, 1):
                    found.append(item)
                    going_on.append(items)
            rounds = going_on
        return found

    def took_turn(self, owner: Owner) -> None:
        """Note that the work went by this owner's first item: the next turn is another's."""
        if owner in self._newcomers:
            self._newcomer_went_first = bool(self._served)
            del self._newcomers[owner]
            self._served[owner] = None
        elif owner in self._served:
            self._newcomer_went_first = False
            self._served.move_to_end(owner)

    def _order(self) -> Iterator[Owner]:
        if self._newcomer_went_first and self._served:
            longest_waiting = next(iter(self._served))
            yield longest_waiting
            yield from (owner for owner in chain(self._newcomers, self._served) if owner != longest_waiting)
        else:
            yield from chain(self._newcomers, self._served)
