"""One class of settings: from the environment, then from a file, then defaults."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from sam_hub.errors import UsageError

FILE_NAME = "settings.toml"
PUBLIC_HUB = "https://huggingface.co"
EMBEDDED_HUB = "embedded"


def default_home() -> Path:
    """``SAM_HUB_HOME``, or the platform's data folder for applications."""
    if home := os.environ.get("SAM_HUB_HOME"):
        return Path(home).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("sam-hub", appauthor=False)


def share_processors() -> None:
    """Limit how long torch's threads spin when they wait for one another; to be called before torch is imported.

    They wait hundreds of times in a pass. By default they spin for long, and beside another busy process, the thread
    that is waited for does not get its turn. Seconds for 40 sentences in bfloat16 on two cores, alone and with one core
    busy, by the number of spins: by default 3.4 and more than 75; 10,000: 3.7 and 11; 4,000: 3.9 and 8; 2,000: 5.4 and
    8. One thread takes 6.7 s beside the other process.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")


class Settings(BaseSettings):
    """All that can be set, from ``SAM_HUB_*`` variables or ``settings.toml`` in the home folder.

    ``HF_ENDPOINT`` and ``HF_TOKEN`` have the same effect as in other Hugging Face tools.
    """

    model_config = SettingsConfigDict(
        env_prefix="SAM_HUB_", env_ignore_empty=True, extra="forbid", frozen=True, populate_by_name=True
    )

    home: Path = Field(default_factory=default_home, description="the folder for everything that sam-hub keeps")
    database_url: str | None = Field(
        None, description="SQLAlchemy URL of the catalog. Default: SQLite in the home folder"
    )
    endpoint: str = Field(
        PUBLIC_HUB,
        validation_alias=AliasChoices("SAM_HUB_ENDPOINT", "HF_ENDPOINT"),
        description="address of the Hub, or 'embedded' for a Hub in the home folder",
    )
    token: str | None = Field(
        None,
        validation_alias=AliasChoices("SAM_HUB_TOKEN", "HF_TOKEN"),
        repr=False,
        description="Hub token. Default: the token that `hf auth login` stored",
    )
    offline: bool = Field(
        False, validation_alias=AliasChoices("SAM_HUB_OFFLINE", "HF_HUB_OFFLINE"), description="never use the network"
    )
    device: str = Field("auto", description="auto, cpu, cuda, or mps")
    dtype: str = Field(
        "auto", description="number type of the models: float32, bfloat16, or auto (bfloat16 if the CPU or GPU has it)"
    )
    embedder: str = Field("all-MiniLM-L6-v2", description="the sentence embedder of descriptors")
    theme: str = Field("textual-dark", description="theme of the UI, as the command palette lists them")
    ascii: bool = Field(False, description="show words and plain borders instead of symbols in the UI")
    keys: dict[str, str] = Field(
        default_factory=dict, description="other keys for actions of the UI, by the ID of the action"
    )
    threads: int = Field(0, ge=0, description="CPU threads for a model. 0: torch's default")

    @field_validator("home", mode="before")
    @classmethod
    def _whole_path(cls, value: object) -> Path:
        return Path(str(value)).expanduser().absolute() if str(value) else default_home()

    @field_validator("endpoint")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value == EMBEDDED_HUB:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("not an address, such as https://huggingface.co")
        _ = parts.port  # raises ValueError if it is no number
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        home = Path(init_settings().get("home") or default_home())
        file = TomlConfigSettingsSource(settings_cls, toml_file=home / FILE_NAME)
        return init_settings, env_settings, file

    @property
    def catalog_url(self) -> str:
        """SQLAlchemy URL of the catalog."""
        return self.database_url or f"sqlite:///{self.home / 'catalog.db'}"

    @property
    def models(self) -> Path:
        """Where pulled experts and bases lie."""
        return self.home / "models"

    @property
    def hub(self) -> Path:
        """Where the embedded Hub keeps its repositories."""
        return self.home / "hub"

    @property
    def merges(self) -> Path:
        """Where merged models lie."""
        return self.home / "merges"


def load_settings(**overrides: object) -> Settings:
    """Read the settings, and explain a bad one.

    Raises:
        UsageError: a variable or the settings file holds something that can't be used.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        raise UsageError(
            f"The setting '{name}' can't be used: {problem['msg']}",
            f"Correct it in the environment or in {default_home() / FILE_NAME}.",
        ) from error
    except ValueError as error:  # TOML that does not parse
        raise UsageError(
            f"{default_home() / FILE_NAME} can't be read: {error}", "Correct the file, or delete it."
        ) from error
