from cart import total


def test_an_empty_cart_costs_nothing():
    assert total([]) == 0


def test_prices_add_up():
    assert total([5, 7]) == 12


def test_a_discount_is_a_percentage():
    assert total([200], discount_percent=10) == 180
