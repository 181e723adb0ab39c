"""The home keeps a copy of a target's texts, and no copy that nothing needs any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_hub.catalog import Catalog, execute_target_removal, get_target, plan_target_removal
from sam_hub.catalog.corpora import define_target
from sam_hub.errors import CatalogError

PARIS, ROME = "Ann lives in Paris.\n", "Bob lives in Rome.\n"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    file = tmp_path / "texts.txt"
    file.write_text(PARIS, encoding="utf-8")
    return file


def copies(catalog: Catalog) -> list[Path]:
    return sorted((catalog.path.parent / "targets").iterdir())


def test_the_copy_goes_with_its_target_and_the_texts_themselves_stay(catalog: Catalog, texts: Path) -> None:
    define_target(catalog, "court", texts, ["person"])
    define_target(catalog, "street", texts, ["person"])
    plan = plan_target_removal(catalog, "court")
    assert plan.copy in copies(catalog)
    execute_target_removal(catalog, plan)
    assert copies(catalog) == [Path(get_target(catalog, "street").corpus_path)]
    assert texts.read_text(encoding="utf-8") == PARIS


def test_a_copy_that_another_target_uses_stays(catalog: Catalog, texts: Path) -> None:
    court = define_target(catalog, "court", texts, ["person"])
    define_target(catalog, "street", Path(court.corpus_path), ["place"])
    with catalog.writing() as session:
        twin = session.merge(get_target(catalog, "street"))
        twin.corpus_path = court.corpus_path
    plan = plan_target_removal(catalog, "court")
    assert plan.copy is None
    execute_target_removal(catalog, plan)
    assert Path(court.corpus_path).exists()


def test_another_corpus_takes_the_place_of_the_old_copy(catalog: Catalog, texts: Path) -> None:
    define_target(catalog, "court", texts, ["person"])
    texts.write_text(ROME, encoding="utf-8")
    made = define_target(catalog, "court", texts, ["person"], replace=True)
    assert copies(catalog) == [Path(made.corpus_path)]
    again = define_target(catalog, "court", texts, ["person", "place"], replace=True)
    assert copies(catalog) == [Path(again.corpus_path)]


def test_a_name_that_is_taken_leaves_no_second_copy(catalog: Catalog, texts: Path) -> None:
    made = define_target(catalog, "court", texts, ["person"])
    texts.write_text(ROME, encoding="utf-8")
    with pytest.raises(CatalogError, match="another corpus"):
        define_target(catalog, "court", texts, ["person"])
    assert copies(catalog) == [Path(made.corpus_path)]
