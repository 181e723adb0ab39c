"""Repositories: create, delete, move, settings, list, describe; who am I; branches and tags."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any, Literal

from pydantic import BaseModel, StrictBool
from starlette.responses import JSONResponse, Response

from sam_hub.local_hub.card import front_matter
from sam_hub.local_hub.hub_request import JSON, HubRequest, Routes
from sam_hub.local_hub.names import ref_name
from sam_hub.local_hub.repo_info import describe
from sam_hub.local_hub.responses import Refusal
from sam_hub.local_hub.storage import HEADS, OWNER, PULL_REQUESTS, TAGS

routes = Routes()
_REPOSITORY = "/api/{kind}/{owner}/{name}"
# What a list holds of each repository, and what with a flag of the query.
_BRIEF = ("_id", "id", "modelId", "private", "likes", "downloads", "tags", "pipeline_tag", "library_name", "createdAt")
_WITH_FLAG = {
    "full": ("author", "sha", "lastModified", "gated", "disabled", "siblings"),
    "cardData": ("cardData",),
    "config": ("config",),
}
_SORTS = ("lastModified", "createdAt", "downloads", "likes")


class _Visibility(BaseModel):
    """``private`` is what older clients send."""

    visibility: Literal["public", "private"] | None = None
    private: StrictBool | None = None

    @property
    def is_private(self) -> bool | None:
        return self.private if self.visibility is None else self.visibility == "private"


class _Settings(_Visibility):
    gated: Literal["auto", "manual"] | StrictBool | None = None


class _OfKind(BaseModel):
    type: Literal["model", "dataset"] | None = None

    @property
    def kind(self) -> str:
        return f"{self.type or 'model'}s"


class _Named(_Visibility, _OfKind):
    name: str
    organization: str | None = None

    def id(self, request: HubRequest) -> str:
        return f"{self.organization or request.demand_token().user}/{self.name}"


class _Move(_OfKind):
    fromRepo: str
    toRepo: str


@routes.on("GET", "/api/whoami-v2")
def whoami(request: HubRequest) -> JSON:
    token = request.demand_token()
    return {
        "type": "user",
        "id": token.user,
        "name": token.user,
        "fullname": "Owner of this Hub" if token.user == OWNER else token.user,
        "orgs": [],
        "auth": {"type": "access_token", "accessToken": {"displayName": token.name, "role": token.role}},
        "isPro": False,
        "canPay": False,
    }


@routes.on("POST", "/api/repos/create", body=_Named)
def create(request: HubRequest, body: _Named) -> JSON:
    id = body.id(request)
    request.check_may_create(id)
    path = id if body.kind == "models" else f"{body.kind}/{id}"
    answer = {"url": f"{request.hub}/{path}", "name": id, "id": id}
    try:
        request.storage.create(body.kind, id, private=bool(body.is_private))
    except Refusal as refusal:
        raise Refusal(refusal.status, refusal.message, body=answer) from refusal
    return answer


@routes.on("DELETE", "/api/repos/delete", body=_Named)
def delete(request: HubRequest, body: _Named) -> None:
    request.storage.delete(request.repo_named(body.kind, body.id(request), "write"))


@routes.on("POST", "/api/repos/move", body=_Move)
def move(request: HubRequest, body: _Move) -> None:
    repository = request.repo_named(body.kind, body.fromRepo, "write")
    request.check_may_create(body.toRepo)
    request.storage.move(repository, body.toRepo)


@routes.on("PUT", f"{_REPOSITORY}/settings", body=_Settings)
def settings(request: HubRequest, body: _Settings) -> JSON:
    repository = request.repo("write")
    changes: dict[str, str | bool] = {}
    if body.is_private is not None:
        changes["private"] = body.is_private
    if body.gated is True:
        raise Refusal(400, "'gated' must be auto, manual or false")
    if body.gated is not None:
        changes["gated"] = body.gated or ""
    repository.change_settings(**changes)
    return {"private": repository.private, "gated": repository.gated or False, **changes}


@routes.on("GET", "/api/{kind}")
def list_repositories(request: HubRequest) -> Response:
    query, descriptions = request.query_params, []
    for repository in filter(request.may_list, request.storage.all(request.path_params["kind"])):
        with suppress(Refusal):  # it was deleted a moment ago
            descriptions.append(describe(repository, request.storage.blobs))
    sort = query["sort"] if query.get("sort") in _SORTS else "lastModified"
    matches = [description for description in descriptions if _matches(request, description)]
    matches.sort(key=lambda description: description[sort], reverse=True)
    items, headers = request.page(matches)
    keys = {*_BRIEF, *(key for flag, more in _WITH_FLAG.items() if request.flag(flag) for key in more)}
    if expand := query.getlist("expand"):
        keys = {"_id", "id", *expand}
    return JSONResponse([_only(keys, item) for item in items], headers=headers)


def _only(keys: Collection[str], described: dict) -> dict:
    return {key: value for key, value in described.items() if key in keys}


def _matches(request: HubRequest, described: dict) -> bool:
    query = request.query_params
    words = query.get("search", "").lower().split()
    filters = [tag for value in query.getlist("filter") for tag in value.split(",") if tag]
    checks = [
        all(word in described["id"].lower() for word in words),
        all(tag in described["tags"] for tag in filters),
        query.get("author") in (None, described["author"]),
        query.get("pipeline_tag") in (None, described.get("pipeline_tag")),
        "gated" not in query or request.flag("gated") == bool(described["gated"]),
    ]
    return all(checks)


@routes.on("GET", _REPOSITORY)
@routes.on("GET", f"{_REPOSITORY}/revision/{{revision}}")
def info(request: HubRequest) -> JSON:
    repository, revision = request.repo("see"), request.path_params.get("revision", "main")
    described = describe(repository, request.storage.blobs, revision, sizes=request.flag("blobs"))
    expand = request.query_params.getlist("expand")
    return _only(["_id", "id", *expand], described) if expand else described


@routes.on("GET", f"{_REPOSITORY}/auth-check")
def may_read(request: HubRequest) -> None:
    request.repo("read")


@routes.on("GET", f"{_REPOSITORY}/auth-check/write")
def may_write(request: HubRequest) -> None:
    request.repo("write")


@routes.on("GET", f"{_REPOSITORY}/discussions")
def discussions(request: HubRequest) -> JSON:
    """List the pull requests; all stay open, since this Hub does not merge them."""
    repository, query = request.repo("see"), request.query_params
    refs = [name for name in repository.refs() if name.startswith(PULL_REQUESTS)]
    if query.get("type") == "discussion" or query.get("status") == "closed":
        refs = []
    numbers = sorted((int(name.removeprefix(PULL_REQUESTS)) for name in refs), reverse=True)
    pull_requests: list[dict[str, Any]] = [
        {
            "num": number,
            "title": commit.title,
            "author": {"name": commit.author},
            "createdAt": commit.date,
            "status": "open",
            "isPullRequest": True,
            "repo": {"name": repository.id, "type": repository.kind.removesuffix("s")},
        }
        for number in numbers
        for commit in [repository.commit_of(f"{PULL_REQUESTS}{number}")]
    ]
    return {"discussions": pull_requests, "count": len(pull_requests), "start": 0}


class _Card(BaseModel):
    content: str = ""


@routes.on("POST", "/api/validate-yaml", body=_Card)
def validate_card(request: HubRequest, body: _Card) -> Response:
    data, problem = front_matter(body.content)
    if problem:
        return JSONResponse({"errors": [{"message": problem}], "warnings": []}, status_code=400)
    empty = [] if data else [{"message": "empty or missing yaml metadata in repo card"}]
    return JSONResponse({"errors": [], "warnings": empty})


@routes.on("GET", f"{_REPOSITORY}/refs")
def refs(request: HubRequest) -> JSON:
    refs = request.repo("see").refs()

    def listed(prefix: str) -> list[dict[str, str]]:
        names = {ref.removeprefix(prefix): ref for ref in refs if ref.startswith(prefix)}
        return [{"name": name, "ref": ref, "targetCommit": refs[ref]} for name, ref in names.items()]

    shown = {"branches": listed(HEADS), "converts": [], "tags": listed(TAGS)}
    return {**shown, "pullRequests": listed(PULL_REQUESTS)} if request.flag("include_prs") else shown


class _Branch(BaseModel):
    startingPoint: str | None = None


class _Tag(BaseModel):
    tag: str = ""


@routes.on("POST", f"{_REPOSITORY}/branch/{{branch}}", body=_Branch)
def create_branch(request: HubRequest, body: _Branch) -> None:
    request.repo("write").set_ref(HEADS + ref_name(request.path_params["branch"]), body.startingPoint or "main")


@routes.on("DELETE", f"{_REPOSITORY}/branch/{{branch}}")
def delete_branch(request: HubRequest) -> None:
    request.repo("write").delete_ref(HEADS + request.path_params["branch"])


@routes.on("POST", f"{_REPOSITORY}/tag/{{revision}}", body=_Tag)
def create_tag(request: HubRequest, body: _Tag) -> None:
    request.repo("write").set_ref(TAGS + ref_name(body.tag), request.path_params["revision"])


@routes.on("DELETE", f"{_REPOSITORY}/tag/{{tag}}")
def delete_tag(request: HubRequest) -> None:
    request.repo("write").delete_ref(TAGS + request.path_params["tag"])
