"""The second step of a sign-in: what was begun with a first factor is finished with another."""

from app.core.errors import Unauthenticated
from app.features.auth import keys, mfa_tokens, proofs, throttle
from app.features.auth.attempts import failed
from app.features.auth.methods import MFA
from app.features.auth.proofs import Proof
from app.features.auth.signin import admit_fully
from app.features.auth.tokens import TokenPair


class InvalidMfaCode(Unauthenticated):
    """Not a code or a passkey of this user, or used before: one answer for all."""

    code = "INVALID_MFA_CODE"
    message = "This was not accepted. Codes work once: wait for the next one, or use a recovery code."


def finish_login(*, mfa_token: str, proof: Proof) -> TokenPair:
    """Begin the session that waits for a second factor.

    The try is reserved before it is checked, five for a token and twenty an hour for a user across all tokens. Who
    knows the password can ask for tokens without end, so a new one must not bring new tries.
    """
    waiting = mfa_tokens.find(mfa_token)
    guesses = throttle.second_factor(waiting.user_id, within=waiting.hash)
    throttle.reserve(guesses)
    signer = keys.signer()  # read now if need be: whoever holds a connection must not wait for a second one
    method = proofs.use(waiting.user_id, proof)
    if method is None:
        raise failed(InvalidMfaCode(), waiting.user_id)
    mfa_tokens.spend(waiting)
    admitted = admit_fully(user_id=waiting.user_id, methods=[*waiting.methods, method, MFA], signer=signer)
    throttle.release(guesses)
    throttle.clear(throttle.sign_in(f"user:{waiting.user_id}", known_address=False))
    return admitted
