"""Whether what a plan would load is enough, and what to say when it is not."""

from mrcnn.engine.legacy_h5 import LegacyWeights
from mrcnn.engine.legacy_names import Key
from mrcnn.engine.weights_advice import (
    HEADS,
    backbone_name,
    backbone_stages,
    differences,
    exclude_list,
    key_name,
    some,
)
from mrcnn.engine.weights_plan import Plan

_NO_START = "Too little of the backbone fits for training to start from this file"


def check_fit(plan: Plan, file: LegacyWeights, shapes: dict[Key, tuple], mode: str) -> None:
    """Raise when too little would be loaded for the mode.

    Args:
        plan: the match of file and model; a note may be added to it.
        file: what was read.
        shapes: {key: shape} of the model.
        mode: "inference" demands everything; "training" one whole backbone stage, and no
            weight of the same name but another shape.

    Raises:
        ValueError: names the reason and the change that would help.
    """
    stored = {key: array.shape for key, array in file.items()}
    reasons = differences(stored, shapes)
    if mode == "inference":
        _check_complete(plan, file, reasons)
        return
    filled = {assignment.key for assignment in plan.assignments}
    stages = backbone_stages(shapes).values()
    has_stage = any(filled.issuperset(keys) for keys in stages)
    if plan.mismatched:
        way = _training_way(plan, reasons) if has_stage else _NO_START
        raise ValueError(_refusal(file, _shape_lines(plan), reasons, way))
    if not has_stage:
        problem = f"it would fill {len(filled)} of {len(shapes)} weights and no backbone stage"
        way = f"The file begins with the layers {some(list(file.by_layer()))}"
        if plan.excluded:
            way += "; `exclude` may leave too much out"
        raise ValueError(_refusal(file, problem, reasons, way))
    names = backbone_name(k[1] for k in stored), backbone_name(k[1] for k in shapes)
    if None not in names and names[0] != names[1]:
        plan.notes.append(f"the file holds a {names[0]}, the model a {names[1]}: a part fits")


def _training_way(plan: Plan, reasons: list[str]) -> str:
    """The `exclude` that makes a training load work; for another kind of ResNet, the knob."""
    if _other_backbone(reasons) and any(key[1].startswith("res") for key, _, _ in plan.mismatched):
        return "Build the model with the file's BACKBONE, or start without this file"
    names = _all_excluded(plan)
    short = ' (or exclude="heads")' if set(names) == set(HEADS) else ""
    return f"To train from this file pass exclude={names!r}{short}"


def _all_excluded(plan: Plan) -> list[str]:
    """The whole `exclude` list that would work: what was given and what must be added."""
    return exclude_list([key for key, _, _ in plan.excluded + plan.mismatched])


def _check_complete(plan: Plan, file: LegacyWeights, reasons: list[str]) -> None:
    """Inference: every variable, and no ResNet that is only a part of the file's one."""
    dropped = any("HEADS_BATCH_NORM" in reason for reason in reasons)
    if not (plan.mismatched or plan.missing or plan.excluded or dropped
            or _other_backbone(reasons)):
        return
    problems = []
    if plan.mismatched:
        problems.append(_shape_lines(plan))
    if plan.missing:
        names = some([key_name(key) for key in plan.missing])
        problems.append(f"{len(plan.missing)} weights are not in it: {names}{_instead(plan)}")
    if plan.excluded:
        problems.append(f"`exclude` leaves out {some([key_name(k) for k, _, _ in plan.excluded])}")
    way = "Inference needs every weight: anything left out would answer at random. "
    if plan.mismatched and _other_backbone(reasons):
        way += "Build the model with the file's BACKBONE"
    elif plan.mismatched:
        way += (
            "Give the model the file's settings, or, to train from this file, use "
            f'mode="training" with exclude={_all_excluded(plan)!r}'
        )
    elif plan.excluded:
        way += 'Load without `exclude`, or build the model with mode="training" and train it'
    else:
        way += "Load a file of a whole trained model that was built with the same settings"
        if not plan.assignments:
            way += ", or pass by_name=False if only the layers' names differ"
    raise ValueError(_refusal(file, "; ".join(problems) or "another network", reasons, way))


def _instead(plan: Plan) -> str:
    """The layers of the file that the model has no use for, the first few by name."""
    layers = list(dict.fromkeys(key[0] for key in plan.unused))
    return f"; what it has instead, by layer: {some(layers, 6)}" if layers else ""


def _other_backbone(reasons: list[str]) -> bool:
    return any("BACKBONE=" in reason for reason in reasons)


def _shape_lines(plan: Plan) -> str:
    rows = [
        f"{key_name(key)} {stored} in the file, {shape} here"
        for key, stored, shape in plan.mismatched
    ]
    return f"{len(rows)} weights have another shape: {some(rows, 6)}"


def _refusal(file: LegacyWeights, problem: str, reasons: list[str], way: str) -> str:
    why = "".join(f"\n  - {reason}" for reason in reasons)
    return f"{file.path} does not fit this model: {problem}.{why}\n{way}."
