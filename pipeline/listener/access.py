"""Who may connect: an address to listen on, and the networks whose stations are let in."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from pipeline.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_ANY = "any"


def networks(bind: str, allow: Sequence[str]) -> tuple[Network, ...] | None:
    """Return the networks that may connect, None for any.

    Parameters
    ----------
    bind
        Address to listen on. Without networks only one that other machines cannot reach will do.
    allow
        Networks such as "10.0.0.0/8", or the one word "any".

    Raises
    ------
    ConfigError
        When one of them cannot be read, or the address is open to other machines and nothing says to which.
    """
    try:
        address = ipaddress.ip_address(bind)
    except ValueError as error:
        raise ConfigError(
            "the address to listen on must be one of this machine, in numbers", got=bind,
            remedy="give --bind 127.0.0.1, or an address of a network card", where="--bind",
        ) from error  # fmt: skip
    if not allow and not address.is_loopback:
        raise ConfigError(
            "an address that other machines reach needs the networks that may connect", got=bind,
            remedy="give --allow 10.0.0.0/8, once for each network, or --allow any", where="--allow",
        )  # fmt: skip
    if list(allow) == [_ANY] or not allow:
        return None
    try:
        return tuple(ipaddress.ip_network(text) for text in allow)
    except ValueError as error:
        raise ConfigError(
            "a network must be an address with a mask, or the one word any", got=" ".join(allow), remedy=str(error),
            where="--allow",
        ) from error  # fmt: skip


def admits(allowed: tuple[Network, ...] | None, peer: str) -> bool:
    """Return whether an address may connect.

    Examples
    --------
    >>> inside = networks("0.0.0.0", ["10.0.0.0/8"])
    >>> admits(inside, "10.1.2.3"), admits(inside, "::ffff:10.1.2.3"), admits(inside, "192.0.2.1"), admits(None, "::1")
    (True, True, False, True)
    """
    if allowed is None:
        return True
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in allowed)
