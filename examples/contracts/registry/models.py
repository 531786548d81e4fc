"""Customers, contracts, what a contract delivers, and uploaded documents."""

from pathlib import PurePosixPath

from django.db import models
from django.urls import reverse


class Customer(models.Model):
    """A company that signs contracts."""

    name = models.CharField(max_length=120, unique=True)
    street = models.CharField(max_length=120)
    city = models.CharField(max_length=80)
    country = models.CharField(max_length=60)
    email = models.EmailField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Contract(models.Model):
    """An agreement with one customer."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        REVIEW = "review", "In review"
        ACTIVE = "active", "Active"
        EXPIRED = "expired", "Expired"

    number = models.CharField(max_length=20, unique=True)
    title = models.CharField(max_length=160)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="contracts")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT, db_index=True)
    manager = models.CharField(max_length=80)
    value = models.DecimalField("value (EUR)", max_digits=12, decimal_places=2)
    starts_on = models.DateField(db_index=True)
    ends_on = models.DateField()

    class Meta:
        ordering = ["-starts_on", "-number"]

    def __str__(self) -> str:
        return f"{self.number} {self.title}"

    def get_absolute_url(self) -> str:
        return reverse("contract", args=[self.pk])

    @property
    def amount(self) -> str:
        """The value as lists show it; cheaper than a localised filter on each row."""
        return f"{self.value:,.2f}"

    @property
    def starts(self) -> str:
        """The first day as lists show it."""
        return f"{self.starts_on:%-d %b %Y}"

    @property
    def signable(self) -> bool:
        """Whether the contract still waits for its signature."""
        return self.status in (self.Status.DRAFT, self.Status.REVIEW)


class Item(models.Model):
    """One line of a contract's price schedule."""

    contract = models.ForeignKey(Contract, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveSmallIntegerField()
    description = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    unit = models.CharField(max_length=20)
    unit_price = models.DecimalField(max_digits=10, decimal_places=2)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["contract", "position"], name="one_item_per_position")]

    def __str__(self) -> str:
        return f"{self.position}. {self.description}"

    @property
    def total(self):
        """Quantity times unit price."""
        return self.quantity * self.unit_price


class Document(models.Model):
    """An uploaded file, of one contract or of none."""

    contract = models.ForeignKey(
        Contract,
        on_delete=models.CASCADE,
        related_name="documents",
        null=True,
        blank=True,
    )
    file = models.FileField(upload_to="documents/%Y/%m")
    name = models.CharField(max_length=255, editable=False)
    size = models.PositiveBigIntegerField(editable=False)
    uploaded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-uploaded_at", "-pk"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args, **kwargs) -> None:
        if self._state.adding:
            self.name = self.name or PurePosixPath(self.file.name).name
            self.size = self.file.size
        super().save(*args, **kwargs)
