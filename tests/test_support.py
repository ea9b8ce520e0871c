"""The tiny model of the tests is itself sound."""

from support import TinyModel


def test_the_tiny_model_loads_and_its_lake_is_whole(tiny_model: TinyModel):
    assert tiny_model.model.events == "orders"
    assert len(list((tiny_model.lake / "orders").iterdir())) == 40
    late = [
        value > 15 for value in tiny_model.read("orders", tiny_model.day(3))["delay"].to_pylist() if value is not None
    ]
    assert 0 < sum(late) < len(late)
