"""Where notifications may go: a subscriber names the address, so the broker must not be led to what
only it can reach (server-side request forgery).

Addresses of the whole world may be told. Those of this machine and of private networks may where
the operator says so. Link-local ones, among them the metadata services of clouds, never are. A name
is judged by every address it resolves to, at each connection, and the connection goes to what was
judged. Redirects are not followed.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import msgspec

from cityloop.kernel.errors import ConfigError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA: Final = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200")))
"""Metadata services of clouds that are not at a link-local address."""

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAMES: Final = (".localhost", ".local", ".internal")


class Reach(msgspec.Struct, frozen=True):
    """``private``: whether addresses that the world cannot reach may be told; ``named``: those that
    may in any case: a host, host:port, an address or a network such as 10.1.0.0/16.
    """

    private: bool = True
    named: tuple[str, ...] = ()

    def refusal(self, host: str, port: int, address: str) -> str:
        """Why nothing may be sent to ``host``, found at ``address``; empty where it may."""
        for each in _meant(ipaddress.ip_address(address.partition("%")[0])):
            if _is_forbidden(each):
                return f"{_at(host, address)} is an address that nothing is ever sent to"
            if not (each.is_global or self.private or self._names(host, port, each)):
                return (
                    f"{_at(host, address)} is an address of a private network; "
                    f"start the broker with --notify-to {host} to allow it"
                )
        return ""

    def refusal_of(self, host: str, port: int) -> str:
        """The same of what can be said without asking a name service."""
        try:
            ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            local = host == "localhost" or host.endswith(_LOCAL_NAMES)
            if not local or self.private or self._names(host, port, None):
                return ""
            return f"{host} is a private name; start the broker with --notify-to {host} to allow it"
        return self.refusal(host, port, host)

    def _names(self, host: str, port: int, address: Address | None) -> bool:
        if {host, f"{host}:{port}", str(address), f"{address}:{port}"} & set(self.named):
            return True
        return address is not None and any(address in network for network in self._networks())

    def _networks(self) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        for name in self.named:
            if "/" in name:
                yield ipaddress.ip_network(name)


EVERYWHERE = Reach()
"""For a broker that only this machine can ask: whoever asks it is here already."""


def reach_of(named: Sequence[str]) -> Reach:
    """Every private address where none is named, else only those; raises ConfigError for a
    network that is none."""
    for name in named:
        if "/" in name:
            try:
                ipaddress.ip_network(name)
            except ValueError as error:
                raise ConfigError(f"{name} is no network to notify: {error}") from error
    return Reach(private=not named, named=tuple(named))


def _at(host: str, address: str) -> str:
    return address if host == address else f"{host} ({address})"


def _meant(address: Address) -> Iterator[Address]:
    """An address, and those that it stands for on the way."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        yield from (each for each in inner if each is not None)


def _is_forbidden(address: Address) -> bool:
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or (address.version == 4 and address.is_reserved)
        or address in _METADATA
    )
