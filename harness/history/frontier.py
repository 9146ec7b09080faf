"""A breadth-first search over edges that looks at every event once: for histories of many clients with few events each.

An edge leads from a message to every later one of the same client. The messages that can be reached in a client's
events therefore are those from some place on, and a search has to look only at the places by which that moves forward.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from harness.history.views import Numbers, View


class Frontier:
    """All clients' events, prepared for searches.

    Attributes:
        looked_at: how many events all searches have looked at.
    """

    def __init__(self, views: Sequence[View], messages: int) -> None:
        self.looked_at = 0
        self._messages = messages
        self._lines: list[list[int]] = []  # two for each client: what it received, and what it sent
        self._received_before_send: list[list[int]] = []  # by client
        self._places: list[list[tuple[int, int]]] = [[] for _ in range(messages)]  # by message: lines, places in them
        for view in views:
            self._received_before_send.append(view.received_before_send.tolist())
            for numbers in (view.received, view.sent):
                for place, message in enumerate(numbers.tolist()):
                    self._places[message].append((len(self._lines), place))
                self._lines.append(numbers.tolist())

    def search(self, earlier: Numbers, later: Numbers, limit: int) -> list[tuple[int, int, int]]:
        """Return a shortest chain of edges that leads from a message of `later` to one of `earlier`; [] for none.

        Args:
            earlier: shape (any,), where the chain may end; of several that are as near, the last one is taken.
            later: shape (any,), where the chain may begin.
            limit: the most edges that the chain may have.

        Returns:
            For each edge the index of the client, the message before and the message after.
        """
        predecessor = dict.fromkeys(later.tolist(), -1)
        through: dict[int, int] = {}
        first_reached: dict[int, int] = {}  # by line: from which place on everything is reached
        targets = set(earlier.tolist())
        frontier = list(predecessor)
        for _ in range(limit):
            reached: list[int] = []
            for message in frontier:
                for line, place in self._places[message]:
                    starts = [(line, place + 1)]
                    if line % 2 == 0 and self._lines[line + 1]:
                        starts.append((line + 1, bisect_right(self._received_before_send[line // 2], place)))
                    for its_line, start in starts:
                        numbers = self._lines[its_line]
                        stop = first_reached.get(its_line, len(numbers))
                        if start >= stop:
                            continue
                        first_reached[its_line] = start
                        self.looked_at += stop - start
                        for after in numbers[start:stop]:
                            if after not in predecessor:
                                predecessor[after], through[after] = message, its_line // 2
                                reached.append(after)
            if not targets.isdisjoint(reached):
                found = targets.intersection(reached)
                end = next(message for message in reversed(earlier.tolist()) if message in found)
                return self._chain(end, predecessor, through)
            if not reached:
                break
            frontier = reached
        return []

    def _chain(self, end: int, predecessor: dict[int, int], through: dict[int, int]) -> list[tuple[int, int, int]]:
        edges, message = [], end
        while predecessor[message] >= 0:
            edges.append((through[message], predecessor[message], message))
            message = predecessor[message]
        return edges[::-1]
