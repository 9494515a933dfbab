"""A network that is connected to nothing, for a VM that must reach nobody and be reached by nobody."""

from vmbackup.errors import ConfigError
from vmbackup.restore import Destination
from vmbackup.xapi.marks import RESTORING
from vmbackup.xapi.surroundings import Network, read_surroundings
from vmbackup.xapi.wire import text


def make_network(destination: Destination) -> Network:
    """Make a network without an interface of any host; it bears the mark of the restore, and goes with it."""
    session = destination.session
    name = f"vmbackup rehearsal {destination.sign}"
    fields = {
        "name_label": name,
        "name_description": "connected to nothing; made for a rehearsal, and gone with it",
        "MTU": "1500",
        "other_config": {RESTORING: destination.sign},
    }
    ref = str(session.call("network.create", fields))
    record = session.record("network", ref)
    return Network(ref, text(record, "uuid"), name, text(record, "bridge"), wired=False)


def find_network(destination: Destination, wanted: str) -> Network:
    """Return the pool's network of that name or UUID. Raises ConfigError."""
    networks = read_surroundings(destination.session).networks
    found = [network for network in networks if wanted in {network.name, network.uuid}]
    if len(found) != 1:
        raise ConfigError(f"{len(found)} networks of the pool are called {wanted!r}", advice="Name it by its UUID.")
    return found[0]
