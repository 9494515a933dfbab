"""`vmbackup plugins`: what is installed, and what did not load."""

from vmbackup.cli.options import JsonOption
from vmbackup.cli.output import console, name, print_json, table
from vmbackup.registry import Registry


def plugins(as_json: JsonOption = False) -> int:
    """List the plugins: kind, name, distribution, summary, and what did not load and why."""
    registry = Registry.installed()
    found = sorted(registry.plugins.items())
    if as_json:
        print_json(
            {
                "plugins": [
                    {
                        "kind": kind,
                        "name": plugin,
                        "distribution": registered.distribution,
                        "version": registered.version,
                        "summary": registered.summary,
                    }
                    for (kind, plugin), registered in found
                ],
                "failed": [
                    {"entry_point": failure.entry_point, "distribution": failure.distribution, "reason": failure.reason}
                    for failure in registry.failures
                ],
            }
        )
        return 0
    out = console()
    shown = table("kind", "name", "distribution", "summary")
    for (kind, plugin), registered in found:
        shown.add_row(kind, plugin, f"{registered.distribution} {registered.version}", name(registered.summary))
    out.print(shown)
    for failure in registry.failures:
        where = f"{failure.distribution} ({failure.entry_point})"
        out.print(f"[red]did not load[/] {name(where)}: {name(failure.reason)}", soft_wrap=True)
    return 0
