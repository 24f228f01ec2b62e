"""Any value of the chunk schema, made from the models themselves: a new field is tested at once."""

import types
from typing import Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel

from streamkit.chunks import StreamChunk, UnknownChunk

CHUNK_CLASSES: tuple[type[StreamChunk], ...] = tuple(
    cls for cls in StreamChunk.__subclasses__() if cls is not UnknownChunk
)

_LINE_ENDS = st.sampled_from(["\x85", "\u2028", "\u2029", "\r\n", "\x00", "\U0001f600"])
texts = st.text(max_size=20) | st.builds(str.join, _LINE_ENDS, st.lists(st.text(max_size=5)))
_plain = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
json_values: st.SearchStrategy[Any] = st.recursive(
    _plain | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
unknown_fields = st.dictionaries(
    st.from_regex(r"x_[a-z]{1,5}", fullmatch=True), json_values, max_size=2
)

_PLAIN_TYPES: dict[object, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.integers(),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    Any: json_values,
    types.NoneType: st.none(),
    dict[str, Any]: st.dictionaries(texts, json_values, max_size=3),
}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value that a field with this annotation can have."""
    if annotation in _PLAIN_TYPES:
        return _PLAIN_TYPES[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in {Union, types.UnionType}:
        return st.one_of([values_of(each) for each in arguments])
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return records(annotation)
    raise NotImplementedError(f"no values for {annotation}")


def records(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Any value of a model, with unknown fields beside the known ones."""
    known = {name: values_of(field.annotation) for name, field in model.model_fields.items()}
    fields = st.builds(
        lambda own, more: {**own, **more}, st.fixed_dictionaries(known), unknown_fields
    )
    return fields.map(model.model_validate)


def any_chunks() -> st.SearchStrategy[StreamChunk]:
    """Any chunk of any type that this version knows, and of types that it does not."""
    unknown = records(UnknownChunk).map(
        lambda chunk: chunk.model_copy(update={"type": f"future_{chunk.index % 7}"})
    )
    return st.one_of([records(cls) for cls in CHUNK_CLASSES]) | unknown
