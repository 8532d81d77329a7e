"""A shop: orders, payments with retries, receipts."""
