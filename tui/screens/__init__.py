"""Screens that stand before the stages: help, questions, details on small terminals."""
