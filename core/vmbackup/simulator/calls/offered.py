"""The calls that a product offers: an older one knows fewer, and some with fewer parameters (api_server.ml)."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from vmbackup.simulator.calls import ALL
from vmbackup.simulator.calls.table import Call, Context
from vmbackup.simulator.profiles import Profile, Version, unknown, unknown_calls

_PARAMETERS: Mapping[str, tuple[Version, int]] = {"VM.snapshot": ((21, 4), 2)}  # so many before this version


@cache
def offered(profile: Profile) -> Mapping[str, Call]:
    """Give the product's calls by name."""
    hidden, classes = unknown_calls(profile), unknown(profile)
    return {
        name: _adapted(profile, call)
        for name, call in ALL.items()
        if name not in hidden and name.partition(".")[0] not in classes
    }


@cache
def spelt_with_underscore(profile: Profile) -> Mapping[str, Call]:
    """Give the product's calls by their other spelling, `Class_method`."""
    return {name.replace(".", "_", 1): call for name, call in offered(profile).items()}


def _adapted(profile: Profile, call: Call) -> Call:
    since, count = _PARAMETERS.get(call.name, ((), 0))
    if profile.xapi >= since:
        return call
    defaults = [param.default for param in call.params[count:]]

    def run(context: Context, *arguments: object) -> object:
        return call.run(context, *arguments, *defaults)

    return replace(call, params=call.params[:count], run=run)
