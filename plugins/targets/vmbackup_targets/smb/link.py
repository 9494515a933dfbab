"""One session with one share: what it asks of the server, and whether it is still of use."""

import contextlib
from collections.abc import Iterator
from typing import Final

from smbprotocol.exceptions import SMBConnectionClosed, SMBResponseException
from smbprotocol.header import SMB2HeaderResponse
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from vmbackup_targets.smb.channel import Channel
from vmbackup_targets.smb.status import name_of
from vmbackup_targets.smb.trouble import PARTED, Lost, Refused

# Credits, of 64 KiB each, that are asked for: 32 MiB under way, for all threads together.
CREDITS: Final = 512


class Link:
    """A share that is connected. Threads may use it at once; all that it does raises Refused or Lost."""

    def __init__(self, channel: Channel, session: Session, tree: TreeConnect, credit: int) -> None:
        """`credit` is what the server granted for many requests at once, in units of 64 KiB."""
        self.channel = channel
        self.session = session
        self.tree = tree
        self.credit = credit

    @property
    def alive(self) -> bool:
        """Whether it is worth another request."""
        return self.channel.wire.connected

    @contextlib.contextmanager
    def answers(self) -> Iterator[None]:
        """Around each exchange with the server: the library's exceptions become ours, and a lost link stays lost."""
        with translated():
            try:
                yield
            except (SMBResponseException, Refused) as error:
                if error.status in PARTED:
                    self.channel.wire.close()
                raise
            except Exception:
                self.channel.wire.close()
                raise

    def ask(self, message: object, seconds: float | None = None) -> SMB2HeaderResponse:
        """Send one message about this share and wait for its answer, `seconds` at most if given."""
        with self.answers():
            request = self.channel.send(message, self.session.session_id, self.tree.tree_connect_id)
            return self.channel.receive(request, timeout=seconds)

    def close(self) -> None:
        """Log off, if the server still listens, and close the connection."""
        self.channel.hang_up(politely=self.alive)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise Refused or Lost for whatever the library raises."""
    try:
        yield
    except Lost:
        raise
    except (SMBResponseException, Refused) as error:
        if error.status in PARTED:
            raise Lost(f"the server has ended the session ({name_of(error.status)})") from error
        raise Refused(error.status) from error
    except SMBConnectionClosed as error:
        raise Lost("the server has closed the connection") from error
    except Exception as error:
        # What an answer can make the library stumble over is not told in advance: keys, tags, lengths.
        raise Lost(f"the server's answer was not understood: {error!r}") from error
