"""Which addresses a receiver may have: none through which a URL would reach what is not its writer's to reach.

A name is resolved once, every address of it is judged, and the connection goes to one that was judged: an answer that
changes between the two (DNS rebinding) changes nothing. An address is judged by what it reaches, so those that carry an
IPv4 address within them (mapped, NAT64, 6to4, Teredo) are judged by that. Sources: RFC 6890, RFC 6052, RFC 3056,
RFC 4380; CVE-2020-8562 for what resolving twice costs.
"""

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Sequence[str]]
"""From a host's name and a port to its addresses, in the order in which they should be tried."""

METADATA = frozenset(
    map(ip_address, ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "fd00:ec2::254"))
)
"""Where clouds answer with credentials. Not all of them are link-local."""

NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
COMPATIBLE = IPv6Network("::/96")
SHARED = ip_network("100.64.0.0/10")


class ForbiddenError(Exception):
    """An address that is not gone to, and why."""


def resolve(host: str, port: int) -> tuple[str, ...]:
    """Ask the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def judged_address(host: str, port: int, *, private: bool, resolver: Resolver = resolve) -> str:
    """Resolve a host once, and return the address to connect to.

    Parameters
    ----------
    host : str
        A name or an address.
    port : int
    private : bool
        Whether the host is on the list of those that may have private or loopback addresses.
    resolver : Resolver

    Raises
    ------
    ForbiddenError
        When any of its addresses must not be gone to: one that mixes them is not to be trusted with the others.
    OSError
        When the name has no address.
    """
    addresses = tuple(resolver(host, port))
    if not addresses:
        raise OSError(f"{host} has no address")
    for text in addresses:
        if told := trouble(text, private=private):
            raise ForbiddenError(f"{host} is at {text}, {told}")
    return addresses[0]


def trouble(text: str, *, private: bool) -> str:
    """Say why an address must not be gone to; "" where it may."""
    try:
        # A zone such as %eth0 names an interface of ours, and is of link-local addresses only.
        address = reached(ip_address(text.partition("%")[0]))
    except ValueError:
        return "which is no address"
    if address in METADATA or address.is_link_local:
        return "which is where machines get their credentials"
    if address.is_multicast or address.is_unspecified or _is_reserved(address):
        return "which is no host's address"
    if not private and (not address.is_global or address in SHARED):
        return "which is private: allow the host by name (--allow-host) if it is meant"
    return ""


def reached(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one leads to; the address itself where it leads to none."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is not None:
        return inner
    if any(address in network for network in NAT64) or (address in COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_reserved(address: Address) -> bool:
    # Python counts ::1 among the reserved ones.
    return address.is_reserved and not address.is_loopback
