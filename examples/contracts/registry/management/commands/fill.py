"""``manage.py fill``: customers and contracts to try the site with."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from registry import sample
from registry.models import Contract, Customer, Item

# Contracts written in one transaction, and between two lines of progress.
BATCH = 100


class Command(BaseCommand):
    help = (
        "Fill the database with customers and contracts. The same seed gives the "
        "same data, and what is already there is left alone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--contracts", type=int, default=400)
        parser.add_argument("--customers", type=int, default=60)
        parser.add_argument("--seed", type=int, default=2026)

    def handle(self, *args, **options) -> None:
        if options["customers"] < 1 or options["contracts"] < 0:
            raise CommandError("a contract needs a customer")
        data = sample.generate(
            customers=options["customers"],
            contracts=options["contracts"],
            seed=options["seed"],
        )
        self._add_customers(data)
        self._add_contracts(data)
        if settings.DEMO:
            self._add_demo_user()

    def _add_customers(self, data: sample.Data) -> None:
        before = Customer.objects.count()
        Customer.objects.bulk_create((Customer(**fields) for fields in data.customers), ignore_conflicts=True)
        self._report("customers", Customer.objects.count(), before)

    def _add_contracts(self, data: sample.Data) -> None:
        customers = Customer.objects.in_bulk(field_name="name")
        known = set(Contract.objects.values_list("number", flat=True))
        before = len(known)
        todo = [c for c in data.contracts if c.fields["number"] not in known]
        for start in range(0, len(todo), BATCH):
            batch = todo[start : start + BATCH]
            with transaction.atomic():
                contracts = Contract.objects.bulk_create(Contract(customer=customers[c.customer], **c.fields) for c in batch)
                Item.objects.bulk_create(
                    Item(contract=contract, position=position, **fields)
                    for contract, c in zip(contracts, batch, strict=True)
                    for position, fields in enumerate(c.items, start=1)
                )
            self.stdout.write(f"contracts: {start + len(batch)}/{len(todo)} written")
        self._report("contracts", Contract.objects.count(), before)

    def _add_demo_user(self) -> None:
        users = get_user_model().objects
        if users.filter(username="demo").exists():
            self.stdout.write("user demo: already there")
            return
        users.create_superuser("demo", "demo@example.com", "demo")
        self.stdout.write("user demo: added, a superuser with the password demo")

    def _report(self, what: str, after: int, before: int) -> None:
        self.stdout.write(self.style.SUCCESS(f"{what}: {after} in all, {after - before} added"))
