"""Of a data set on the Hub, the train split is read; which files these are is told by their names alone."""

from __future__ import annotations

import pytest

from sam_hub.errors import InputError, NotFoundOnHub
from sam_hub.hub.card_text import PROSE_LIMIT, named_datasets, prose
from sam_hub.hub.client import Hub
from sam_hub.hub.datasets import MOST_BYTES, read_dataset, train_files
from sam_hub.hub.file_rules import RemoteFile
from tests.support.growth import assert_grows_linearly


def chosen(*paths: str, size: int = 10) -> list[str]:
    return [f.path for f in train_files([RemoteFile(path, size, None, "") for path in sorted(paths)])]


@pytest.mark.parametrize(
    ("files", "train"),
    [
        (["README.md", "train.jsonl", "dev.jsonl", "test.jsonl"], ["train.jsonl"]),
        (["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-0.parquet"],
         ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]),
        (["default/train/0000.parquet", "default/validation/0000.parquet"], ["default/train/0000.parquet"]),
        (["train.conll", "train.jsonl"], ["train.jsonl"]),
        (["train.txt", "raw/train.txt"], ["train.txt"]),
        (["corpus.txt", "LICENSE.txt", "loader.py", "dataset_infos.json", "../train.txt"], ["corpus.txt"]),
    ],
)  # fmt: skip
def test_the_train_split_is_told_by_names(files: list[str], train: list[str]) -> None:
    assert chosen(*files) == train


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (["loader.py", "train.zip", "train.bin"], "no file can be read"),
        (["one.txt", "two.txt"], "no file is named as its train split"),
        (["de/train.txt", "en/train.txt"], "several train splits"),
    ],
)
def test_where_it_can_not_be_told_nothing_is_guessed(files: list[str], why: str) -> None:
    with pytest.raises(InputError, match=why):
        chosen(*files)


def test_what_is_too_large_is_not_fetched() -> None:
    with pytest.raises(InputError, match="larger than"):
        chosen("train.jsonl", size=MOST_BYTES + 1)
    shards = [f"train-{n}.jsonl" for n in range(5)]
    assert chosen(*shards, size=MOST_BYTES // 2) == shards[:2]


def test_a_data_set_is_read_at_the_commit_it_has_now(hub: Hub) -> None:
    api = hub.api()
    api.create_repo("acme/court", repo_type="dataset")
    where = {"repo_id": "acme/court", "repo_type": "dataset", "path_in_repo": "train.txt"}
    first = api.upload_file(path_or_fileobj=b"The court rose.\nAll stood.\n", **where).oid
    text = read_dataset(hub, "acme/court")
    assert text.ref == f"acme/court@{first}"
    assert [sentence.text for sentence in text.sentences] == ["The court rose.", "All stood."]


def test_a_private_data_set_is_not_there_for_a_stranger(hub: Hub, stranger: Hub) -> None:
    hub.api().create_repo("acme/secret", repo_type="dataset", private=True)
    with pytest.raises(NotFoundOnHub, match="no repository 'acme/secret'"):
        read_dataset(stranger, "acme/secret")


CARD = """---
license: mit
datasets:
- acme/court
- acme/court
- "evil\\e[2J"
- [nested]
---
# The title is no sentence of it

<!-- a hidden comment of some length -->
This adapter finds **judges** in [rulings](https://example.org/a). It reads `code` slowly,
as lawyers do.

- An item stands alone without a stop
- Short

| a | table | row | here |
|---|---|---|---|

```python
model = load("and this is code, not prose")
```
More at https://example.org/more <br> for all the curious readers!
"""


def test_a_card_names_its_data_sets_and_tells_in_prose() -> None:
    assert named_datasets(CARD) == ("acme/court",)
    assert [sentence.text for sentence in prose(CARD)] == [
        "This adapter finds judges in rulings.",
        "It reads slowly, as lawyers do.",
        "An item stands alone without a stop",
        "More at for all the curious readers!",
    ]


@pytest.mark.parametrize(
    "card",
    ["", "---\n", "---\ndatasets: [\n---\n", "---\n- a list\n---\n", "---\n" + "[" * 50_000 + "\n---\n", "# Title"],
)  # fmt: skip
def test_a_card_without_any_says_nothing(card: str) -> None:
    assert (named_datasets(card), prose(card)) == ((), [])


def test_a_card_that_would_unfold_without_end_is_read_at_once() -> None:
    """Anchors that are merged again and again: built into objects, they would fill the memory."""
    levels = "".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    assert named_datasets(f"---\na0: &a0 {{x: 1}}\n{levels}datasets: acme/court\n---\n") == ("acme/court",)


@pytest.mark.parametrize("sign", ["<!--", "<", "[", "![", "](", "`", "*_", "> ", "- ", "http://", "a. "])
def test_a_card_made_to_be_slow_is_not(sign: str) -> None:
    assert_grows_linearly(lambda length: prose((sign * length)[:length]), PROSE_LIMIT // 4)
