"""A real embedded Hub for every test."""

from __future__ import annotations

from tests.support.hubs import adapter, hub, hub_root, server, stranger

__all__ = ["adapter", "hub", "hub_root", "server", "stranger"]
