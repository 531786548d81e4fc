"""Made-up customers and contracts, the same ones for the same seed."""

import datetime as dt
import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from registry.models import Contract

# "Today" of the sample data, so that it does not depend on the day it is made.
TODAY = dt.date(2026, 9, 1)

_FIRST = [
    "Alder",
    "Borealis",
    "Calder",
    "Dunmore",
    "Elbe",
    "Fjord",
    "Granite",
    "Harbour",
    "Iris",
    "Juniper",
    "Keystone",
    "Lantern",
    "Meridian",
    "Northwind",
    "Orchard",
    "Pinnacle",
    "Quayside",
    "Ridgeway",
    "Solstice",
    "Thornbury",
    "Umber",
    "Vantage",
    "Westmark",
    "Yarrow",
    "Zephyr",
]
_SECOND = [
    "Logistics",
    "Foods",
    "Energy",
    "Medical",
    "Textiles",
    "Shipping",
    "Instruments",
    "Print",
    "Robotics",
    "Timber",
    "Insurance",
    "Motors",
    "Glassworks",
    "Pharma",
    "Telecom",
    "Dairies",
]
_PLACES = (
    ("Ltd", "Leeds", "United Kingdom"),
    ("Ltd", "Bristol", "United Kingdom"),
    ("GmbH", "Hamburg", "Germany"),
    ("GmbH", "Leipzig", "Germany"),
    ("SAS", "Lyon", "France"),
    ("SAS", "Nantes", "France"),
    ("B.V.", "Utrecht", "Netherlands"),
    ("AB", "Gothenburg", "Sweden"),
    ("S.p.A.", "Turin", "Italy"),
    ("S.A.", "Porto", "Portugal"),
    ("Sp. z o.o.", "Gdańsk", "Poland"),
    ("Oy", "Tampere", "Finland"),
)
_STREETS = [
    "Station Road",
    "Mill Lane",
    "Harbour Street",
    "Market Square",
    "Foundry Row",
    "Canal Walk",
    "Linden Avenue",
    "Observatory Hill",
]
_MANAGERS = [
    "Amina Hassan",
    "Bruno Keller",
    "Clara Novak",
    "Daniel Osei",
    "Elena Rossi",
    "Frank Lindqvist",
    "Grace Murphy",
    "Hugo Marchand",
]
_SUBJECTS = [
    "Warehouse automation",
    "Fleet maintenance",
    "Cloud hosting",
    "Payroll services",
    "Laboratory supplies",
    "Packaging line upgrade",
    "Network operations",
    "Energy supply",
    "Facility cleaning",
    "Data protection audit",
    "Machine leasing",
    "Translation services",
    "Cold-chain transport",
    "Software support",
    "Safety training",
    "Print and mailing",
]
_FORMS = [
    "Framework agreement",
    "Service contract",
    "Supply contract",
    "Purchase order",
]
_WORK = (
    ("On-site engineer, including travel within the region", "day", 640, 980),
    ("Remote support by telephone and ticket, office hours", "month", 900, 3200),
    ("Preventive inspection with written report", "visit", 380, 1250),
    ("Licence, named user, with updates and security fixes", "seat", 45, 210),
    ("Replacement parts from the agreed parts list", "set", 120, 1900),
    ("Training course for up to twelve participants", "course", 1100, 2600),
    ("Project management and monthly steering meeting", "month", 1200, 2900),
    ("Transport, insured to the full value of the goods", "trip", 210, 760),
    ("Storage at controlled temperature", "pallet", 14, 38),
    ("Installation and acceptance test", "unit", 450, 2400),
    ("Emergency call-out outside office hours", "call", 290, 690),
    ("Documentation, printed and electronic", "copy", 35, 140),
    ("Annual calibration with certificate", "device", 85, 420),
    ("Disposal of packaging and replaced parts", "load", 95, 310),
)


@dataclass(frozen=True)
class SampleContract:
    """One contract: its fields, its customer's name and its items."""

    fields: dict[str, Any]
    customer: str
    items: list[dict[str, Any]]


@dataclass(frozen=True)
class Data:
    """What ``generate`` returns."""

    customers: list[dict[str, Any]]
    contracts: list[SampleContract]


def generate(customers: int, contracts: int, seed: int) -> Data:
    """Make the given numbers of customers and contracts."""
    rng = random.Random(seed)
    companies = [_customer(rng, n) for n in range(customers)]
    return Data(
        customers=companies,
        contracts=[_contract(random.Random(f"{seed}/{n}"), n, companies) for n in range(contracts)],
    )


def _customer(rng: random.Random, n: int) -> dict[str, Any]:
    # Every pair of words once before a number has to tell namesakes apart.
    pair = n % (len(_FIRST) * len(_SECOND))
    again = n // (len(_FIRST) * len(_SECOND))
    first = _FIRST[pair % len(_FIRST)]
    second = _SECOND[(pair + pair // len(_FIRST)) % len(_SECOND)]
    suffix, city, country = rng.choice(_PLACES)
    number = f" {again + 1}" if again else ""
    return {
        "name": f"{first} {second}{number} {suffix}",
        "street": f"{rng.randint(1, 180)} {rng.choice(_STREETS)}",
        "city": city,
        "country": country,
        "email": f"contracts@{first}-{second}{number.strip()}.example".lower(),
    }


def _contract(rng: random.Random, n: int, companies: list[dict[str, Any]]) -> SampleContract:
    items = [_item(rng) for _ in range(rng.randint(9, 16))]
    starts_on = TODAY + dt.timedelta(days=rng.randint(-1400, 150))
    ends_on = starts_on + dt.timedelta(days=365 * rng.randint(1, 4) - 1)
    return SampleContract(
        fields={
            "number": f"C-{starts_on.year}-{n + 1:04d}",
            "title": f"{rng.choice(_FORMS)}: {rng.choice(_SUBJECTS).lower()}",
            "status": _status(rng, starts_on, ends_on),
            "manager": rng.choice(_MANAGERS),
            "value": sum(i["quantity"] * i["unit_price"] for i in items),
            "starts_on": starts_on,
            "ends_on": ends_on,
        },
        customer=rng.choice(companies)["name"],
        items=items,
    )


def _item(rng: random.Random) -> dict[str, Any]:
    description, unit, low, high = rng.choice(_WORK)
    return {
        "description": description,
        "quantity": rng.choice((1, 2, 4, 6, 12, 24, 36)),
        "unit": unit,
        "unit_price": Decimal(rng.randint(low * 100, high * 100)) / 100,
    }


def _status(rng: random.Random, starts_on: dt.date, ends_on: dt.date) -> str:
    if ends_on < TODAY:
        return Contract.Status.EXPIRED
    if starts_on <= TODAY:
        return Contract.Status.ACTIVE
    return rng.choice((Contract.Status.DRAFT, Contract.Status.REVIEW))
