"""What a chart draws where: channels, axes and tips of its layers."""

from __future__ import annotations

from typing import Any


def layers(chart: Any) -> list[dict[str, Any]]:
    spec = chart.to_dict()
    return spec.get("layer", [spec])


def fields(layer: dict[str, Any]) -> dict[str, str]:
    """Column of each channel of a layer."""
    return {
        channel: value["field"]
        for channel, value in layer["encoding"].items()
        if isinstance(value, dict) and "field" in value
    }


def domains(layer: dict[str, Any]) -> list[Any]:
    """Where the axes begin and end, x and y."""
    return [layer["encoding"][axis].get("scale", {}).get("domain") for axis in ("x", "y")]


def told(layer: dict[str, Any]) -> list[str]:
    """What a mark tells when it is pointed at."""
    return [entry["field"] for entry in layer["encoding"]["tooltip"]]
