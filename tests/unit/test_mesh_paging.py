"""Page tokens."""

import base64

import pytest
from dataflow_mesh.errors import PageTokenInvalidError
from dataflow_mesh.paging import decode, encode, page_size
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import StringValue
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.lists(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()), max_size=5)


@given(KEYS)
def test_a_key_comes_back_as_it_was(key: list[str | int | float | bool | None]) -> None:
    """Any key that is not NaN survives, also text that no database would take."""
    token = encode(key, "/s/m", StringValue(value="f"))
    assert decode(token, "/s/m", StringValue(value="f")) == tuple(key)
    assert token.isascii()


def test_an_empty_token_is_the_first_page() -> None:
    """There is no key before the first row."""
    assert decode("", "/s/m") is None


def test_a_token_of_another_list_is_refused() -> None:
    """The method is part of the binding."""
    with pytest.raises(PageTokenInvalidError):
        decode(encode(["a"], "/s/one"), "/s/two")


def test_a_token_of_another_filter_is_refused() -> None:
    """Changing the filter between two pages would skip rows."""
    with pytest.raises(PageTokenInvalidError):
        decode(encode(["a"], "/s/m", StringValue(value="x")), "/s/m", StringValue(value="y"))


def test_the_order_of_map_entries_does_not_change_a_filter() -> None:
    """The same filter built another way is the same filter."""
    one, two = Struct(), Struct()
    one.update({"a": 1, "b": 2})
    two.update({"b": 2, "a": 1})
    assert decode(encode(["k"], "/s/m", one), "/s/m", two) == ("k",)


@given(st.text())
def test_rubbish_is_refused_and_never_an_accident(token: str) -> None:
    """Whatever a caller sends is a page token error or the first page."""
    if token:
        with pytest.raises(PageTokenInvalidError):
            decode(token, "/s/m")


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_token_is_refused(position: int, change: int) -> None:
    """Every byte counts."""
    raw = bytearray(base64.urlsafe_b64decode(encode(["key", 1], "/s/m") + "=="))
    raw[position % len(raw)] ^= change
    with pytest.raises(PageTokenInvalidError):
        decode(base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode(), "/s/m")


@pytest.mark.parametrize(("requested", "given_size"), [(0, 100), (-1, 100), (5, 5), (1_000, 1_000), (10**9, 1_000)])
def test_the_page_size_has_a_default_and_a_limit(requested: int, given_size: int) -> None:
    """0 means the default, and nobody gets more than the maximum."""
    assert page_size(requested) == given_size
