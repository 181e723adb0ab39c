"""A catalog in which the job was done, with numbers that are the same each time: for pictures of the tabs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog, open_catalog
from sam_hub.catalog.experts import list_experts
from sam_hub.catalog.history import record_selections
from sam_hub.catalog.predictions import Question, put_entities
from sam_hub.catalog.targets import define_target
from sam_hub.config import Settings
from sam_hub.evaluation.systems import gold_hash, read_gold
from sam_hub.ner.text import Entity
from tests.tui.filled import fill

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GOLD = (
    '{"text": "The court of Paris heard Marie Curie.", "entities": [{"start": 4, "end": 9, "label": "court"}, '
    '{"start": 25, "end": 36, "label": "person"}]}\n'
    '{"text": "Judge Ada Byron spoke.", "entities": [{"start": 6, "end": 15, "label": "person"}]}\n'
)
PREDICTED = (
    (Entity(4, 18, "court of Paris", "court"), Entity(25, 36, "Marie Curie", "person")),
    (Entity(0, 5, "Judge", "court"),),
)
ORIGINS = ("repo", "corpus", "dataset", "card")
DISAGREEMENTS = [
    {
        "text": "The court of Paris heard Marie Curie.",
        "says": [{"start": 4, "end": 18, "text": "court of Paris", "label": "court"}],
        "others": [{"start": 4, "end": 9, "text": "court", "label": "court"}],
    },
    {
        "text": "After a long day in court, and much to the surprise of all, " * 4 + "Judge Ada Byron spoke.",
        "says": [],
        "others": [{"start": 246, "end": 255, "text": "Ada Byron", "label": "person"}],
    },
]
SCORES = {"sam-hub/base (untuned)": 0.11, "acme/ner-000000-legal": 0.42, "SaM (union)": 0.58}


def decide(settings: Settings, folder: Path) -> None:
    """Seven experts, a target, both rankings, scores of three systems with their sentences, and jobs of all kinds."""
    fill(settings.catalog_url, 7)
    (folder / "corpus.txt").write_text("The court of Paris heard Marie Curie.\nJudge Ada Byron spoke.\n")
    (folder / "gold.jsonl").write_text(GOLD)
    with open_catalog(settings.catalog_url) as catalog:
        target = define_target(catalog, "court", folder / "corpus.txt", ["person", "court"], gold=folder / "gold.jsonl")
        experts = list_experts(catalog)[:4]
        for method in ("similarity", "sampling"):
            _rank(catalog, target, method, experts if method == "similarity" else experts[::-1])
        _score(catalog, target, experts[0], folder / "gold.jsonl")
        _jobs(catalog)


def _rank(catalog: Catalog, target: tables.Target, method: str, experts: list[tables.Expert]) -> None:
    rows = []
    for place, expert in enumerate(experts):
        score, spread = 0.62 - 0.17 * place, 0.08 if method == "sampling" else 0.0
        covers = [label for label in target.labels if label in expert.labels]
        note = "" if covers else "covers none of the labels"
        values = {"expert": expert.repo, "score": score, "low": score - spread, "high": score + spread}
        rows.append({**values, "covers": covers, "note": note, "precision": score, "recall": score})
        at = place if method == "similarity" else len(experts) - 1 - place
        near = {"cosine": 0.62 - 0.17 * at, "rank": 1 + at, "origin": ORIGINS[at]}
        rows[-1] |= {"near": near, "domain": expert.domain}
        if method == "sampling":
            rows[-1] |= {"agreement": 0.7 - 0.1 * place, "disagreements": DISAGREEMENTS}
    parameters = {"votes": "leave-self-out", "threshold": 0.5, "minimum": 2, "seed": 0, "sentences": 40}
    pseudo = {"pseudo_entities": {row["expert"]: 20 + place for place, row in enumerate(rows)}}
    record_selections(
        catalog,
        tables.Selection(
            target_id=target.id,
            method=method,
            k=2,
            parameters={**parameters, **pseudo} if method == "sampling" else {"embedder": "all-MiniLM-L6-v2"},
            ranking=rows,
            chosen=[expert.ref for expert in [e for e in experts if set(e.labels) & set(target.labels)][:2]],
        ),
    )


def _score(catalog: Catalog, target: tables.Target, expert: tables.Expert, gold_file: Path) -> None:
    gold = read_gold(gold_file, target.labels)
    question = Question("expert", expert.id or 0, "s" * 64, "b2ner", tuple(target.labels), "greedy")
    kept = put_entities(catalog, question, PREDICTED, seconds=1.5, target_id=target.id)
    for name, f1 in SCORES.items():
        types = {
            label: {"precision": f1 + 0.1, "recall": f1 - 0.1, "f1": f1, "support": number}
            for number, label in enumerate(target.labels, 2)
        }
        catalog.add(
            tables.Evaluation(
                target_id=target.id,
                name=name,
                test_sha256=gold_hash(gold),
                precision=f1 + 0.1,
                recall=f1 - 0.1,
                f1=f1,
                support=3,
                parse_failures=0,
                per_type=types,
                prediction_ids=[kept.id],
                seconds=1.5,
            )
        )


def _jobs(catalog: Catalog) -> None:
    titles = {
        "done": ("pull", "pull acme/ner-000000-legal"),
        "failed": ("pull", "pull acme/ner-000001-biomedical"),
        "cancelled": ("select", "rank experts for court"),
        "interrupted": ("merge", "merge for court"),
    }
    for number, (state, (kind, title)) in enumerate(titles.items()):
        began = NOON + timedelta(minutes=number)
        failed = state in ("failed", "interrupted")
        arguments = {"expert": title.split()[1]} if kind == "pull" else {"target": "court"}
        catalog.add(
            tables.Job(
                kind=kind,
                title=title,
                arguments=arguments,
                queue="network" if kind == "pull" else "compute",
                state=state,
                error_title="The Hub did not answer" if failed else None,
                error_action="Check the network, and run it again." if failed else None,
                created_at=began,
                started_at=began,
                ended_at=began + timedelta(seconds=75),
            )
        )
