"""Customers, contracts and the documents that belong to them."""
