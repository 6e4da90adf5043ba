"""A model file that is read without scikit-learn gives the same bits, or is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import cloudpickle
import numpy as np
import polars as pl
import pytest

from streamflow.catalog import parse_catalog
from streamflow.core.training.calibrator import Calibrator
from streamflow.core.training.decision import Decision, Economics
from streamflow.errors import ArtifactUntrusted
from streamflow.models.encoder import Encoder
from streamflow.models.kinds import MODEL_KINDS
from streamflow.models.model_arrays import _NodeReader, load_arrays
from streamflow.models.model_file import load, save
from streamflow.models.npy_array import HEADER_BEGIN, MARK, read_npy
from streamflow.models.pipelines import encoder_of, fit_model
from streamflow.models.predictor import compile_predictor
from streamflow.models.sending import allow_sending

CATALOG = """
model = "arrays"
[entity]
name = "user"
key = "user_id"
table = "facts"
[label]
table = "labels"
column = "left"
[views.facts_fv]
table = "facts"
[tables.facts.columns]
fee    = { type = "float", nullable = true, view = "facts_fv" }
months = { type = "int", view = "facts_fv" }
flag   = { type = "bool", view = "facts_fv" }
net    = { type = "string", nullable = true, categorical = true, view = "facts_fv" }
plan   = { type = "bool", nullable = true, categorical = true, view = "facts_fv" }
[tables.labels.columns]
left = { type = "bool" }
"""
DECISION = Decision(
    threshold=0.5,
    rule="set",
    calibrator=Calibrator(raw=(0.0, 1.0), calibrated=(0.1, 0.8)),
    economics=Economics(kept_value=200, offer_cost=20, offer_success=0.3),
)
READ_AS_ARRAYS = [kind.name for kind in MODEL_KINDS.values() if not kind.needs_objects]


def draw_rows(rows: int, *, seed: int) -> pl.DataFrame:
    """Rows with nulls in every nullable column, and categories that a smaller draw may lack."""
    draw = np.random.default_rng(seed)
    fee = [
        None if missing else fee
        for missing, fee in zip(
            draw.random(rows) < 0.1, draw.normal(60, 20, rows).round(2).tolist(), strict=True
        )
    ]
    return pl.DataFrame(
        {
            "fee": fee,
            "months": draw.integers(0, 72, rows),
            "flag": draw.random(rows) < 0.6,
            "net": draw.choice(np.array(["DSL", "Fiber", None], dtype=object), rows).tolist(),
            "plan": draw.choice(np.array([True, False, None], dtype=object), rows).tolist(),
        },
        schema_overrides={"net": pl.String, "plan": pl.Boolean},
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Any, Path]]:
    """Fit a model of a kind, and return its pipeline and its file."""
    catalog = parse_catalog(CATALOG, origin="test")
    folder = tmp_path_factory.mktemp("files")
    made: dict[str, tuple[Any, Path]] = {}

    def fit(kind: str) -> tuple[Any, Path]:
        if kind not in made:
            frame = draw_rows(400, seed=1)
            label = (frame["months"] + np.random.default_rng(2).integers(0, 60, 400)) < 50
            pipeline = fit_model(
                kind,
                frame,
                label.to_numpy().astype(np.int8),
                features=catalog.features,
                trees=8,
                seed=3,
            )
            path = folder / f"{kind}.skops"
            save(pipeline, path)
            made[kind] = pipeline, path
        return made[kind]

    return fit


def digest_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", READ_AS_ARRAYS)
def test_answers_and_reasons_have_the_bits_of_the_file_that_scikit_learn_reads(
    saved: Callable[[str], tuple[Any, Path]], kind: str
) -> None:
    _, path = saved(kind)
    arrays = load_arrays(path, expected_digest=digest_of(path))
    assert arrays is not None
    light = compile_predictor(arrays, DECISION)
    full = compile_predictor(load(path, expected_digest=digest_of(path)), DECISION)
    assert light.encoder == full.encoder
    frame = draw_rows(300, seed=5)
    assert light.probability(frame).tobytes() == full.probability(frame).tobytes()
    matrix = full.encoder.encode_frame(frame)
    light_terms, full_terms = (
        predictor.explainer.compute_contributions(matrix) for predictor in (light, full)
    )
    assert light_terms.columns.tobytes() == full_terms.columns.tobytes()
    assert light_terms.margin.tobytes() == full_terms.margin.tobytes()
    assert light_terms.base == full_terms.base


def test_boosting_needs_the_objects_of_scikit_learn(
    saved: Callable[[str], tuple[Any, Path]],
) -> None:
    _, path = saved("boosting")
    assert load_arrays(path, expected_digest=digest_of(path)) is None


def test_a_file_with_a_different_digest_is_not_parsed(
    saved: Callable[[str], tuple[Any, Path]],
) -> None:
    _, path = saved("baseline")
    with pytest.raises(ArtifactUntrusted, match="it was not parsed"):
        load_arrays(path, expected_digest="0" * 64)


def with_schema(source: Path, target: Path, change: Callable[[str], str]) -> Path:
    """A copy of a model file in which the text of the schema is changed."""
    with ZipFile(source) as old, ZipFile(target, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member == "schema.json":
                content = change(content.decode()).encode()
            new.writestr(member, content)
    return target


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"__class__": "asarray"', '"__class__": "sort"', "is not numpy.asarray"),
        ('"DecisionTreeClassifier"', '"ExtraTreeClassifier"', "among its trees"),
        ('"RandomForestClassifier"', '"ExtraTreesClassifier"', "a part is sklearn"),
        ('"OneHotEncoder"', '"OrdinalEncoder"', "a part is sklearn"),
        ('"__loader__": "TreeNode"', '"__loader__": "MethodNode"', "MethodNode"),
        ('"content": "\\"forest\\""', '"content": "\\"unknown\\""', "kind of model"),
    ],
)
def test_a_file_with_a_part_that_no_model_of_ours_has_is_refused(
    saved: Callable[[str], tuple[Any, Path]], tmp_path: Path, old: str, new: str, reason: str
) -> None:
    _, path = saved("baseline")

    def change(schema: str) -> str:
        text = json.dumps(json.loads(schema))
        assert old in text
        return text.replace(old, new)

    planted = with_schema(path, tmp_path / "planted.skops", change)
    with pytest.raises(ArtifactUntrusted, match=reason):
        load_arrays(planted, expected_digest=digest_of(planted))


def test_a_tree_that_reads_a_column_which_does_not_exist_is_refused(
    saved: Callable[[str], tuple[Any, Path]], tmp_path: Path
) -> None:
    pipeline, path = saved("baseline")
    width = encoder_of(pipeline).width

    def narrow(schema: str) -> str:
        """Let the trees declare one column less than they read."""
        text = json.dumps(json.loads(schema))
        assert f'"content": "{width}"' in text
        return text.replace(f'"content": "{width}"', f'"content": "{width - 1}"')

    planted = with_schema(path, tmp_path / "planted.skops", narrow)
    with pytest.raises(ArtifactUntrusted, match="column|width"):
        load_arrays(planted, expected_digest=digest_of(planted))


def test_the_encoder_has_the_categories_in_their_order(
    saved: Callable[[str], tuple[Any, Path]],
) -> None:
    pipeline, path = saved("logistic")
    arrays = load_arrays(path, expected_digest=digest_of(path))
    assert arrays is not None
    encoder = encoder_of(arrays)
    assert isinstance(encoder, Encoder)
    assert encoder == encoder_of(pipeline)
    assert encoder.categories["net"] == ("DSL", "Fiber", None)


def npy(array_type: str, shape: str, *, fortran_order: bool = False) -> bytes:
    """The file of an array without content."""
    header = f"{{'descr': {array_type}, 'fortran_order': {fortran_order}, 'shape': {shape}, }}\n"
    return MARK + len(header).to_bytes(HEADER_BEGIN - len(MARK), "little") + header.encode()


@pytest.mark.parametrize(
    "content",
    [
        npy("'<f8'", "(1000000000000, 0)"),
        npy("'<f8'", "(1000000000000, 0)", fortran_order=True),
        npy("'|V0'", "(1000000000000,)", fortran_order=True),
        npy("'|S0'", "(1000000000000,)"),
        npy("'<f8'", "(-1,)"),
        npy("'|O'", "(0,)"),
        npy("(" * 5_000 + ")" * 5_000, "(0,)"),
        b"",
    ],
)
def test_an_array_that_no_model_of_ours_has_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # by NumPy or by us
        read_npy(content)


def test_a_list_of_objects_has_no_length_without_content(
    saved: Callable[[str], tuple[Any, Path]], tmp_path: Path
) -> None:
    _, path = saved("baseline")

    def lengthen(schema: str) -> str:
        nodes = json.loads(schema)
        encoder = nodes["content"]["content"]["steps"]["content"][0]["content"][1]
        names = encoder["content"]["content"]["feature_names_in_"]
        names["content"] = []
        names["shape"]["content"] = [
            {"__loader__": "JsonNode", "content": str(length)} for length in (10**12, 0)
        ]
        return json.dumps(nodes)

    planted = with_schema(path, tmp_path / "planted.skops", lengthen)
    with pytest.raises(ArtifactUntrusted, match="has 0 bytes"):
        load_arrays(planted, expected_digest=digest_of(planted))


def test_a_file_that_is_two_models_is_refused(
    saved: Callable[[str], tuple[Any, Path]], tmp_path: Path
) -> None:
    """skops takes an id that it knows for the same object, whatever the node contains."""
    _, path = saved("baseline")

    def hide_a_tree(schema: str) -> str:
        nodes = json.loads(schema)
        forest = nodes["content"]["content"]["steps"]["content"][1]["content"][1]
        trees = forest["content"]["content"]["estimators_"]["content"]
        trees[1]["__id__"] = trees[0]["__id__"]
        return json.dumps(nodes)

    planted = with_schema(path, tmp_path / "planted.skops", hide_a_tree)
    digest = digest_of(planted)
    trees = load(planted, expected_digest=digest).named_steps["forest"].estimators_
    assert trees[0] is trees[1]
    with pytest.raises(ArtifactUntrusted, match="different nodes with the id"):
        load_arrays(planted, expected_digest=digest)


def test_a_member_that_many_nodes_name_is_read_once() -> None:
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr("a.npy", npy("'<f8'", "(0,)"))
    with ZipFile(file) as archive:
        reader = _NodeReader(archive)
        node = {"__loader__": "NdArrayNode", "type": "numpy", "file": "a.npy"}
        assert reader.read(node) is reader.read(dict(node))


@pytest.mark.parametrize("kind", list(MODEL_KINDS))
def test_a_predictor_that_was_sent_to_another_process_has_the_same_bits(
    saved: Callable[[str], tuple[Any, Path]], kind: str
) -> None:
    pipeline, _ = saved(kind)
    predictor = compile_predictor(pipeline, DECISION)
    allow_sending()
    sent = cloudpickle.loads(cloudpickle.dumps(predictor.without_reasons))
    frame = draw_rows(300, seed=5)
    assert sent(frame).tobytes() == predictor.probability(frame).tobytes()
