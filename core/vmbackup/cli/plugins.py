"""`vmbackup plugins`: what is installed, what did not load, and what a plugin may be told."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vmbackup.cli.options import ConfigOption, JsonOption, open_registry
from vmbackup.cli.output import console, name, print_json, table
from vmbackup.errors import ConfigError, PluginError
from vmbackup.plugin_template import NewPlugin, kinds, write
from vmbackup.registry import Registered, Registry
from vmbackup.settings_schema import schema_of, settings_of

app = typer.Typer(help="List plugins, and what they may be told.")


@app.callback(invoke_without_command=True)
def plugins(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> int:
    """List the plugins: kind, name, distribution, summary; what did not load and why, and what is disabled."""
    if context.invoked_subcommand is not None:
        if config or as_json:
            raise ConfigError(
                f"options of {context.invoked_subcommand} stand behind it: vmbackup plugins show NAME --json"
            )
        return 0
    registry = open_registry(config)
    found = sorted(registry.plugins.items())
    if as_json:
        print_json(
            {
                "plugins": [_facts(kind, plugin, registered) for (kind, plugin), registered in found],
                "failed": [
                    {"entry_point": failure.entry_point, "distribution": failure.distribution, "reason": failure.reason}
                    for failure in registry.failures
                ],
                "listeners": [
                    {"distribution": source, "moments": list(moments)} for source, moments in registry.listeners
                ],
                "disabled": [asdict(disabled) for disabled in registry.unwanted.found],
                "unknown": list(registry.unwanted.unknown),
            }
        )
        return 0
    out = console()
    shown = table("kind", "name", "distribution", "summary")
    for (kind, plugin), registered in found:
        shown.add_row(kind, name(plugin), name(_origin(registered)), name(registered.summary))
    for source, moments in registry.listeners:
        shown.add_row("listener", "", name(source), f"hears {', '.join(moments)}")
    out.print(shown)
    for failure in registry.failures:
        where = f"{failure.distribution} ({failure.entry_point})"
        out.print(f"[red]did not load[/] {name(where)}: {name(failure.reason)}", soft_wrap=True)
    for disabled in registry.unwanted.found:
        what = f"{disabled.kind} {disabled.name} of " if disabled.kind else ""
        out.print(f"[yellow]disabled[/] {name(f'{what}{disabled.distribution}')}", soft_wrap=True)
    for word in registry.unwanted.unknown:
        out.print(f"[yellow]nothing to disable[/] is called {name(word)}", soft_wrap=True)
    return 0


@app.command("show")
def show(
    plugin: Annotated[str, typer.Argument(metavar="NAME", help="Or KIND:NAME, where a name is of several kinds.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show what a plugin may be told: its settings, with types, defaults and descriptions."""
    kind, called, registered = _found(open_registry(config), plugin)
    settings = settings_of(registered.plugin.Settings)
    if as_json:
        keys = [
            {
                "key": setting.key,
                "type": setting.type,
                "required": setting.required,
                "default": setting.default,
                "description": setting.description,
            }
            for setting in settings
        ]
        schema = schema_of(registered.plugin.Settings)
        print_json({**_facts(kind, called, registered), "settings": keys, "schema": schema})
        return 0
    out = console()
    out.print(f"[bold]{kind} {name(called)}[/]  {name(_origin(registered))}")
    out.print(name(registered.summary))
    if not settings:
        out.print("It has no settings.")
        return 0
    out.print()
    shown = table("setting", "type", "default", "meaning")
    for setting in settings:
        default = "[bold]needed[/]" if setting.required else name(setting.default or "")
        shown.add_row(name(setting.key), name(setting.type), default, name(setting.description))
    out.print(shown)
    return 0


@app.command("new")
def new(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join(kinds())}.")],
    called: Annotated[str, typer.Argument(metavar="NAME", help="What the configuration will call it.")],
    folder: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where its folder is made.")] = Path(),
) -> int:
    """Write a new plugin: a distribution that works, with its tests, for you to change."""
    plugin = NewPlugin(kind, called)
    if other := Registry.installed().plugins.get((kind, called)):
        raise PluginError(f"there is a {kind} {called!r} already, in {other.distribution}", advice="Take another name.")
    made = write(plugin, folder)
    out = console()
    out.print(f"The {kind} {called} is in {name(str(made))}, and works as it is. Next:", soft_wrap=True)
    out.print()
    out.print(f"    cd {name(shlex.quote(str(made)))}", soft_wrap=True)
    out.print("    pip install -e '.\\[test]'")
    out.print("    pytest")
    out.print(f"    vmbackup plugins show {kind}:{called}")
    return 0


def _found(registry: Registry, said: str) -> tuple[str, str, Registered]:
    kind, colon, called = said.partition(":")
    wanted = {(kind, called)} if colon else {known for known in registry.plugins if known[1] == said}
    found = [(*known, registry.plugins[known]) for known in sorted(wanted & set(registry.plugins))]
    if not found:
        raise PluginError(
            f"no plugin is called {said!r}",
            advice="`vmbackup plugins` lists them all, and what did not load or is disabled.",
        )
    if len(found) > 1:
        kinds = ", ".join(f"{one}:{said}" for one, _, _ in found)
        raise PluginError(f"{said!r} is the name of several plugins", advice=f"Say which: {kinds}.")
    return found[0]


def _facts(kind: str, called: str, registered: Registered) -> dict[str, object]:
    return {
        "kind": kind,
        "name": called,
        "distribution": registered.distribution,
        "version": registered.version,
        "summary": registered.summary,
    }


def _origin(registered: Registered) -> str:
    return f"{registered.distribution} {registered.version}".rstrip()
