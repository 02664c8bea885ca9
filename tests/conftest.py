"""Files of tests that take minutes come first, so that neither of two processes is left with one at the end."""

LONGEST = ("tests/test_tutorial.py", "tests/pipeline/service/", "tests/pipeline/inversion/", "tests/test_wheel.py")


def pytest_collection_modifyitems(items):
    places = {prefix: number for number, prefix in enumerate(LONGEST)}

    def turn(item):
        return next((number for prefix, number in places.items() if item.nodeid.startswith(prefix)), len(LONGEST))

    items.sort(key=turn)
