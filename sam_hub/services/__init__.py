"""Typed functions over the rooms: what the API, the command line, the TUI and the jobs call.

Every function takes an `AppContext` first. Options and results are frozen dataclasses of plain values: they can be
pickled, and `pydantic.TypeAdapter` reads and writes them as JSON. Functions called ``run_*`` take long and accept a
`Reporter`; ``plan_*`` and the readers take seconds and change nothing.

| Module | Functions |
|---|---|
| `context` | `AppContext`: settings, catalog, Hub |
| `experts` | `search_hub`, `inspect_repo`, `read_card`; `run_add`; `plan_update`, `run_update`; `plan_pull`, |
|  | `run_pull`; `plan_removal`, `run_removal` |
| `descriptors` | `run_describe`, `find_neighbours` |
| `targets` | `run_scan`, `run_create_target` |
| `selection` | `run_selection`, `latest_rankings`, `choose_experts` |
| `merges` | `merge_methods`, `preview_merges`, `plan_merges`, `run_merges`; `describe_merges` |
| `evaluation` | `plan_evaluation`, `run_evaluation`, `latest_scores`, `compare_sentences` |
| `prediction` | `run_prediction`, `predict_sentences` |
| `merged_ner` | `load_target_models`, `load_pretrained` |
| `push` | `plan_push`, `run_push` |
| `training` | `plan_training`, `run_training` |
| `pool` | `ServicePool`: any of them in another process |
"""
