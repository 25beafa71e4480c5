"""Charts as files and for pages: one look, light and dark, drawn by Vega-Lite.

Charts are altair objects; vl-convert turns them into SVG and PNG without a browser, and brings the
Vega scripts that pages inline. Both come with the extra ``[report]`` and are imported on use.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import MissingExtraError, SesstoreError
from ..store.atomic_files import replace_file

if TYPE_CHECKING:
    import altair as alt

Chart: TypeAlias = "alt.TopLevelMixin"
"""What is drawn: any altair chart."""

WIDTH, SCALE = 640, 2
"""Of a figure in a file: width of the plot in pixels, and PNG pixels to each of these."""

PALETTES = {
    False: ("#0b6e8f", "#d1495b", "#3a7d44", "#8e5ea2", "#c77700", "#5b6675", "#00798c", "#a23b72"),
    True: ("#52b8d8", "#ff8a80", "#7fcf8f", "#c9a4e0", "#f2b04b", "#a9b4c2", "#4fd0c4", "#f08cc0"),
}
"""Colours of categories, on light and on dark ground."""

_INK = {
    False: {"ink": "#1c2430", "soft": "#5b6675", "line": "#dde2e9"},
    True: {"ink": "#e7ebf0", "soft": "#9aa6b5", "line": "#303a47"},
}


def charting() -> ModuleType:
    """Import and return altair.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    return _extra("altair")


def _extra(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtraError("a report", "report") from None


def _converter() -> ModuleType:
    """Return vl-convert, whose engine dies as it starts where standard input is closed."""
    try:
        os.fstat(0)
    except OSError:
        os.open(os.devnull, os.O_RDONLY)  # the lowest free number: that of standard input
    return _extra("vl_convert")


def available() -> bool:
    """Whether the extra ``[report]`` is installed."""
    try:
        _extra("altair")
        _extra("vl_convert")
    except MissingExtraError:
        return False
    return True


def theme(dark: bool = False) -> dict[str, Any]:
    """Vega-Lite configuration of all charts.

    Parameters
    ----------
    dark : bool
        For dark ground.
    """
    ink, palette = _INK[dark], PALETTES[dark]
    heat = ("#1a212b", "#2b6d86", "#8fdcf5") if dark else ("#f2f6f8", "#6aaec6", "#0b4f68")
    return {
        "background": "transparent" if dark else "white",
        "font": "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
        "view": {"stroke": None, "continuousWidth": WIDTH, "continuousHeight": 260},
        "axis": {
            "labelColor": ink["soft"],
            "titleColor": ink["ink"],
            "gridColor": ink["line"],
            "domainColor": ink["line"],
            "tickColor": ink["line"],
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": 500,
            "labelLimit": 220,
            "labelSeparation": 8,
            "labelFlush": False,
        },
        "axisQuantitative": {"tickCount": 6},
        "legend": {
            "labelColor": ink["soft"],
            "titleColor": ink["ink"],
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": 500,
            "orient": "top",
            "columns": 3,
            "labelLimit": 320,
        },
        "title": {"color": ink["ink"], "fontSize": 14, "anchor": "start"},
        "header": {"labelColor": ink["ink"], "titleColor": ink["ink"]},
        "text": {"color": ink["ink"], "fontSize": 12},
        "rule": {"color": ink["soft"]},
        "range": {"category": list(palette), "heatmap": list(heat), "ramp": list(heat)},
        "style": {
            "on-weak": {"color": ink["ink"]},
            "on-strong": {"color": "#0c1a22" if dark else "#ffffff"},
            "aside": {"color": ink["soft"], "strokeDash": [4, 4]},
            "soft": {"color": ink["soft"]},
            "mark": {"color": palette[1]},
            "soft-bar": {"color": "#2d6478" if dark else "#9cc7d6"},
        },
        **{mark: {"color": palette[0]} for mark in ("bar", "line", "point", "circle", "area")},
    }


def save_figure(chart: Chart, stem: Path) -> tuple[Path, Path]:
    """Write a chart as SVG and PNG, light, for papers and talks.

    Parameters
    ----------
    chart : altair chart
        Any.
    stem : path
        Where, without suffix; its folder is made if absent.

    Returns
    -------
    svg, png : path

    Raises
    ------
    MissingExtraError
        vl-convert is not installed.
    SesstoreError
        It cannot draw the chart.
    """
    convert = _converter()
    spec = {"width": WIDTH, "padding": 12, **chart.to_dict(), "config": theme()}
    stem.parent.mkdir(parents=True, exist_ok=True)
    svg, png = stem.with_name(f"{stem.name}.svg"), stem.with_name(f"{stem.name}.png")
    try:
        markup = convert.vegalite_to_svg(spec, allowed_base_urls=[])
        pixels = convert.svg_to_png(markup, scale=SCALE)
    except ValueError as problem:
        reason = " ".join(str(problem).split())
        raise SesstoreError(
            f"figure '{stem.name}' cannot be drawn: {reason}. Run the command again, with standard "
            f"input from a file or a terminal (`< /dev/null`)"
        ) from problem
    replace_file(svg, markup.encode())
    replace_file(png, pixels)
    return svg, png


@cache
def vega_script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that defines ``vegaEmbed``.

    Raises
    ------
    MissingExtraError
        vl-convert is not installed.
    """
    script: str = _converter().javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return script
