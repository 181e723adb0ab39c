"""Typed functions over the rooms: what the API, the command line, the TUI and the jobs call.

Every function takes an `AppContext` first. Options and results are frozen dataclasses of plain values: they can be
pickled, and `pydantic.TypeAdapter` reads and writes them as JSON. Functions called ``run_*`` take long and accept a
`Reporter`; ``plan_*`` and the readers take seconds and change nothing.

They raise a `SamHubError` that a person can act on: a `CatalogError` for what the catalog does not hold, an
`InputError` for texts, labels or models that can't be used as they are, a `UsageError` for options, an
`UnusableModel`, `DiskFull`, and, where the Hub is asked, `NotFoundOnHub` and `HubError`.
"""
