"""README's Python example, as a script: ``python api_example.py CORPUS GOLD REPO EXPERT...``. It prints JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import sam_hub

LABELS = ["person", "organization", "location", "event"]
NEW = ["Angela Merkel led the CDU.", "  The Senate met\tin Canberra in 1988.", "No name is here."]


def main(corpus: str, gold: str, repo: str, *experts: str) -> None:
    """Do the whole job: a target, a selection of these experts, a merge, entities, scores, a push."""
    texts = [line for line in Path(corpus).read_text(encoding="utf-8").splitlines() if line][:40]
    with sam_hub.SamHub(progress=False) as hub:
        hub.pull(*experts)
        target = hub.create_target("by-api", texts=texts, labels=LABELS, replace=True)
        selection = target.select(k=2, experts=experts, sample=20)
        ner = target.merge(selection)
        entities = ner.predict_entities(NEW, batch_size=2)
        scores = ner.evaluate(gold)
        ner.push_to_hub(repo)
    pushed = sam_hub.MergedNER.from_pretrained(repo, progress=False)
    assert pushed.predict_entities(NEW) == entities
    chosen = {method: list(experts) for method, experts in selection.chosen.items()}
    print(json.dumps({"chosen": chosen, "entities": entities, "f1": scores.f1}))


if __name__ == "__main__":
    main(*sys.argv[1:])
