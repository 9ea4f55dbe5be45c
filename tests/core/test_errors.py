import pytest

from app.core import errors


class TestFailure:
    def test_says_its_own_message_unless_given_another(self) -> None:
        assert str(errors.NotFound()) == errors.NotFound.message
        assert str(errors.NotFound("No such role.")) == "No such role."

    def test_has_no_details_unless_given(self) -> None:
        assert errors.Conflict().details == {}
        assert errors.Invalid(details={"name": ["Too long."]}).details == {"name": ["Too long."]}

    @pytest.mark.parametrize("kind", errors.Failure.__subclasses__(), ids=lambda kind: kind.__name__)
    def test_has_a_stable_code_and_a_sentence(self, kind: type[errors.Failure]) -> None:
        assert kind.code.isupper()
        assert kind.code.replace("_", "").isalpha()
        assert kind.message.endswith((".", "'."))


class TestTooMany:
    @pytest.mark.parametrize(("asked", "told"), [(0, 1), (-5, 1), (1, 1), (60, 60)])
    def test_never_says_to_come_back_at_once(self, asked: int, told: int) -> None:
        assert errors.TooMany(retry_after=asked).retry_after == told
