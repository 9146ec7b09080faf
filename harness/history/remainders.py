"""Numbers for the states of a search, which tell what clients have left to do, but not which client has it.

Clients that have the same left to do (the same texts to receive, and the same to send, at the same moments) are
interchangeable, so of two states that differ only in that, one need not be searched.

Every remainder of deliveries is a random number, and so is every remainder of sends. The number of a client is the
product of its two, that of a state the sum over all clients. Two states with different clients thus are different
polynomials of degree two in these random numbers, and agree with a probability of at most two in 2^BITS (Schwartz 1980,
Zippel 1979).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

BITS = 120


class Remainders:
    """What clients have left to do at any moment.

    Attributes:
        state: the number of the state in which nothing was done yet.
    """

    def __init__(
        self, received: Sequence[Sequence[int]], sent: Sequence[Sequence[int]], after: Sequence[Sequence[int]]
    ) -> None:
        """Number all remainders.

        Args:
            received: for each client the texts that it receives.
            sent: for each client the texts that it sends.
            after: for each of these after how many deliveries of the client.
        """
        chance = random.Random(0)
        number_of: Callable[[], int] = lambda: chance.getrandbits(BITS)  # noqa: E731
        by_deliveries: defaultdict[Hashable, int] = defaultdict(number_of)
        by_sends: defaultdict[Hashable, int] = defaultdict(number_of)
        self._received = [_numbered(texts, by_deliveries) for texts in received]
        self._sent = [
            # A moment is that at which so many deliveries are left: what came before does not count.
            _numbered([(text, len(deliveries) - count) for text, count in zip(texts, counts, strict=True)], by_sends)
            for deliveries, texts, counts in zip(received, sent, after, strict=True)
        ]
        self.state = sum(received[0] * sent[0] for received, sent in zip(self._received, self._sent, strict=True))

    def key(self, client: int, received: int, sent: int) -> tuple[int, int]:
        """Return what differs, almost certainly, for clients that have different things left to do.

        Args:
            client: the client.
            received: how many deliveries it has had.
            sent: how many messages it has sent.
        """
        return self._received[client][received], self._sent[client][sent]

    def change_by_delivery(self, client: int, received: int, sent: int) -> int:
        """Return what one more delivery adds to the number of the state.

        Args:
            client: the client that has it.
            received: how many deliveries it has had before.
            sent: how many messages it has sent before.
        """
        numbers = self._received[client]
        return (numbers[received + 1] - numbers[received]) * self._sent[client][sent]

    def change_by_send(self, client: int, received: int, sent: int) -> int:
        """Return what one more send adds to the number of the state.

        Args:
            client: the client that has it.
            received: how many deliveries it has had before.
            sent: how many messages it has sent before.
        """
        numbers = self._sent[client]
        return (numbers[sent + 1] - numbers[sent]) * self._received[client][received]


def _numbered(line: Sequence[Hashable], number_of: defaultdict[Hashable, int]) -> list[int]:
    """Return the number of the rest of a line from each place on; equal rests have equal numbers."""
    numbers = [number_of[None]]
    for item in reversed(line):
        numbers.append(number_of[item, numbers[-1]])
    return numbers[::-1]
