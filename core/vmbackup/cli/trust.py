"""`vmbackup trust`: show the fingerprints of a pool's certificates, and write them to the configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import tomlkit
import typer
from tomlkit.items import Table

from vmbackup.cli.options import ConfigOption, open_site
from vmbackup.cli.output import console, name
from vmbackup.config_file import find
from vmbackup.errors import ConfigError
from vmbackup.xapi.hosts import fingerprints
from vmbackup.xapi.trust import Address, presented_fingerprint


def trust(
    url: Annotated[str, typer.Argument(help="https://host of the pool's coordinator.")],
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write it without asking.")] = False,
) -> int:
    """Show the fingerprint of a pool's certificate and write it to the configuration, to be trusted from then on.

    The certificates of the pool's other hosts follow: the pool itself, trusted by then, is asked for them.
    """
    address = Address.parse(url)
    if not address.tls:
        raise ConfigError(f"{url} has no certificate", advice="Use https://.")
    shown = presented_fingerprint(address)
    out = console()
    out.print(f"The certificate of {address.url} has the fingerprint", soft_wrap=True)
    out.print(f"    sha256:{shown}", soft_wrap=True)
    out.print("On the host it is shown by", soft_wrap=True)
    out.print("    openssl x509 -in /etc/xensource/xapi-ssl.pem -noout -fingerprint -sha256", soft_wrap=True)
    path = find(config)
    if not yes and not typer.confirm(f"Is it the same, and shall {path} trust it?", default=False):
        return 0
    write_fingerprints(path, shown, {})
    out.print(f"{path} trusts it now.", soft_wrap=True)
    others = {host: digest for host, digest in _of_the_pool(config).items() if digest != shown}
    for host, digest in sorted(others.items()):
        out.print(f"The pool's host {name(host)} has the fingerprint\n    sha256:{digest}", soft_wrap=True)
    if others and (yes or typer.confirm(f"Shall {path} trust the pool's hosts too?", default=True)):
        write_fingerprints(path, shown, others)
        out.print(f"{path} trusts {len(others)} more.", soft_wrap=True)
    return 0


def _of_the_pool(config: Path | None) -> dict[str, str]:
    """Ask the pool of the configuration for its hosts' fingerprints, by address; with the trust written just now."""
    with open_site(config).session("vmbackup-trust") as session:
        return fingerprints(session)


def write_fingerprints(path: Path, coordinator: str, others: Mapping[str, str]) -> None:
    """Set `pool.tls` in a configuration file and leave everything else, comments included, as it is."""
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
        pool = document.get("pool")
        if not isinstance(pool, Table):
            raise ConfigError(f"{path}: there is no [pool] section", advice="Write it first, with url and username.")
        tls = tomlkit.inline_table()
        tls["fingerprint"] = f"sha256:{coordinator}"
        if others:
            hosts = tomlkit.inline_table()
            hosts.update({host: f"sha256:{digest}" for host, digest in sorted(others.items())})
            tls["hosts"] = hosts
        pool["tls"] = tls
        path.write_text(tomlkit.dumps(document), encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be changed: {error}") from error
