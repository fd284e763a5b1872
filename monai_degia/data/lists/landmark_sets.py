"""What is known of a set of landmarks: names, bones, left and right, and what is called its size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from monai_degia.data.lists.bones import BoneChain, chains_of, joined_bones
from monai_degia.errors import UserError, did_you_mean

__all__ = ["HAND17", "HAND21", "LANDMARK_SETS", "LandmarkSet", "Landmarks", "flip_permutation", "landmark_names"]
__all__ += ["landmark_set"]

_SUFFIXES = (".json", ".yaml", ".yml")
_BOX = "box"


@dataclass(frozen=True)
class LandmarkSet:
    """Names of K landmarks and, where wanted, what else is known of them.

    Args:
        names: of the landmarks, in order.
        bones: pairs of joints, each from the trunk to the tip. A joint need not be a landmark of the set: ``hand17``
            has no wrist, and its fingers still leave one.
        pairs: landmarks that change places when the image is mirrored. Without any, ``left_*`` and ``right_*`` (or
            ``*_left`` and ``*_right``) do.
        size: what errors are measured in: ``box``, the longer side of the box around the landmarks, or the names of
            the two whose distance it is.
        object: what the landmarks are on, as texts name it.
        sided: whether there is a left and a right one of the object, mirror images of each other. A network that learns
            one of them alone gets images of the other one, as a DICOM header may tell, mirrored.
        fan: joint to how far each chain of bones that leaves it turns when all fan out, in the order of ``bones``, from
            -1 to 1. By default they fan out evenly.

    Raises:
        ValueError: if names are blank or repeated, or anything else speaks of what is not there.

    """

    names: tuple[str, ...]
    bones: tuple[tuple[str, str], ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    size: str | tuple[str, str] = _BOX
    object: str = "object"
    sided: bool = False
    fan: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", _names(self.names))
        for name in ("bones", "pairs"):
            object.__setattr__(self, name, tuple(_pair(name, entry) for entry in getattr(self, name)))
        if self.size != _BOX:
            object.__setattr__(self, "size", _pair("size", self.size))
            self._check("size", self.size)
        members = [name for pair in self.pairs for name in pair]
        self._check("pairs", members)
        if len(set(members)) < len(members):
            raise UserError("A landmark can be in one left/right pair only.")

    def _check(self, what: str, wanted: Sequence[str]) -> None:
        for name in wanted:
            if name not in self.names:
                raise UserError(
                    f"{what} names {name!r}, which is no landmark of the set.{did_you_mean(name, self.names)}"
                )

    @property
    def size_ends(self) -> tuple[int, int] | None:
        """Places of the two landmarks whose distance is the size; ``None`` for the box."""
        if isinstance(self.size, str):
            return None
        return self.names.index(self.size[0]), self.names.index(self.size[1])

    @property
    def size_name(self) -> str:
        """What errors are measured in, in words."""
        if len(self.names) == 1:
            return "the image's longer side"
        return f"{self.object} size" if isinstance(self.size, str) else f"{self.size[0]} to {self.size[1]}"

    @property
    def skeleton(self) -> list[tuple[int, int]]:
        """Pairs of places among the landmarks, a line of a picture each; joints that are no landmarks are passed by."""
        return joined_bones(self.names, self.bones)

    @property
    def chains(self) -> list[BoneChain]:
        """Chains of at least two landmarks that can turn about their first one.

        Raises:
            ValueError: if ``fan`` does not fit the bones.

        """
        found, every = [], chains_of(self.bones)
        for joint, shares in self.fan.items():
            if len(shares) != (count := sum(chain.root == joint for chain in every)):
                raise UserError(f"fan has {len(shares)} shares for {joint!r}, which {count} chains of bones leave.")
        for chain in every:
            joints = tuple(joint for joint in chain.joints if joint in self.names)
            if len(joints) > 1:
                share = self.fan[chain.root][chain.order] if chain.root in self.fan else chain.fan
                found.append(replace(chain, joints=joints, fan=share))
        return found

    def subset(self, names: Sequence[str]) -> LandmarkSet:
        """The same knowledge of some of the landmarks.

        Args:
            names: among those of the set, in the wanted order.

        Raises:
            ValueError: if the set has no such landmark.

        """
        self._check("landmarks", names)
        size = self.size if self.size == _BOX or set(self.size) <= set(names) else _BOX
        pairs = tuple(pair for pair in self.pairs if set(pair) <= set(names))
        return replace(self, names=tuple(names), pairs=pairs, size=size)

    def to_config(self) -> str | list[str] | dict[str, Any]:
        """The shortest form that :func:`landmark_set` reads: a known name, names alone, or all but defaults."""
        for name, known in LANDMARK_SETS.items():
            if known == self:
                return name
        if self == landmark_set(self.names):
            return list(self.names)
        default = LandmarkSet(self.names)
        content = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        told = {key: value for key, value in content.items() if key == "names" or value != getattr(default, key)}
        return json.loads(json.dumps(told))

    @classmethod
    def from_config(cls, content: Mapping[str, Any]) -> LandmarkSet:
        """Read a mapping such as one of the files that come with the package.

        Raises:
            ValueError: if an entry is unknown, missing or of another form.

        """
        known = {entry.name for entry in fields(cls)}
        for key in content:
            if key not in known:
                raise UserError(f"A landmark set has no entry {key!r}.{did_you_mean(str(key), known)}")
        if "names" not in content:
            raise UserError("A landmark set needs the names of its landmarks: names: [...].")
        try:
            found = cls(**content)
            _ = found.chains  # bones and fan have to fit each other
        except (TypeError, AttributeError, KeyError) as error:
            raise UserError(f"A landmark set has an entry of another form: {error}") from error
        return found


#: Whatever says which landmarks are meant, see :func:`landmark_set`.
Landmarks: TypeAlias = str | PathLike[str] | Sequence[str] | Mapping[str, Any] | LandmarkSet


def landmark_set(landmarks: Landmarks) -> LandmarkSet:
    """Resolve whatever says which landmarks are meant.

    Args:
        landmarks: a key of ``LANDMARK_SETS``; a ``.json`` or ``.yaml`` file with the arguments of :class:`LandmarkSet`;
            these as a mapping; or the K names in the wanted order. Names that are all of one known set keep what is
            known of them.

    Returns:
        The set.

    Raises:
        ValueError: if the set is unknown, its file cannot be read, or names are empty, blank or repeated.

    """
    if isinstance(landmarks, LandmarkSet):
        return landmarks
    if isinstance(landmarks, Mapping):
        return LandmarkSet.from_config(landmarks)
    if isinstance(landmarks, PathLike) or (isinstance(landmarks, str) and landmarks.lower().endswith(_SUFFIXES)):
        return _read(Path(landmarks).expanduser())
    if isinstance(landmarks, str):
        if landmarks not in LANDMARK_SETS:
            raise UserError(
                f"Unknown landmark set {landmarks!r}.{did_you_mean(landmarks, LANDMARK_SETS)} Available: "
                f"{', '.join(sorted(LANDMARK_SETS))}; or pass a list of names, or a .json or .yaml file."
            )
        return LANDMARK_SETS[landmarks]
    names = _names(landmarks)
    return next((s.subset(names) for s in LANDMARK_SETS.values() if set(names) <= set(s.names)), LandmarkSet(names))


def landmark_names(landmarks: Landmarks) -> tuple[str, ...]:
    """The names of :func:`landmark_set`, in order; their number is K.

    Args:
        landmarks: see there.

    """
    return landmark_set(landmarks).names


def flip_permutation(landmarks: Landmarks) -> list[int]:
    """Order in which landmarks must be read after their image has been mirrored.

    Mirroring turns the left eye into a right eye, so both change places: those of ``pairs``, or those that are named
    so. Landmarks of a single hand carry no side in their names, so for them the result is the identity.

    Args:
        landmarks: see :func:`landmark_set`.

    Returns:
        K indices; ``points[indices]`` are the points in the order of the names. The permutation is its own inverse.

    Raises:
        ValueError: if a name has a side but its partner is not among the names.

    """
    known = landmark_set(landmarks)
    position = {name: index for index, name in enumerate(known.names)}
    if known.pairs:
        partner = {a: b for pair in known.pairs for a, b in (pair, pair[::-1])}
        return [position[partner.get(name, name)] for name in known.names]
    partners = [_other_side(name) for name in known.names]
    lonely = [f"{a!r} needs {b!r}" for a, b in zip(known.names, partners, strict=True) if b not in position]
    if lonely:
        raise UserError(
            f"Mirroring exchanges left and right, but {'; '.join(lonely)}. Add the missing partner or rename."
        )
    return [position[partner] for partner in partners]


def _names(landmarks: Any) -> tuple[str, ...]:
    if isinstance(landmarks, (str, bytes)) or not isinstance(landmarks, Sequence):
        raise UserError(f"Landmark names must be a list of strings, got {landmarks!r}.")
    names = tuple(landmarks)
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise UserError(f"Landmark names must be a non-empty list of non-blank strings, got {list(names)!r}.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UserError(f"Landmark names must differ, but these are repeated: {', '.join(repeated)}.")
    return names


def _pair(what: str, entry: Any) -> tuple[str, str]:
    if isinstance(entry, str) or not isinstance(entry, Sequence) or len(entry) != 2 or entry[0] == entry[1]:
        raise UserError(f"{what} is made of pairs of two different names, got {entry!r}.")
    return str(entry[0]), str(entry[1])


def _read(path: Path) -> LandmarkSet:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))  # JSON is YAML, too
    except RecursionError:
        raise UserError(f"{path} cannot be read as a landmark set: it is nested too deeply.") from None
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:  # the second and third of dates and keys
        raise UserError(f"{path} cannot be read as a landmark set ({error}).") from error
    if isinstance(content, list):
        return LandmarkSet(tuple(content))
    if not isinstance(content, Mapping):
        raise UserError(f"{path} is no landmark set: it should have names: [...] and, optionally, bones, pairs, size.")
    try:
        return LandmarkSet.from_config(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _other_side(name: str) -> str:
    for side, other in (("left", "right"), ("right", "left")):
        if name.startswith(f"{side}_"):
            return f"{other}_{name.removeprefix(f'{side}_')}"
        if name.endswith(f"_{side}"):
            return f"{name.removesuffix(f'_{side}')}_{other}"
    return name


#: The sets that come with the package, files in ``sets/``, the larger first.
LANDMARK_SETS: dict[str, LandmarkSet] = {
    name: LandmarkSet(**json.loads((Path(__file__).parent / "sets" / f"{name}.json").read_text(encoding="utf-8")))
    for name in ("hand21", "hand17")
}

HAND21: tuple[str, ...] = LANDMARK_SETS["hand21"].names
"""Wrist, then thumb to little finger, each from the palm to the tip."""

HAND17: tuple[str, ...] = LANDMARK_SETS["hand17"].names
"""``HAND21`` without the four joints whose place on the skin and on the bone differ most."""
