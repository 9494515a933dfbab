"""`vmbackup trust`: show a pool's certificate fingerprint, and write it to the configuration."""

from pathlib import Path
from typing import Annotated

import tomlkit
import typer
from tomlkit.items import Table

from vmbackup.cli.options import ConfigOption
from vmbackup.cli.output import console
from vmbackup.config_file import find
from vmbackup.errors import ConfigError
from vmbackup.xapi.trust import Address, presented_fingerprint


def trust(
    url: Annotated[str, typer.Argument(help="https://host of the pool's coordinator.")],
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write it without asking.")] = False,
) -> int:
    """Show the fingerprint of a pool's certificate and write it to the configuration, to be trusted from then on."""
    address = Address.parse(url)
    if not address.tls:
        raise ConfigError(f"{url} has no certificate", advice="Use https://.")
    shown = f"sha256:{presented_fingerprint(address)}"
    out = console()
    out.print(f"The certificate of {address.url} has the fingerprint", soft_wrap=True)
    out.print(f"    {shown}", soft_wrap=True)
    out.print("On the host it is shown by", soft_wrap=True)
    out.print("    openssl x509 -in /etc/xensource/xapi-ssl.pem -noout -fingerprint -sha256", soft_wrap=True)
    path = find(config)
    if not yes and not typer.confirm(f"Is it the same, and shall {path} trust it?", default=False):
        return 0
    write_fingerprint(path, shown)
    out.print(f"{path} trusts it now.", soft_wrap=True)
    return 0


def write_fingerprint(path: Path, fingerprint: str) -> None:
    """Set `pool.tls` in a configuration file and leave everything else, comments included, as it is."""
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
        pool = document.get("pool")
        if not isinstance(pool, Table):
            raise ConfigError(f"{path}: there is no [pool] section", advice="Write it first, with url and username.")
        tls = tomlkit.inline_table()
        tls["fingerprint"] = fingerprint
        pool["tls"] = tls
        path.write_text(tomlkit.dumps(document), encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be changed: {error}") from error
