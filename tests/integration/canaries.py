"""A secret of its own for each key of the bundled plugins that takes one, and where none of them may be."""

import base64
import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from vmbackup.registry import Registry
from vmbackup.settings_schema import settings_of

# What stands in the section of each plugin beside its secrets. {port} is that of a server, {folder} a folder.
SECTIONS: Mapping[tuple[str, str], str] = {
    ("target", "smb"): 'server = "127.0.0.1"\nport = {port}\nshare = "b"\nusername = "ann"\ntimeout = 2\n',
    ("target", "s3"): 'endpoint = "http://127.0.0.1:{port}"\nbucket = "backups"\ntimeout = 2\n',
    ("mirror", "rclone"): 'remote = "far:b"\nconfig = "{folder}/rclone.conf"\ntimeout = 5\n',
    ("mirror", "rsync"): 'to = "rsync://ann@127.0.0.1:{port}/module/folder"\ntimeout = 5\n',
    ("mirror", "sftp"): 'host = "127.0.0.1"\nport = {port}\nfolder = "b"\nusername = "ann"\ntimeout = 2\n'
    'fingerprint = "SHA256:1234567890123456789012345678901234567890123"\n',
    ("notifier", "email"): 'host = "127.0.0.1"\nport = {mail}\nca = "{folder}/ca.pem"\nusername = "vmbackup"\n'
    'from = "a@example.edu"\nto = ["b@example.edu"]\ntimeout = 2\nretries = 1\nretry-wait = 0.01\n',
    ("notifier", "chat"): "timeout = 60\nretries = 0\n",
    ("notifier", "webhook"): "timeout = 2\nretries = 1\nretry-wait = 0.01\n",
    ("notifier", "ping"): "timeout = 2\nretries = 1\nretry-wait = 0.01\n",
}
# Secrets that are more than a word; `{}` is the word.
SHAPES: Mapping[tuple[str, str, str], str] = {
    ("notifier", "chat", "url"): "mmost://127.0.0.1:{port}/{}",
    ("notifier", "webhook", "url"): "http://ann:{}@127.0.0.1:{port}/hooks/{}?key={}",
    ("notifier", "ping", "url"): "http://127.0.0.1:{port}/{}",
}
# A passphrase belongs to a key, with which there is no password: this is another section of the same plugin.
INSTEAD = {("mirror", "sftp", "passphrase"): ("password", 'identity = "{folder}/key"\n')}


@dataclass(frozen=True)
class Canary:
    """A secret, where it stands, and the word in it that must be seen nowhere."""

    kind: str
    plugin: str
    key: str

    @property
    def word(self) -> str:
        return f"canary-{self.plugin}-{self.key}-{sum(map(ord, self.kind + self.plugin + self.key)):04x}b7"

    def secret(self, port: int) -> str:
        shape = SHAPES.get((self.kind, self.plugin, self.key), "{}")
        return shape.replace("{port}", str(port)).replace("{}", self.word)


def canaries() -> list[Canary]:
    """One for each key of each bundled plugin that takes a secret: a new one is among them by itself."""
    found = sorted(Registry.installed().plugins.items())
    return [
        Canary(kind, name, setting.key)
        for (kind, name), registered in found
        if registered.distribution == "vmbackup"
        for setting in settings_of(registered.plugin.Settings)
        if setting.type == "secret"
    ]


def sections(folder: Path, port: int, mail: int) -> tuple[str, dict[str, list[str]]]:
    """Write the secrets into files, and return the sections that name them, and the labels of each kind."""
    by_plugin: dict[tuple[str, str], list[Canary]] = {}
    for canary in canaries():
        by_plugin.setdefault((canary.kind, canary.plugin), []).append(canary)
    text, labels = "", dict[str, list[str]]()
    for (kind, name), own in by_plugin.items():
        body = SECTIONS[kind, name].format(port=port, mail=mail, folder=folder)
        apart = {canary.key: INSTEAD[kind, name, canary.key] for canary in own if (kind, name, canary.key) in INSTEAD}
        together = [canary for canary in own if canary.key not in apart]
        variants = [(name, together, "")]
        for key, (without, more) in apart.items():
            with_it = [canary for canary in own if canary.key == key or canary.key not in {without, *apart}]
            variants.append((f"{name}-{key}", with_it, more.format(folder=folder)))
        for label, used, more in variants:
            lines = "".join(_line(folder, canary, port, number) for number, canary in enumerate(used))
            text += f'[{kind}s.{label}]\ntype = "{name}"\n{body}{more}{lines}\n'
            labels.setdefault(kind, []).append(label)
    return text, labels


def _line(folder: Path, canary: Canary, port: int, number: int) -> str:
    """Give a secret by one of the ways that there are; the program of `command` finds it in the file as well."""
    path = folder / "secrets" / f"{canary.kind}.{canary.plugin}.{canary.key}"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(canary.secret(port))
    path.chmod(0o600)
    ways = (f'{{ file = "{path}" }}', f'{{ command = ["cat", "{path}"] }}')
    return f"{canary.key} = {ways[number % 2]}\n"


def forms(word: str) -> set[bytes]:
    """The ways in which a word may be written: as it is, quoted, and in base64 wherever it begins there."""
    raw = word.encode()
    inside = {base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)}
    return {raw, quote(word, safe="").encode(), *inside, raw.hex().encode()}


def seen(where: Iterable[tuple[str, bytes]], words: Iterable[str]) -> list[str]:
    """Where which of the words is to be seen."""
    every = [(word, form) for word in words for form in forms(word)]
    return sorted({f"{word} in {name}" for name, data in where for word, form in every if form in data})


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All files below a folder."""
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                yield str(path), path.read_bytes()


@contextlib.contextmanager
def watching() -> Iterator[set[bytes]]:
    """Look at the words of all processes again and again, as `ps` shows them, and give all that there were."""
    over, found = threading.Event(), set[bytes]()

    def look() -> None:
        while not over.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    found.add(path.read_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
