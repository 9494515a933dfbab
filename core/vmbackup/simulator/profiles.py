"""Which product the simulator plays: versions as a host tells them, and what follows from its xapi's version."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from vmbackup.simulator.schema import MODEL, Type, Typed

Checksum = Literal["xxhash", "sha1"]
Blocks = Literal["raw-scan", "nbd-extents", "allocated-blocks"]  # stream_vdi.ml: which chunks of a disk are sent
Version = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A product: its name, the release of its xapi, what `software_version` and `API_version` say, its block path."""

    name: str
    xapi: Version
    api_version: tuple[int, int]
    software: Mapping[str, str]
    blocks: Blocks = "raw-scan"

    @property
    def checksum(self) -> Checksum:
        """The kind of checksum behind each chunk: `.xxhash` since xapi 1.170."""
        return "xxhash" if self.xapi >= (1, 170) else "sha1"

    @property
    def compressions(self) -> Mapping[str, str]:
        """What `use_compression` may say, and the compressor it means; any other word means none."""
        new = {"gzip": "gzip", "zstd": "zstd"} if self.xapi >= (1, 161) else {}
        return {"true": "gzip", **new}

    @property
    def raw_formats(self) -> frozenset[str]:
        """The formats of `/export_raw_vdi`: `tar` came with xapi 1.126."""
        return frozenset({"raw", "vhd", "tar"} if self.xapi >= (1, 126) else {"raw", "vhd"})

    @property
    def exports_chips(self) -> bool:
        """Say whether an archive holds what is in a VM's TPM: since 23.9."""
        return self.xapi >= (23, 9)

    @property
    def excludes_devices(self) -> bool:
        """Say whether `/export_metadata` looks at `excluded_device_types`: since 24.13."""
        return self.xapi >= (24, 13)

    @property
    def limits_heads(self) -> bool:
        """Say whether requests with more than 1006 bytes of head get a 431: since 22.30, and on 8.2 by a back-port."""
        return self.xapi >= (1, 249)

    @property
    def refresh_seconds(self) -> float:
        """How old a session's `last_active` gets before a call renews it: 10 minutes since 24.29.

        Earlier ones renew it at every call; here that is soon enough after 10 seconds.
        """
        return 600.0 if self.xapi >= (24, 29) else 10.0

    @property
    def server(self) -> str:
        """What a handler's `Server` header says."""
        return f"xapi/{self.software['xapi']}"


def _software(product: str, brand: str, platform: str, date: str, **more: str) -> Mapping[str, str]:
    short = ".".join(product.split(".")[:2])
    return {
        "product_version": product,
        "product_version_text": short,
        "product_version_text_short": short,
        "platform_name": "XCP",
        "platform_version": platform,
        "product_brand": brand,
        "git_id": "0",
        "hostname": "localhost",
        "date": date,
        "dbv": "0.0.1",
        "network_backend": "openvswitch",
        **more,
    }


_ALL = (
    Profile(
        "xs65",
        (1, 3),
        (2, 3),
        _software(
            "6.5.0",
            "XenServer",
            "1.9.0",
            "2014-12-17",
            xapi="1.3",
            db_schema="5.74",
            build_number="90233c",
            linux="3.10.0+2",
        ),
    ),
    Profile(
        "xs71",
        (1, 14, 47),
        (2, 6),
        _software(
            "7.1.2",
            "XenServer",
            "2.2.1",
            "2019-01-15",
            xapi="1.9",
            db_schema="5.109",
            build_number="137272c",
            linux="4.4.0+2",
        ),
    ),
    Profile(
        "ch81",
        (1, 214, 1),
        (2, 14),
        _software(
            "8.1.0",
            "Citrix Hypervisor",
            "3.1.0",
            "2019-12-04",
            xapi="1.20",
            db_schema="5.504",
            build_number="release/quebec/master/17",
            linux="4.19.0+1",
            xen="4.13.0-8.3",
            xencenter_min="2.14",
            xencenter_max="2.14",
        ),
    ),
    Profile(
        "xcpng82",
        (1, 249, 41),
        (2, 15),
        _software(
            "8.2.1",
            "XCP-ng",
            "3.2.1",
            "2024-01-01",
            xapi="1.20",
            db_schema="5.603",
            build_number="release/yangtze/master/58",
            linux="4.19.0+1",
            xen="4.13.5-9.40",
            xencenter_min="2.16",
            xencenter_max="2.16",
        ),
    ),
    Profile(
        "xcpng83",
        (24, 19, 2),
        (2, 21),
        _software(
            "8.3.0",
            "XCP-ng",
            "3.4.0",
            "20241002T13:05:51Z",
            xapi="24.19",
            db_schema="5.780",
            build_number="cloud",
            xapi_build="24.19.2",
            linux="4.19.0+1",
            xen="4.17.5-3",
            xencenter_min="2.21",
            xencenter_max="2.21",
        ),
    ),
    Profile(
        "xs8",
        (26, 1, 3),
        (2, 21),
        _software(
            "8.4.0",
            "XenServer",
            "3.4.0",
            "20260302T10:11:12Z",
            xapi="26.1",
            db_schema="5.901",
            build_number="stream",
            xapi_build="26.1.3",
            linux="4.19.0+1",
            xen="4.17.6-3",
            xencenter_min="2.21",
            xencenter_max="2.21",
        ),
        "nbd-extents",
    ),
)
PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in _ALL}


@cache
def _releases() -> Mapping[str, Version]:
    """Give the version from which a name is known, for all that are not older than the oldest profile."""
    found: dict[str, Version] = {}
    for line in files(__package__).joinpath("releases.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            version, _, names = line.partition(": ")
            found.update(dict.fromkeys(names.split(), tuple(map(int, version.split(".")))))
    return found


@cache
def unknown(profile: Profile) -> frozenset[str]:
    """Give the names in `releases.txt` that a product does not know yet, and those of fields that none shows."""
    later = {name for name, since in _releases().items() if since > profile.xapi}
    return frozenset(later | _internal())


@cache
def _internal() -> frozenset[str]:
    return frozenset(
        f"{cls}.{name}"
        for cls, fields in MODEL.classes.items()
        for name, field in fields.items()
        if field.qualifier == "INTERNAL"
    )


@cache
def unknown_calls(profile: Profile) -> frozenset[str]:
    """Give the calls that come with the fields a product does not know yet, and those that are listed themselves."""
    verbs = ("", "get_", "set_", "add_to_", "remove_from_", "add_", "remove_")
    pairs = (name.partition(".") for name in unknown(profile) if "." in name)
    return frozenset(f"{cls}.{verb}{name}" for cls, _, name in pairs for verb in verbs)


def shown(profile: Profile, value: object, kind: Type) -> object:
    """Leave out of a result what the product does not know: fields of records, words of operations.

    Gives the value itself where nothing is to be left out.
    """
    hidden = unknown(profile)
    return _shown(hidden, value, kind) if hidden else value


def _shown(hidden: frozenset[str], value: object, kind: Type) -> object:
    match value:
        case Typed():
            return Typed(_shown(hidden, value.value, value.type), value.type)
        case dict() if kind.kind == "record":
            fields = MODEL.classes[kind.name]
            return {
                name: _shown(hidden, item, fields[name].type)
                for name, item in value.items()
                if f"{kind.name}.{name}" not in hidden
            }
        case dict():
            return {key: _shown(hidden, item, kind.items or kind) for key, item in value.items()}
        case list() if kind.items and kind.items.kind == "enum":
            return [word for word in value if f"{kind.items.name}.{word}" not in hidden]
        case list():
            return [_shown(hidden, item, kind.items or kind) for item in value]
    return value
