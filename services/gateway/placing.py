"""Where the lines of a job come from and its results go, as far as the caller's key allows."""

from __future__ import annotations

from services.gateway.auth import Caller
from services.gateway.errors import HttpError
from services.gateway.files import Files
from services.gateway.house import House
from services.gateway.schemas import JobCreate
from services.gateway.taking import FromFile, FromPlace, Source
from shared.errors import FieldError
from shared.jobs.places import Place


def source_of(house: House, caller: Caller, asked: JobCreate) -> tuple[str, Source]:
    """The field that names the source of a job, and the source. FieldError where not exactly one is named."""
    if (asked.input is None) == (asked.input_file_id is None):
        raise FieldError("input_file_id", "and input exclude each other", "give exactly one of them")
    if asked.input_file_id is not None:
        return "input_file_id", FromFile(Files(house.store, caller.tenant), asked.input_file_id)
    place = _allowed(caller, "input", Place.of_object("input", asked.input or ""))
    return "input", FromPlace(place, house.settings.upload_bytes)


def checked_output(caller: Caller, address: str) -> Place:
    """The folder that results go to. FieldError where it is none, HttpError 403 where it isn't the key's."""
    return _allowed(caller, "output", Place.of_folder("output", address))


def _allowed(caller: Caller, field: str, place: Place) -> Place:
    if not place.is_within(caller.prefixes):
        text = f"{field}: {place} lies below no prefix of this key; have one put into the key file"
        raise HttpError(403, text, "prefix_not_allowed", param=field)
    return place
