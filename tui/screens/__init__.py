"""Screens that stand before the tabs: help, questions, details on small terminals."""
