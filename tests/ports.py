"""Ports for servers that a test starts."""

from __future__ import annotations

import socket

import port_for


class Ports:
    """Ports that nobody uses, outside the range that outgoing connections draw from.

    A server opens its ports long after they were chosen, and again after a restart. Until `free`, others that
    choose in this way leave them alone: the UDP port of the same number is the reservation.
    """

    def __init__(self, count: int) -> None:
        self._reservations: list[socket.socket] = []
        while len(self._reservations) < count:
            reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                reservation.bind(("127.0.0.1", port_for.select_random()))
            except OSError:
                reservation.close()
            else:
                self._reservations.append(reservation)

    @property
    def numbers(self) -> list[int]:
        return [reservation.getsockname()[1] for reservation in self._reservations]

    def free(self) -> None:
        for reservation in self._reservations:
            reservation.close()
