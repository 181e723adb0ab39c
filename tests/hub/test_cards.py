"""Cards tell what a model is made of, in metadata a Hub accepts, and nothing that is private."""

from __future__ import annotations

from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from sam_hub.errors import InputError
from sam_hub.hub.cards import (
    Evaluation,
    ExpertCard,
    MergeCard,
    MergeInput,
    ScoreRow,
    SelectionRow,
    load_snippet,
    model_card,
)

POLITICS = Evaluation(
    dataset="CrossNER politics",
    split="test",
    sentences=650,
    rows=(ScoreRow("this model", 0.5, 0.4, 0.4444, 0.012), ScoreRow("base", 0.1, 0.1, 0.1)),
)
EXPERT = ExpertCard(
    repo="acme/ner-news",
    base="acme/base",
    domain="news",
    labels=("person", "work of art"),
    prompt_format="b2ner",
    license="Apache-2.0",
    data_origin="WikiGold",
    data_license="CC-BY-4.0",
    attribution="Balasuriya et al. 2009",
    recipe={"rank": 8, "learning rate": 0.0006},
    evaluations=(POLITICS,),
)
MERGE = MergeCard(
    repo="acme/ner-politics",
    base="acme/base",
    base_commit="b" * 40,
    method="ties",
    parameters={"density": 0.5},
    inputs=(MergeInput("acme/ner-news", "a" * 40, 1.0, "apache-2.0"),),
    selected_by="similarity",
    selection=(SelectionRow("acme/ner-news", 0.8, 0.7, 0.9, True), SelectionRow("acme/law | x", 0.1)),
    target="politics",
    labels=("person",),
    prompt_format="b2ner",
    license="apache-2.0",
    configuration="merge_method: ties\n",
    evaluations=(POLITICS,),
)


def test_an_experts_card_is_valid_metadata() -> None:
    data = ModelCard(model_card(EXPERT)).data
    assert (data.base_model, data.license, data.library_name) == ("acme/base", "apache-2.0", "peft")
    assert data.get("base_model_relation") == "adapter"
    assert {"sam-hub", "named-entity-recognition", "ner-label:work-of-art"} <= set(data.tags)
    [result] = data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("f1", 0.4444, "CrossNER politics")


def test_a_merges_card_says_where_a_person_chose_and_not_the_ranking() -> None:
    assert "by hand" not in model_card(MERGE)
    assert "chosen by hand" in model_card(replace(MERGE, by_hand=True))


def test_an_experts_card_tells_data_recipe_and_scores_beside_the_base() -> None:
    text = model_card(EXPERT)
    for told in ("WikiGold", "CC-BY-4.0", "Balasuriya", "**rank:** 8", "| base | 0.100 |", "1.2%"):
        assert told in text


def test_a_merges_card_tells_inputs_selection_and_how_to_reproduce() -> None:
    text = model_card(MERGE)
    data = ModelCard(text).data
    assert data.base_model == ["acme/base", "acme/ner-news"]
    assert data.get("base_model_relation") == "merge"
    for told in ("a" * 40, "b" * 40, "density = 0.5", "0.700 to 0.900", "merge_method: ties", "acme/law \\| x"):
        assert told in text
    assert 'from_pretrained("acme/ner-politics")' in text


def test_a_model_without_scores_says_so() -> None:
    text = model_card(replace(MERGE, evaluations=()))
    assert "Not evaluated" in text
    assert ModelCard(text).data.eval_results is None


@pytest.mark.parametrize("secret", ["/home/me/models/base", "C:\\Users\\me\\base", "file:///x", "http://127.0.0.1:80"])
def test_local_paths_never_leave(secret: str) -> None:
    with pytest.raises(InputError, match="would contain"):
        model_card(replace(MERGE, configuration=f"model: {secret}"))


def test_tokens_never_leave_nor_show() -> None:
    token = "hf_" + "a" * 34
    with pytest.raises(InputError, match="an access token") as caught:
        model_card(replace(EXPERT, attribution=token))
    assert token not in str(caught.value)


def test_the_code_that_loads_a_model_names_the_hub_where_that_is_not_the_public_one():
    assert "HF_ENDPOINT" not in load_snippet("acme/merged", adapter=False)
    code = load_snippet("acme/merged", adapter=False, endpoint="http://127.0.0.1:8765")
    assert code.index('os.environ["HF_ENDPOINT"] = "http://127.0.0.1:8765"') < code.index("transformers")
