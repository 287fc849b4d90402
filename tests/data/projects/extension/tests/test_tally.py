import pytest

from tally import Table


@pytest.fixture
def table():
    table = Table()
    table.put("one", 1)
    table.put("two", 2)
    return table


@pytest.mark.parametrize("count", range(1, 11))
def test_length(count):
    table = Table()
    for number in range(count):
        table.put(number, "x")
    assert len(table) == count


@pytest.mark.parametrize("numbers", [[], [1], [1, 2], [-1, 1], [10**9] * 3, [2**40]])
def test_total(numbers):
    table = Table()
    for place, number in enumerate(numbers):
        table.put(place, number)
    assert table.total() == sum(numbers)


def test_total_leaves_out_words(table):
    table.put("word", "three")
    assert table.total() == 3


def test_total_too_large(table):
    table.put("large", 2**70)
    with pytest.raises(OverflowError):
        table.total()


def test_put_replaces(table):
    table.put("one", 11)
    assert len(table) == 2
    assert table.total() == 13


def test_drop(table):
    table.drop("one")
    assert len(table) == 1


def test_drop_of_what_is_missing(table):
    with pytest.raises(KeyError):
        table.drop("three")


def test_find_a_large_value_twice(table):
    table.put("blob", bytes(64 << 20))
    assert len(table.find("blob")) == 64 << 20
    assert len(table.find("blob")) == 64 << 20


@pytest.mark.parametrize("key", [[], {}, set()])
def test_a_key_must_be_hashable(table, key):
    with pytest.raises(TypeError):
        table.put(key, 1)


def test_find_what_is_missing_often(table):
    for number in range(200_000):
        assert table.find(number) is None


def test_find_needs_a_key(table):
    with pytest.raises(TypeError):
        table.find()


def test_put_needs_a_value(table):
    with pytest.raises(TypeError):
        table.put("three")


def test_two_tables_are_two(table):
    assert len(Table()) == 0
    assert len(table) == 2


def test_a_table_is_no_dictionary(table):
    with pytest.raises(TypeError):
        table["one"]
