"""The demo's home, where its base is there already."""

from __future__ import annotations

from pathlib import Path

from sam_hub.demo.stocking import demo_home, prepare_home
from sam_hub.settings import FILE_NAME, Settings, load_settings


def test_what_a_person_has_set_in_the_demos_home_stays(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    home = demo_home(settings)
    base = home / "base" / "SmolLM2-135M-Instruct"
    base.mkdir(parents=True)
    (base / "model.safetensors").touch()
    assert prepare_home(settings, print) == base
    with (home / FILE_NAME).open("a") as file:
        file.write('theme = "nord"\n')
    prepare_home(settings, print)
    made = load_settings(home=home)
    assert (made.endpoint, made.theme) == ("embedded", "nord")
