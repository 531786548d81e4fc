"""The document-scanning service: far away and slow.

The sleep stands for the wait on the network; it costs no CPU but holds the
request, as a call to any slow service does.
"""

import time
from dataclasses import dataclass

from django.conf import settings

from registry.models import Contract


@dataclass(frozen=True)
class Finding:
    """One thing that the service looked at."""

    subject: str
    verdict: str


@dataclass(frozen=True)
class Report:
    """What the service answers, and how long it took."""

    seconds: float
    findings: tuple[Finding, ...]


def scan(contract: Contract) -> Report:
    """Have the service look at a contract."""
    began = time.monotonic()
    time.sleep(settings.SCAN_SECONDS)
    days = (contract.ends_on - contract.starts_on).days + 1
    signature = "missing" if contract.signable else "present"
    return Report(
        seconds=time.monotonic() - began,
        findings=(
            Finding("Parties", f"{contract.customer.name} recognised"),
            Finding("Term", f"{days} days"),
            Finding("Signature", signature),
            Finding("Known fraud patterns", "none found"),
        ),
    )
