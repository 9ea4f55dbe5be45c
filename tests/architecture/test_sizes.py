from tests.architecture import source

MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 40


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    lengths = {module.place: len(module.path.read_text().splitlines()) for module in source.modules()}

    assert {place: lines for place, lines in lengths.items() if lines > MOST_LINES_OF_A_FILE} == {}
    assert len(lengths) > 50


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = dict(function for module in source.modules() for function in source.functions(module))

    assert {place: lines for place, lines in lengths.items() if lines > MOST_LINES_OF_A_FUNCTION} == {}
    assert len(lengths) > 200
