"""Where a study's problems and students come from: the miniature, or files and models of the user."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.pipeline.study.items import StudyProblem
from services.pipeline.study.parts import Problems, Student
from shared.domain import EvaluationProblem, Problem
from shared.errors import FieldError, NotFoundError
from shared.jsonl import BadLine, JsonObject, read_objects
from shared.study.config import ProblemSettings, StudentSettings, StudyConfig

MINIATURE = "miniature:"
DEFAULT = "default"
SHIPPED = Path(__file__).parents[1] / "studies"


def problems_of(settings: ProblemSettings, *, choosing_rates: bool = False) -> Problems:
    """The problems that a config names; while rates are chosen, the evaluation has problems of its own."""
    if settings.kind == "miniature":
        return MiniatureProblems(settings, "rates" if choosing_rates else "evaluation")
    return FileProblems(settings, choosing_rates)


def students_of(settings: StudentSettings) -> list[Student]:
    """The students that a config names, each with the digest of its weights, tokenizer and template.

    ``default`` is the default of the whole project: SmolLM2-135M-Instruct, where its package is installed.
    """
    return [_student(name) for name in settings.models]


def given_texts(config: StudyConfig) -> dict[str, dict[str, str]]:
    """For arms of given texts: by field of the file of problems, and by id. Lines without the field lack."""
    fields = {arm.options["field"] for arm in config.arms if arm.maker == "given"}
    if fields and config.problems.kind != "file":
        cure = "write problems.kind = 'file'"
        raise FieldError("arms", "take texts of the file of problems, which there isn't", cure)
    return {name: _texts(config.problems.file, name) for name in fields}


@dataclass(frozen=True, slots=True)
class MiniatureProblems:
    """Generated word problems; the splits of the generator share none."""

    settings: ProblemSettings
    evaluated: str

    def draw(self, seed: int) -> Sequence[StudyProblem]:
        """Problems of the split for arms."""
        from services.embedded.miniature.problems import Split, problems

        found = problems(seed, self.settings.count, Split.ARMS)
        return [StudyProblem(one.id, one.problem()) for one in found]

    def held_out(self, seed: int) -> Sequence[EvaluationProblem]:
        """Problems of the split for evaluation, or of the one for choosing rates."""
        from services.embedded.miniature.problems import Split, problems

        found = problems(seed, self.settings.held_out, Split(self.evaluated))
        return [one.evaluation() for one in found]


@dataclass(frozen=True, slots=True)
class FileProblems:
    """Problems of JSON Lines files: ``problem``, ``gold``, and where they are known ``reference`` and ``id``.

    A draw takes `count` lines by its seed. While rates are chosen, the evaluation takes lines that the
    study's own evaluation leaves out.
    """

    settings: ProblemSettings
    choosing_rates: bool = False

    def draw(self, seed: int) -> Sequence[StudyProblem]:
        """Problems of `file`."""
        return _chosen(_read("problems.file", self.settings.file), self.settings.count, seed)

    def held_out(self, seed: int) -> Sequence[EvaluationProblem]:
        """Problems of `held_out_file`. FieldError where one is in `file` too, word for word."""
        found = _read("problems.held_out_file", self.settings.held_out_file)
        seen = {one.problem.text.strip() for one in _read("problems.file", self.settings.file)}
        if twice := next((one for one in found if one.problem.text.strip() in seen), None):
            problem = f"holds {twice.id!r}, which problems.file holds too"
            raise FieldError("problems.held_out_file", problem, "remove it from one of the two")
        chosen = _chosen(found, self.settings.held_out, seed)
        if self.choosing_rates:
            taken = {one.id for one in chosen}
            chosen = [one for one in found if one.id not in taken]
            if not chosen:
                cure = "give more problems than held_out"
                raise FieldError("problems.held_out_file", "has none left to choose rates on", cure)
        return [one.asked() for one in chosen]


def _read(field: str, name: str | None) -> list[StudyProblem]:
    with _found(field, name).open("rb") as stream:
        found = [_problem(field, line) for line in read_objects(stream)]
    if len({one.id for one in found}) != len(found):
        raise FieldError(field, "holds an id twice", "give every problem an id of its own")
    return found


def _found(field: str, name: str | None) -> Path:
    """The file itself, or the one of that name beside the shipped configs."""
    path = Path(name or "")
    if path.is_file():
        return path
    if name and path.parent == Path() and (SHIPPED / path).is_file():
        return SHIPPED / path
    raise NotFoundError(f"{field}: there is no file {path}; paths are relative to where you are")


def _texts(file: str | None, name: str) -> dict[str, str]:
    """The texts of one field by the id of their problem."""
    with _found("problems.file", file).open("rb") as stream:
        lines = [line for line in read_objects(stream) if not isinstance(line, BadLine)]
    texts = {_id(number, item): item.get(name) for number, item in lines}
    found = {key: text for key, text in texts.items() if isinstance(text, str) and text.strip()}
    if not found:
        raise FieldError("arms", f"take the field {name!r}, which no problem has", "name a field of the file")
    return found


def _id(number: int, item: JsonObject) -> str:
    return str(item.get("id") or f"line-{number}")


def _problem(field: str, line: tuple[int, JsonObject] | BadLine) -> StudyProblem:
    if isinstance(line, BadLine):
        raise FieldError(f"{field}, line {line.line}", line.reason, "correct it")
    number, item = line
    for name in ("problem", "gold"):
        if not isinstance(item.get(name), str) or not item[name].strip():
            raise FieldError(f"{field}, line {number}, {name}", "is missing", "give it as a string")
    reference = item.get("reference")
    told = reference if isinstance(reference, str) and reference.strip() else None
    return StudyProblem(_id(number, item), Problem(item["problem"], item["gold"], told))


def _chosen(found: Sequence[StudyProblem], count: int, seed: int) -> list[StudyProblem]:
    if len(found) <= count:
        return list(found)
    places = sorted(random.Random(seed).sample(range(len(found)), count))
    return [found[place] for place in places]


def _student(name: str) -> Student:
    from transformers import PreTrainedTokenizerFast

    from services.inference.checkpoint import digest_of, find_folder

    found, folder = find_folder(_place(name))
    template = PreTrainedTokenizerFast.from_pretrained(folder).chat_template
    return Student(found if name == DEFAULT else name, str(folder), digest_of(folder, template))


def _place(name: str) -> Path | str | None:
    if name == DEFAULT:
        return None
    return _miniature(name) if name.startswith(MINIATURE) else name


def _miniature(name: str) -> Path:
    from services.embedded.miniature.shipped import student_folder

    seed = name.removeprefix(MINIATURE)
    if not seed.isdigit():
        raise FieldError("student.models", f"holds {name!r}", "write miniature:1 or a model's folder")
    return student_folder(int(seed))
