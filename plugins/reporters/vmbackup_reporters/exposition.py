"""Metrics in Prometheus's text format (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vmbackup import plain

# Longer names are cut: each series is kept for as long as the server keeps anything.
LABEL_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric; labels by their names."""

    metric: str
    labels: Mapping[str, str]
    value: float

    @property
    def series(self) -> str:
        """The metric with its labels, as they are written."""
        labels = ",".join(f'{name}="{_escaped(text)}"' for name, text in self.labels.items())
        return f"{self.metric}{{{labels}}}"


def exposition(samples: Iterable[Sample], helps: Mapping[str, str], kept: Iterable[str] = ()) -> str:
    """Return gauges in the order of `helps`, which says what each is; no series stands twice.

    `kept` are lines of an earlier text that go on standing.
    """
    lines: dict[str, dict[str, str]] = {metric: {} for metric in helps}
    for line in kept:
        series, _, value = line.rpartition(" ")
        lines[series.partition("{")[0]][series] = value
    for sample in samples:
        lines[sample.metric][sample.series] = f"{sample.value:.15g}"
    return "".join(
        f"# HELP {metric} {helps[metric]}\n# TYPE {metric} gauge\n"
        + "".join(f"{series} {value}\n" for series, value in found.items())
        for metric, found in lines.items()
        if found
    )


def _escaped(text: str) -> str:
    return plain(text, LABEL_LENGTH).replace("\\", "\\\\").replace('"', '\\"')
