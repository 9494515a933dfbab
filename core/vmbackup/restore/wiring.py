"""Which network each interface of a restored VM is on, and by which MAC. Pure."""

from collections.abc import Iterator

from vmbackup.errors import ConfigError
from vmbackup.images import Ova, OvaObject
from vmbackup.restore.wishes import PlannedVIF, Wishes
from vmbackup.xapi.surroundings import Network, Surroundings


def interfaces(ova: Ova) -> Iterator[tuple[OvaObject, OvaObject]]:
    """Yield each interface of the VM in `ova.xml` with its network, in the order of their devices."""
    networks = {found.id: found for found in ova.of_class("network")}
    nothing = OvaObject("network", "", {})
    vifs = sorted(ova.of_class("VIF"), key=lambda vif: (len(vif.text("device")), vif.text("device")))
    return ((vif, networks.get(vif.text("network"), nothing)) for vif in vifs)


def wire(vif: OvaObject, was: OvaObject, pool: Surroundings, wishes: Wishes) -> PlannedVIF:
    """Plan one interface, whose network is on the other side by its name or its bridge. Raises ConfigError."""
    names = _names_of(was)
    new = next((new for old, new in wishes.map_network if old in names), None)
    return on(_find(pool, was, new) if new is not None else _match(pool, was), vif, was, wishes)


def on(network: Network, vif: OvaObject, was: OvaObject, wishes: Wishes) -> PlannedVIF:
    """Plan one interface on `network`."""
    return PlannedVIF(vif.text("device"), was.text("name_label"), network, "" if wishes.new_mac else vif.text("MAC"))


def unwired(ova: Ova, wishes: Wishes) -> list[str]:
    """Return what the mappings name that no interface is on."""
    known = frozenset().union(*(_names_of(network) for _, network in interfaces(ova)))
    return [old for old, _ in wishes.map_network if old not in known]


def _names_of(network: OvaObject) -> frozenset[str]:
    return frozenset(network.text(name) for name in ("name_label", "uuid", "bridge")) - {""}


def _find(pool: Surroundings, was: OvaObject, wanted: str) -> Network:
    return _only([network for network in pool.networks if wanted in {network.uuid, network.name}], wanted, was, pool)


def _match(pool: Surroundings, was: OvaObject) -> Network:
    """Find the network that an import takes for the old one: of its name, or else on its bridge (xapi: import.ml)."""
    name, bridge = was.text("name_label"), was.text("bridge")
    named = [network for network in pool.networks if network.name == name]
    if len(named) > 1:
        named = [network for network in named if network.uuid == was.text("uuid")] or named
    return _only(
        named or [network for network in pool.networks if bridge and network.bridge == bridge], name, was, pool
    )


def _only(found: list[Network], name: str, was: OvaObject, pool: Surroundings) -> Network:
    if len(found) == 1:
        return found[0]
    # An equals sign in the old name would be taken for the one behind it.
    old = repr(was.text("uuid") if "=" in was.text("name_label") else was.text("name_label"))
    if found:
        uuids = ", ".join(network.uuid for network in found)
        raise ConfigError(
            f"{len(found)} networks of the pool are called {name!r}",
            advice=f"Name one of {uuids}: --map-network {old}=UUID.",
        )
    names = ", ".join(sorted(repr(network.name) for network in pool.networks))
    raise ConfigError(
        f"the pool has no network {name!r}", advice=f"Name another, --map-network {old}=NAME, out of {names}."
    )
