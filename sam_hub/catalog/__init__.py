"""What we know: bases, experts and targets, what was computed for them, and what was done with them.

Its names are found at their first use: `sam_hub.catalog.browsing` is imported without SQLAlchemy, which takes long.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam_hub.catalog.answers import Asked, find_answers, prompt_hash, put_answers
    from sam_hub.catalog.clozes import find_clozes, put_clozes
    from sam_hub.catalog.descriptors import (
        DescribedOtherwise,
        Neighbour,
        described_otherwise,
        descriptors_of,
        get_descriptor,
        nearest,
        pack,
        put_descriptor,
        read_descriptor,
        unpack,
    )
    from sam_hub.catalog.experts import (
        add_base,
        add_expert,
        count_experts,
        experts_at,
        get_base,
        get_expert,
        list_bases,
        list_experts,
        place_expert,
    )
    from sam_hub.catalog.history import (
        find_merge,
        get_evaluation,
        get_merge,
        latest_selection,
        list_evaluations,
        list_merges,
        list_probes,
        list_pushes,
        record_evaluation,
        record_merge,
        record_probe,
        record_push,
        record_selections,
    )
    from sam_hub.catalog.jobs import ENDED, add_job, forget_jobs, get_job, list_jobs
    from sam_hub.catalog.opening import Catalog, open_catalog
    from sam_hub.catalog.predictions import (
        Answers,
        Question,
        entities_of,
        get_prediction,
        predictions_by_id,
        put_prediction,
    )
    from sam_hub.catalog.removal import (
        RemovalPlan,
        TargetRemovalPlan,
        execute_removal,
        execute_target_removal,
        plan_removal,
        plan_target_removal,
    )
    from sam_hub.catalog.tables import (
        Answer,
        Base,
        Descriptor,
        Evaluation,
        Expert,
        ExpertCreate,
        ExpertPublic,
        Job,
        Merge,
        Prediction,
        Probe,
        Push,
        Selection,
        Similarity,
        Target,
    )
    from sam_hub.catalog.targets import get_target, get_target_by_id, list_targets, put_target, set_gold

__all__ = [
    "ENDED",
    "Answer",
    "Answers",
    "Asked",
    "Base",
    "Catalog",
    "DescribedOtherwise",
    "Descriptor",
    "Evaluation",
    "Expert",
    "ExpertCreate",
    "ExpertPublic",
    "Job",
    "Merge",
    "Neighbour",
    "Prediction",
    "Probe",
    "Push",
    "Question",
    "RemovalPlan",
    "Selection",
    "Similarity",
    "Target",
    "TargetRemovalPlan",
    "add_base",
    "add_expert",
    "add_job",
    "count_experts",
    "described_otherwise",
    "descriptors_of",
    "entities_of",
    "execute_removal",
    "execute_target_removal",
    "experts_at",
    "find_answers",
    "find_clozes",
    "find_merge",
    "forget_jobs",
    "get_base",
    "get_descriptor",
    "get_evaluation",
    "get_expert",
    "get_job",
    "get_merge",
    "get_prediction",
    "get_target",
    "get_target_by_id",
    "latest_selection",
    "list_bases",
    "list_evaluations",
    "list_experts",
    "list_jobs",
    "list_merges",
    "list_probes",
    "list_pushes",
    "list_targets",
    "nearest",
    "open_catalog",
    "pack",
    "place_expert",
    "plan_removal",
    "plan_target_removal",
    "predictions_by_id",
    "prompt_hash",
    "put_answers",
    "put_clozes",
    "put_descriptor",
    "put_prediction",
    "put_target",
    "read_descriptor",
    "record_evaluation",
    "record_merge",
    "record_probe",
    "record_push",
    "record_selections",
    "set_gold",
    "unpack",
]

HOMES = (
    "answers",
    "clozes",
    "descriptors",
    "experts",
    "history",
    "jobs",
    "opening",
    "predictions",
    "removal",
    "tables",
    "targets",
)


def __getattr__(name: str) -> object:
    for home in HOMES if name in __all__ else ():
        module = import_module(f"{__name__}.{home}")
        if hasattr(module, name):
            globals()[name] = getattr(module, name)
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
