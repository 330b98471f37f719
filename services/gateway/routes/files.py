"""Files, as the OpenAI API knows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from services.gateway.batches import BatchShelf
from services.gateway.described import errors_of, streamed_response
from services.gateway.errors import HttpError
from services.gateway.files import FILE, Files, StoredFile
from services.gateway.house import Asked, Here
from services.gateway.multipart import Form
from services.gateway.openai_schemas import FileList, FileObject
from services.gateway.options import check_cursor
from services.gateway.schemas import Deleted
from services.gateway.streaming import streamed
from services.gateway.views import file_view
from shared.errors import FieldError

router = APIRouter(prefix="/v1/files", tags=["files"])

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
_LONGEST_NAME = 255
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "purpose": {"type": "string", "enum": list(PURPOSES)},
                        "file": {"type": "string", "format": "binary"},
                    },
                    "required": ["purpose", "file"],
                },
                "example": {"purpose": "batch", "file": '{"problem": "1 + 1 = ?", "text": "1 + 1 = 2"}\n'},
            }
        },
    }
}


@router.post("", responses=errors_of(408), openapi_extra=_FORM)
async def upload_file(request: Request, house: Here, caller: Asked) -> FileObject:
    """Upload a file; it streams into the store. Content-Encoding gzip and zstd are undone."""
    form = Form(request.headers.get("content-type", ""))
    files = Files(house.store, caller.tenant)

    def work(chunks: Iterator[bytes]) -> StoredFile:
        return files.write(form.content(chunks), lambda: _about(form))

    return file_view(await house.intake.run(request, work))


def _about(form: Form) -> tuple[str, str]:
    purpose = form.fields.get("purpose")
    if purpose not in PURPOSES:
        raise FieldError("purpose", f"is {(purpose or '')[:40]!r}", f"give one of {', '.join(PURPOSES)}")
    return (form.filename or "upload")[:_LONGEST_NAME], purpose


@router.get("", responses=errors_of())
def list_files(
    house: Here,
    caller: Asked,
    after: Annotated[str | None, Query(max_length=80)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Literal["asc", "desc"] = "desc",
    purpose: Annotated[str | None, Query(max_length=40)] = None,
) -> FileList:
    """Files, newest first unless told otherwise."""
    files = Files(house.store, caller.tenant)
    check_cursor(FILE, after)
    found = list(files.page(after, limit + 1, purpose=purpose, oldest=order == "asc"))
    data = [file_view(file) for file in found[:limit]]
    return FileList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=len(found) > limit,
    )


@router.get("/{file_id}", responses=errors_of(404))
def get_file(file_id: str, house: Here, caller: Asked) -> FileObject:
    """One file."""
    return file_view(Files(house.store, caller.tenant).get(file_id))


@router.get(
    "/{file_id}/content",
    response_class=StreamingResponse,
    responses={
        200: streamed_response("application/octet-stream", "The file's bytes.", '{"line": 1}\n'),
        **errors_of(404),
    },
)
def get_file_content(file_id: str, house: Here, caller: Asked) -> StreamingResponse:
    """Content of a file."""
    return streamed(Files(house.store, caller.tenant).content(file_id), "application/octet-stream")


@router.delete("/{file_id}", responses=errors_of(404, 409))
def delete_file(file_id: str, house: Here, caller: Asked) -> Deleted:
    """Delete a file. Jobs that were made of it keep their lines; an open batch needs it (409)."""
    files, shelf = Files(house.store, caller.tenant), BatchShelf(house.store, caller.tenant)
    files.get(file_id)
    user = next((batch.id for batch in shelf.open() if batch.input_file_id == file_id), None)
    if user is not None:
        text = f"file_id: {file_id} is needed by {user}; wait for its end, or cancel it"
        raise HttpError(409, text, "file_in_use", param="file_id")
    files.delete(file_id)
    return Deleted(id=file_id, object="file")
