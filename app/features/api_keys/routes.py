"""The HTTP of API keys."""

from app.core.ids import UUID
from app.core.paging import Page
from app.features.access import service as access
from app.features.api_keys import service as api_keys
from app.features.api_keys.schemas import ApiKeyOut, MadeApiKeyOut, NewApiKey
from app.web import caller
from app.web.application import Routes
from app.web.caller import authenticated, step_up
from app.web.declaration import fails
from app.web.paging import PageQuery, paged
from app.web.schemas import asks, returns, takes

routes = Routes("api_keys", __name__)


@routes.get("/api/v1/api-keys")
@authenticated
@step_up
@asks(PageQuery)
@paged
@returns(list[ApiKeyOut])
def list_api_keys(query: PageQuery) -> Page[api_keys.KeyView]:
    """List your API keys, newest first. Expired ones stay until you revoke them."""
    return api_keys.list_keys(user_id=caller.current().user_id, page=query.slice)


@routes.post("/api/v1/api-keys")
@authenticated
@step_up
@takes(NewApiKey, large=True)
@returns(MadeApiKeyOut, 201, "API key created. Keep the secret: it is not shown again.", secret=True)
@fails(access.Escalation, api_keys.TooManyKeys)
def create_api_key(body: NewApiKey) -> api_keys.MadeKey:
    """Create an API key. It may do what is in its scopes, as long as you may."""
    return api_keys.create(**body.model_dump(), by=caller.current())


@routes.delete("/api/v1/api-keys/<uuid:key_id>")
@authenticated
@step_up
@returns(status=204)
def revoke_api_key(key_id: UUID) -> None:
    """Revoke one of your API keys. It is dead at once."""
    api_keys.revoke(key_id, by=caller.current())
