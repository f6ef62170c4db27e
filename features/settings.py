"""Settings of a shop, from one `regulars.toml`; every one has a default that works."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

CONFIG_NAME = "regulars.toml"
CONFIG_VARIABLE = "REGULARS_CONFIG"
"""Environment variable that names the settings file where no other is given."""


class Section(BaseModel):
    """A part of the settings; a key it does not know is an error, so that a misspelt one is not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ShopSettings(Section):
    """Who the shop is."""

    name: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9-]{0,40}$", description="short name, used in MLflow")
    currency: str = Field("GBP", description="as shown in reports")
    time_zone: str = Field("UTC", description="the shop's wall time; moments with a time zone are converted to it")

    @field_validator("time_zone")
    @classmethod
    def known(cls, value: str) -> str:
        """Only names of the IANA database."""
        if value not in available_timezones():
            raise ValueError(f"{value!r} is no time zone of the IANA database; write for example 'Europe/London'")
        return value


class DataSettings(Section):
    """How tables are read."""

    bad_rows: Literal["refuse", "set_aside"] = Field(
        "refuse", description="rows that cannot be used: refuse the run, or set them aside in a file with reasons"
    )
    trust_undated: bool = Field(
        False, description="take rows of customers and products without valid_from as true at past moments too"
    )


class ChurnSettings(Section):
    """What counts as leaving."""

    by: Literal["orders", "contract"] = Field(
        "orders", description="churn is no order within the horizon; or contract: cancelling (`customers.left_at`)"
    )
    horizon_days: int = Field(90, ge=1, le=730, description="no order, or a cancellation, within so many days is churn")
    too_new_days: int = Field(7, ge=0, description="first order, or the contract, within so many days: too_new")
    lapse_horizons: float = Field(4, gt=0, description="no order for this many horizons: lapsed (by orders only)")

    @property
    def is_contract(self) -> bool:
        """Whether churn is cancelling."""
        return self.by == "contract"


class NextProductSettings(Section):
    """What counts as bought next."""

    horizon_days: int | None = Field(None, ge=1, le=730, description="window of the next purchase; default: churn's")
    top: int = Field(10, ge=1, le=100, description="products suggested to each customer")


class FeatureSettings(Section):
    """How far features look back, and which a shop adds."""

    windows_days: tuple[int, ...] = Field((30, 90, 180, 365), min_length=1, description="look-back windows")
    own: tuple[str, ...] = Field(
        (), description="features of one's own: Python files (from the settings' folder), modules, or entry points"
    )
    own_changed: Literal["refuse", "warn"] = Field(
        "refuse", description="a model whose own features were written anew since it was trained: refuse it, or warn"
    )
    known_ahead: tuple[str, ...] = Field(
        (), description="columns ('table.column') that are plans, which `check --leaks` does not call leaks"
    )

    @field_validator("windows_days")
    @classmethod
    def rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        """Sorted, positive, without repetition."""
        if list(value) != sorted(set(value)) or value[0] < 1:
            raise ValueError(f"windows must be rising and at least one day, not {list(value)}")
        return value


class MoneySettings(Section):
    """What things cost where the tables do not say."""

    gross_margin: float = Field(0.4, ge=0, le=1, description="margin over revenue where no cost is known")
    cost_per_support_minute: float = Field(0.6, ge=0, description="currency units a minute of service")
    referral_share: float = Field(0.5, ge=0, le=1, description="share of referred margin credited to the referrer")


class TrainSettings(Section):
    """How models are trained and compared."""

    cutoffs: int = Field(4, ge=1, le=24, description="moments of the rolling backtest")
    snapshot_every_days: int = Field(30, ge=1, description="distance of the training snapshots")
    max_snapshot_rows: int = Field(500_000, ge=1_000, description="training rows at most, sampled by customer")
    threads: int = Field(2, ge=1, description="threads of the models")


class OutreachSettings(Section):
    """What a contact costs and who may get one."""

    budget: float | None = Field(None, ge=0, description="currency units for one list; default: no bound")
    cost_per_contact: float = Field(0.5, ge=0, description="where a play does not say")
    offer: float = Field(0.0, ge=0, description="value of the offer given with retain and win back")
    hold_out_share: float = Field(0.1, ge=0, le=0.5, description="random share of every list that is not contacted")
    days_between_contacts: int = Field(14, ge=0, description="nobody is contacted more often")
    contacts_per_year: int = Field(12, ge=1, description="nobody is contacted more often")
    minutes_per_contact: float = Field(5, ge=0, description="an account owner's time for one contact")
    owner_hours: float = Field(8, ge=0, description="hours each account owner has for one list")
    ignored_before_backing_off: int = Field(3, ge=1, description="contacts without an order before effort is reduced")


class MlflowSettings(Section):
    """Where runs are tracked."""

    tracking_uri: str | None = Field(None, description="default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db")
    experiment: str | None = Field(None, description="default: regulars, or regulars-<shop name>")


class Settings(Section):
    """All settings of a shop."""

    shop: ShopSettings = ShopSettings()
    data: DataSettings = DataSettings()
    churn: ChurnSettings = ChurnSettings()
    next_product: NextProductSettings = NextProductSettings()
    features: FeatureSettings = FeatureSettings()
    money: MoneySettings = MoneySettings()
    train: TrainSettings = TrainSettings()
    outreach: OutreachSettings = OutreachSettings()
    mlflow: MlflowSettings = MlflowSettings()

    @property
    def product_horizon_days(self) -> int:
        """Window in which a product counts as bought next."""
        return self.next_product.horizon_days or self.churn.horizon_days

    @property
    def model_name(self) -> str:
        """Name of the registered model and of the experiment."""
        return f"regulars-{self.shop.name}" if self.shop.name else "regulars"


DEFAULT_STORE = "sqlite:///mlflow.db"


def tracking_uri(settings: Settings) -> str:
    """Where runs and models are tracked: MLFLOW_TRACKING_URI, else the settings' place, else a file here."""
    return os.environ.get("MLFLOW_TRACKING_URI") or settings.mlflow.tracking_uri or DEFAULT_STORE


class SettingsError(ValueError):
    """A settings file that cannot be used; the message names the file, the key and what was expected."""


def read_settings(path: Path | None = None) -> Settings:
    """Settings from `path`, else the file that REGULARS_CONFIG names, else `regulars.toml` here, else the defaults.

    Files that `[features] own` names are found from the folder of the settings.

    Raises:
        SettingsError: if the file is missing, is not TOML, or holds a key or value that is not allowed.
    """
    if path is None:
        named = os.environ.get(CONFIG_VARIABLE)
        path = Path(named or CONFIG_NAME)
        if not named and not path.exists():
            return Settings()
    try:
        settings = Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        return with_own(settings, [_found_from(path.parent, one) for one in settings.features.own])
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: there is no such settings file") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 ({error}); save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(_problem(one["loc"], one["type"], one["msg"]) for one in error.errors())
        raise SettingsError(f"{path}: {problems}") from error


def with_own(settings: Settings, own: Iterable[str]) -> Settings:
    """The settings with these features of one's own."""
    return settings.model_copy(update={"features": settings.features.model_copy(update={"own": tuple(own)})})


def _found_from(folder: Path, named: str) -> str:
    """A Python file as seen from the settings' folder; names of modules and entry points as they are."""
    return str((folder / named).resolve()) if named.endswith(".py") else named


def _problem(place: tuple[int | str, ...], kind: str, message: str) -> str:
    """One thing that is wrong: '[churn] horizont_days is no setting; perhaps horizon_days is meant'."""
    *section, key = map(str, place)
    where = f"[{'.'.join(section)}] {key}" if section else f"[{key}]"
    if kind != "extra_forbidden":
        return f"{where}: {message}"
    known = list(_keys(section))
    meant = get_close_matches(key, known, n=1)
    return f"{where} is no setting; " + (f"perhaps {meant[0]} is meant" if meant else f"there are {', '.join(known)}")


def _keys(section: list[str]) -> Iterable[str]:
    """Names of what may stand in a section, or of the sections."""
    part: type[BaseModel] = type(getattr(Settings(), section[0])) if section else Settings
    return list(part.model_fields)
