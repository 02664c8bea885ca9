"""`tianyan serve`: the map page and the answers behind it, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

#: letters a token must have, and the highest port
_LETTERS, _PORTS = 16, 65535
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(
    store: Path,
    *,
    case: Annotated[
        Path | None, Parameter(help="case file of the store, for stations and state; STORE/case.toml if it is there")
    ] = None,
    host: Annotated[str, Parameter(help="address to listen at")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="port; 0 is any that is free")] = 8765,
    token_file: Annotated[
        Path | None, Parameter(help="file with a token of 16 letters or more that every request must bring")
    ] = None,
    public: Annotated[bool, Parameter(negative=(), help="listen beyond this machine without a token")] = False,
    allow_host: Annotated[
        list[str] | None, Parameter(negative=(), help="a name the server goes by, as behind a proxy; may be repeated")
    ] = None,
) -> None:
    """Show a store's maps in a browser, and answer programs: fields as Zarr, series, ledger, stations, downloads.

    It reads only. Every answer comes from one committed version and names it. It listens at this machine alone unless
    told otherwise, and then wants a token (or --public). For example:

    `tianyan serve live`                       then open http://127.0.0.1:8765

    `tianyan serve demo-output/posterior.zarr`

    `tianyan serve live --host 0.0.0.0 --token-file /etc/tianyan/token --allow-host tianyan.example.org`

    docs/serve.md tells the routes; /openapi.json is for tools.

    Parameters
    ----------
    store
        Folder of the store: of the hourly service, or of a run.
    """
    from pipeline.errors import ConfigError

    try:
        from pipeline.serve import Guard, Network, Shelf, create_app
        from pipeline.serve import serve as listen
        from pipeline.serve.price import Gate
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the page is served by FastAPI and uvicorn",
            got=f"{error.name} is not installed",
            remedy="pip install 'carbon-tianyan[serve]'",
            where="serve",
        ) from error
    token = _token(token_file)
    _require_address(host, port, guarded=public or token is not None)
    found = case if case is not None else next((one for one in [store / "case.toml"] if one.is_file()), None)
    network = Network(found)
    shelf = Shelf(store)
    shelf.warm()
    gate = Gate()
    title = network.place.settings.case.title if network.place is not None else ""
    app = Guard(create_app(shelf, network, gate, title=title or ""), gate, _names(host, allow_host), token)
    try:
        listen(app, host, port, lambda address: print(f"serving {address}", flush=True))
    except OSError as error:
        raise ConfigError(
            "the address must be one of this machine, and free",
            got=f"{host}:{port}: {error}",
            remedy="give another --port or --host",
            where="serve",
        ) from error
    finally:
        shelf.close()


def _require_address(host: str, port: int, *, guarded: bool) -> None:
    """Refuse a port that is none, and an address that others reach unless who may ask is said."""
    from pipeline.errors import ConfigError

    if host not in _LOOPBACK and not guarded:
        raise ConfigError(
            "who listens beyond this machine must ask for a token",
            got=f"--host {host}",
            remedy="give --token-file FILE, or --public for a server that all may read",
            where="serve",
        )
    if not 0 <= port <= _PORTS:
        raise ConfigError(
            f"a port is a number from 0 to {_PORTS}",
            got=port,
            remedy="give another; 0 is any that is free",
            where="serve",
        )


def _names(host: str, more: list[str] | None) -> list[str]:
    """Return the names that requests may be sent to: without port, addresses of IPv6 in brackets.

    Examples
    --------
    >>> _names("fd00::1", ["tianyan.example.org:443", "fd00::2"])
    ['[fd00::1]', 'tianyan.example.org', '[fd00::2]']
    """
    from pipeline.serve.guard import bare

    here = [host, "[::1]", *_LOOPBACK] if host in (*_LOOPBACK, "0.0.0.0", "::") else [host]
    return [
        bare(name if name.count(":") < 2 or name.startswith("[") else f"[{name}]") for name in [*here, *(more or [])]
    ]


def _token(path: Path | None) -> str | None:
    from pipeline.errors import ConfigError

    if path is None:
        return None
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "the file of the token must be readable", got=str(error), remedy="write it", where="--token-file"
        ) from error
    if len(token) < _LETTERS or not token.isascii() or not token.isprintable():
        raise ConfigError(
            f"a token must have {_LETTERS} printable letters or more",
            got=f"{len(token)} letters",
            remedy="make one: python3 -c 'import secrets; print(secrets.token_urlsafe())'",
            where="--token-file",
        )
    return token
