"""Invented names, streets, appointment types and codes; no real people."""

from __future__ import annotations

from typing import Final

__all__ = ["CODES", "DESCRIPTORS", "FIRST", "LAST", "STREETS", "TYPES"]

FIRST: Final = [
    "Ada",
    "Bela",
    "Cora",
    "Dino",
    "Elma",
    "Fenno",
    "Greta",
    "Hilmar",
    "Ines",
    "Jorun",
    "Kaspar",
    "Liv",
    "Milo",
    "Nuria",
    "Odo",
    "Petra",
    "Quirin",
    "Runa",
    "Silvan",
    "Tilda",
    "Ulla",
    "Viggo",
    "Wanda",
    "Xaver",
    "Yvo",
    "Zelda",
]
LAST: Final = [
    "Ambersley",
    "Bramwick",
    "Cindervale",
    "Dunmarrow",
    "Elderquist",
    "Fairholt",
    "Grimsditch",
    "Hollowell",
    "Inkpenny",
    "Juniperson",
    "Kettleby",
    "Larkspurr",
    "Mosswood",
    "Nettlefold",
    "Oakhanger",
    "Pebblewick",
    "Quillfeather",
    "Ravenstoke",
    "Summerscale",
    "Thistlewood",
    "Underbrook",
    "Vexley",
    "Winterbourn",
    "Yarrowby",
]
STREETS: Final = ("Larch Lane", "Mill Row", "Pond Street", "Quarry Road", "Weaver Walk")
TYPES: Final = (("Cleaning", 60), ("Check-up", 30), ("Filling", 45), ("Consultation", 15))
CODES: Final = (
    ("D0120", "Periodic oral evaluation", "48.00"),
    ("D1110", "Prophylaxis, adult", "95.50"),
    ("D2391", "Resin composite, one surface", "187.00"),
    ("D0274", "Bitewings, four images", "62.00"),
)
DESCRIPTORS: Final = (
    ("Procedure Codes", "Periodic oral evaluation", "D0120", "Diagnostic"),
    ("Procedure Codes", "Prophylaxis, adult", "D1110", "Preventive"),
    ("Procedure Codes", "Resin composite, one surface", "D2391", "Restorative"),
    ("Procedure Codes", "Bitewings, four images", "D0274", "Diagnostic"),
    ("Procedure Codes", "Extraction, erupted tooth", "D7140.1", "Oral Surgery"),
    ("Procedure Codes", "Invalid code", "~BAD~", "Obsolete"),
    ("Opendental Appointment Types", "Hygiene recall", "1", None),
    ("Opendental Appointment Types", "New patient", "2", None),
)
"""Type, name, code and category, as in Open Dental."""
