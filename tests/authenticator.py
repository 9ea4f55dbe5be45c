"""An authenticator app, and people who have one."""

from dataclasses import dataclass, field
from datetime import timedelta

import pyotp

from app.core import clock
from tests.api import Answer, Api, Person
from tests.world import PASSWORD

STEP = 30


@dataclass
class Authenticator:
    """What shows the codes of somebody, after the clock that the service reads."""

    secret: str
    recovery_codes: list[str] = field(default_factory=list)

    def code(self, *, steps: int = 0) -> str:
        """Return the code of the present step, or of one so many steps away."""
        return pyotp.TOTP(self.secret).at(clock.now() + timedelta(seconds=STEP * steps))

    @property
    def wrong(self) -> str:
        """Return six digits that are no code of these minutes."""
        near = {self.code(steps=steps) for steps in range(-4, 5)}
        return next(
            code for code in ("000000", "111111", "222222", *map(str, range(300000, 300010))) if code not in near
        )


def reauthenticated(api: Api, person: Person) -> Api:
    """Return a client that is signed in as this person and has proven it once more, by password."""
    theirs = api.as_(person)
    answer = theirs.post("/auth/reauth", {"password": person.password})
    assert answer.status_code == 200, answer.text
    return theirs


def begun(api: Api, person: Person) -> Authenticator:
    """Begin to enrol an authenticator."""
    answer = reauthenticated(api, person).post("/auth/mfa/totp")
    assert answer.status_code == 200, answer.text
    return Authenticator(answer.result["secret"])


def enrolled(api: Api, person: Person) -> Authenticator:
    """Enrol an authenticator; its present code is used by that."""
    app = begun(api, person)
    answer = api.as_(person).post("/auth/mfa/totp/confirm", {"code": app.code()})
    assert answer.status_code == 200, answer.text
    app.recovery_codes = answer.result["recovery_codes"]
    return app


def half_signed_in(api: Api, person: Person) -> str:
    """Prove the password; return the token that waits for the second factor."""
    return waiting(api, person.username, person.password)


def waiting(api: Api, username: str = "grace", password: str = PASSWORD) -> str:
    """Do the same for who is known by name."""
    answer = api.post("/auth/login", {"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    return str(answer.result["mfa_token"])


def finish(api: Api, token: str, **proof: object) -> Answer:
    """Send a second factor."""
    return api.post("/auth/login/mfa", {"mfa_token": token, **proof})


def sign_in_fully(api: Api, person: Person, **proof: object) -> Api:
    """Sign in with password and second factor; return a client with that session."""
    answer = finish(api, half_signed_in(api, person), **proof)
    assert answer.status_code == 200, answer.text
    return Api(api.app, answer.result["access_token"], dict(api.headers), api.address)
