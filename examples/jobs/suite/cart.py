def total(prices, discount_percent=0):
    """The sum, with the discount taken off. (The discount is wrong on purpose: the suite must find it.)"""
    return sum(prices) - discount_percent
