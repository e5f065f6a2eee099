from behaviour_parameters import DOCUMENT, document


def test_the_document_tells_the_parameters_as_they_are() -> None:
    text = DOCUMENT.read_text()

    assert document(text) == text, "run tests/behaviour_parameters.py"
