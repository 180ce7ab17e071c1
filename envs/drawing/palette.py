"""The colours of every picture: those of Okabe and Ito, which colour-blind readers can tell apart."""

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
PINK, YELLOW, SKY = "#CC79A7", "#E69F00", "#56B4E9"
INK, WHITE = "#2d3440", "#ffffff"
OVERSIGHT, FACET = "#f0b400", "#96cdf0"
ALARM, WOOD = "#c8102e", "#b5793a"
SERIES = (BLUE, ORANGE, GREEN, PINK, YELLOW, SKY, GREY)
MARKERS = "osD^vPX"
"""Curves differ in colour and in marker, so that no reader has to rely on one of them."""

Rgb = tuple[int, int, int]


def rgb(colour: str) -> Rgb:
    """``#rrggbb`` as three numbers from 0 to 255."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
