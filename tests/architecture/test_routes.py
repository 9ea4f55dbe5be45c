from collections.abc import Iterator

import pytest
from flask import Blueprint, Flask
from werkzeug.routing import Rule

from app.core.permissions import Permission
from app.main.factory import create_app
from app.web import application
from app.web.application import Routes, UndeclaredAccess
from app.web.caller import public
from app.web.declaration import Access, of
from tests.world import World, settings


def declared(app: Flask) -> Iterator[Rule]:
    """Yield every route but the files, which anybody may read."""
    return (rule for rule in app.url_map.iter_rules() if rule.endpoint != "static")


class TestAccess:
    def test_every_route_declares_it(self, world: World) -> None:
        views = {rule.rule: world.app.view_functions[rule.endpoint] for rule in declared(world.app)}

        undeclared = [path for path, view in views.items() if not isinstance(of(view).access, Access | frozenset)]

        assert undeclared == []
        assert len(views) >= 25

    def test_what_a_route_requires_exists(self, world: World) -> None:
        accesses = [of(world.app.view_functions[rule.endpoint]).access for rule in declared(world.app)]

        required = {permission for access in accesses if isinstance(access, frozenset) for permission in access}

        assert required == set(Permission)

    def test_a_view_that_declares_none_is_refused(self) -> None:
        routes = Routes("made_up", __name__)

        def open_door() -> None:
            raise NotImplementedError

        with pytest.raises(UndeclaredAccess, match=r"/door: declare @requires\(…\), @authenticated or @public"):
            routes.get("/door")(open_door)

    @pytest.mark.parametrize("blueprint", [Routes("made_up", __name__), Blueprint("plain", __name__)], ids=repr)
    def test_a_route_that_would_not_be_asked_for_it_does_not_start(self, blueprint: Blueprint) -> None:
        app = Flask(__name__)
        blueprint.add_url_rule("/door", view_func=public(lambda: "open"))
        app.register_blueprint(blueprint)

        with pytest.raises(UndeclaredAccess, match="/door: register it with get, post"):
            application.check_access(app)

    def test_is_checked_when_the_application_is_made(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        plain = Blueprint("plain", __name__)
        plain.add_url_rule("/door", view_func=public(lambda: "open"))
        world.reassembled = True

        with monkeypatch.context() as changed:
            changed.setattr("app.main.features.BLUEPRINTS", (plain,))
            with pytest.raises(UndeclaredAccess):
                create_app(settings(world.var))


class TestInAnothersName:
    def test_nothing_of_an_account_can_be_changed_but_its_profile(self, world: World) -> None:
        views = [
            (rule.rule, method, of(world.app.view_functions[rule.endpoint]))
            for rule in declared(world.app)
            for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
        ]

        open_to_impersonators = {
            f"{method} {path}"
            for path, method, view in views
            if view.access is Access.AUTHENTICATED and not view.in_person
        }

        assert open_to_impersonators == {"PATCH /auth/me"}

    def test_a_key_is_taken_nowhere_but_where_a_permission_is_asked_and_to_see_whose_it_is(self, world: World) -> None:
        views = [(rule.endpoint, of(world.app.view_functions[rule.endpoint])) for rule in declared(world.app)]

        assert [endpoint for endpoint, view in views if view.open_to_keys] == ["auth.show_me"]


class TestMethods:
    def test_the_audit_trail_has_no_route_that_writes(self, world: World) -> None:
        methods = {
            method for rule in world.app.url_map.iter_rules() if "audit" in rule.rule for method in rule.methods or ()
        }

        assert methods == {"GET", "HEAD"}

    def test_reading_never_changes_anything(self, world: World) -> None:
        mixed = [rule.rule for rule in declared(world.app) if {"GET", "POST"} <= (rule.methods or set())]

        assert mixed == []
