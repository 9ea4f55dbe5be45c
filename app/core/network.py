"""Addresses of clients: who really sends a request, and which addresses are one client."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

_IPV6_CLIENT_BITS = 64

Networks = Sequence[IPv4Network | IPv6Network]


@lru_cache(maxsize=4096)
def canonical(address: str) -> str:
    """Write an address in one form: IPv4 mapped into IPv6 is IPv4. What is no address is ``unknown``."""
    try:
        found = ip_address(address.strip().strip("[]").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(found)


@lru_cache(maxsize=4096)
def client_network(address: str | None) -> str:
    """Return what one client controls: an IPv4 address, or a /64 of IPv6, whose owner has 2^64 of them."""
    if address is None or ":" not in address:
        return address or "unknown"
    return str(IPv6Network((address, _IPV6_CLIENT_BITS), strict=False))


def client_of(peer: str, forwarded_for: str, proxies: Networks) -> str:
    """Return the nearest address that is not one of our proxies, reading X-Forwarded-For from the right.

    Each proxy appends who it heard from, so only what trusted ones appended is believed; from any other peer
    the header is ignored.
    """
    client = canonical(peer)
    for hop in reversed(forwarded_for.split(",")) if forwarded_for else ():
        if not _is_trusted(client, proxies):
            break
        heard = canonical(hop)
        if heard == "unknown":
            break
        client = heard
    return client


def _is_trusted(address: str, proxies: Networks) -> bool:
    return address != "unknown" and any(ip_address(address) in network for network in proxies)
