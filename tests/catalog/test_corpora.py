"""The home keeps a copy of a target's texts, and no copy that nothing needs any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_hub.catalog.engine import Catalog, open_catalog
from sam_hub.catalog.removal import execute_target_removal, plan_target_removal
from sam_hub.catalog.tables import Target
from sam_hub.catalog.targets import define_target, get_target, put_target
from sam_hub.errors import CatalogError, InputError
from sam_hub.ner.readers import read_corpus
from sam_hub.ner.scanning import scan_corpus

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
    shared = {"corpus_path": court.corpus_path, "corpus_sha256": court.corpus_sha256, "sentence_count": 1}
    put_target(catalog, Target(name="street", labels=["place"], **shared))  # by the library: commands copy
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


def test_other_labels_of_a_name_that_is_taken_leave_its_copy_alone(catalog: Catalog, texts: Path) -> None:
    made = define_target(catalog, "court", texts, ["person"])
    with pytest.raises(CatalogError, match="other labels"):
        define_target(catalog, "court", texts, ["place"])
    assert copies(catalog) == [Path(made.corpus_path)]


def test_a_home_under_another_name_keeps_the_copy(catalog: Catalog, texts: Path, tmp_path: Path) -> None:
    made = define_target(catalog, "court", texts, ["person"])
    (tmp_path / "link").symlink_to(catalog.path.parent)
    with open_catalog(f"sqlite:///{tmp_path / 'link' / 'catalog.db'}") as same:
        define_target(same, "court", texts, ["person"])
        assert Path(get_target(same, "court").corpus_path).is_file()
        assert copies(same) == [tmp_path / "link" / "targets" / Path(made.corpus_path).name]


def test_an_old_plan_touches_no_later_target(catalog: Catalog, texts: Path) -> None:
    define_target(catalog, "court", texts, ["person"])
    plan = plan_target_removal(catalog, "court")
    execute_target_removal(catalog, plan)
    define_target(catalog, "street", texts, ["person"])
    plan.copy.write_text(PARIS, encoding="utf-8")
    with pytest.raises(CatalogError, match="no longer in the catalog"):
        execute_target_removal(catalog, plan)
    assert copies(catalog) == sorted([plan.copy, Path(get_target(catalog, "street").corpus_path)])


LABELLED = '{"text": "Eve lives in Oslo.", "entities": [{"start": 0, "end": 3, "label": "person"}]}\n'


def test_the_labelled_file_in_the_corpus_folder_is_not_read_as_corpus(
    catalog: Catalog, texts: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "court"
    (folder / "more").mkdir(parents=True)
    (folder / "texts.txt").write_text(PARIS)
    (folder / "more" / "texts.txt").write_text(ROME)
    (folder / "gold.jsonl").write_text(LABELLED)
    made = define_target(catalog, "court", folder, ["person"], gold=folder / "more" / ".." / "gold.jsonl")
    kept = [sentence.text for sentence in read_corpus(Path(made.corpus_path))]
    assert kept == ["Bob lives in Rome.", "Ann lives in Paris."]
    assert Path(made.gold_path).samefile(folder / "gold.jsonl")
    scan = scan_corpus(folder, gold=folder / "gold.jsonl")
    assert (scan.sentences, scan.files, scan.labelled, scan.skipped) == (2, 2, 0, ())
    assert scan.left_out == "gold.jsonl is the labeled file: not read as corpus"
    assert scan_corpus(folder, gold=texts).left_out == ""
    assert scan_corpus(folder).sentences == 3


def test_a_folder_of_labelled_files_in_the_corpus_folder_is_left_out_whole(catalog: Catalog, texts: Path) -> None:
    gold = texts.parent / "gold"
    gold.mkdir()
    for name in ("a.jsonl", "b.jsonl"):
        (gold / name).write_text(LABELLED)
    made = define_target(catalog, "court", texts.parent, ["person"], gold=gold)
    assert made.sentence_count == 1
    told = "a.jsonl, b.jsonl are the labeled files: not read as corpus"
    assert scan_corpus(texts.parent, gold=gold).left_out == told


def test_where_nothing_else_is_in_the_folder_that_is_said(catalog: Catalog, tmp_path: Path) -> None:
    folder = tmp_path / "gold-only"
    folder.mkdir()
    (folder / "gold.jsonl").write_text(LABELLED)
    with pytest.raises(InputError, match="has no sentences other than the labeled ones"):
        define_target(catalog, "court", folder, ["person"], gold=folder / "gold.jsonl")
    assert define_target(catalog, "same", folder, ["person"], gold=folder).sentence_count == 1
    file = folder / "gold.jsonl"
    assert define_target(catalog, "file", file, ["person"], gold=file).sentence_count == 1
