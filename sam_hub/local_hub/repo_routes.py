"""Repositories: create, delete, move, settings, list, describe; who am I; branches and tags."""

from __future__ import annotations

from contextlib import suppress

from starlette.responses import JSONResponse, Response

from sam_hub.local_hub import names
from sam_hub.local_hub.card import front_matter
from sam_hub.local_hub.hub_request import JSON, HubRequest, Routes
from sam_hub.local_hub.repo_info import describe, shown_in_list
from sam_hub.local_hub.repository import PR
from sam_hub.local_hub.responses import Refusal, page

routes = Routes()
_SORTS = ("lastModified", "createdAt", "downloads", "likes")


def _private(request: HubRequest) -> bool | None:
    """What the body wants: ``visibility``, or ``private`` as older clients say; None if neither is there."""
    fields = request.json_object()
    if (visibility := fields.get("visibility")) is not None:
        if visibility not in ("public", "private"):
            raise Refusal(400, "'visibility' must be public or private")
        return visibility == "private"
    if not isinstance(private := fields.get("private"), bool | None):
        raise Refusal(400, "'private' must be true or false")
    return private


@routes.on("GET", "/api/whoami-v2")
def whoami(request: HubRequest) -> JSON:
    token = request.access.demand(request)
    user = {
        "type": "user",
        "id": token.user,
        "name": token.user,
        "fullname": "Owner of this Hub" if token.is_owners else token.user,
        "orgs": [],
        "auth": {"type": "access_token", "accessToken": {"displayName": token.name, "role": token.role}},
    }
    return {**user, "isPro": False, "canPay": False}


@routes.on("POST", "/api/repos/create")
def create(request: HubRequest) -> JSON:
    repository = request.repo_in_body()
    request.access.may_create(request, repository)
    url = f"{request.hub}/{repository.path}"
    taken = {"url": url, "name": repository.id, "id": repository.id}
    if repository.exists:
        raise Refusal(409, f"You already created this repo: {repository.id}", body=taken)
    try:
        request.storage.create(repository, private=bool(_private(request)))
    except Refusal as refusal:
        raise Refusal(refusal.status, refusal.message, body=taken) from refusal
    return taken


@routes.on("DELETE", "/api/repos/delete")
def delete(request: HubRequest) -> None:
    repository = request.repo_in_body()
    request.access.may_write(request, repository)
    request.storage.delete(repository)


@routes.on("POST", "/api/repos/move")
def move(request: HubRequest) -> None:
    ends = (str(request.json_object().get(key, "")).partition("/") for key in ("fromRepo", "toRepo"))
    kind = request.kind_in_body()
    source, target = (request.storage.repository(kind, owner, name) for owner, _, name in ends)
    request.access.may_write(request, source)
    request.access.may_create(request, target)
    request.storage.move(source, target)


@routes.on("PUT", "/api/{kind}/{owner}/{name}/settings")
def settings(request: HubRequest) -> JSON:
    repository, fields, changes = request.writable_repo(), request.json_object(), {}
    if (private := _private(request)) is not None:
        changes["private"] = private
    if "gated" in fields:
        if fields["gated"] is not False and fields["gated"] not in ("auto", "manual"):
            raise Refusal(400, "'gated' must be auto, manual or false")
        changes["gated"] = fields["gated"]
    repository.change_settings(**changes)
    return repository.settings


@routes.on("GET", "/api/{kind}")
def list_repositories(request: HubRequest) -> Response:
    query, descriptions = request.query_params, []
    for repository in request.storage.all(request.path_params["kind"]):
        with suppress(FileNotFoundError):  # it was deleted or moved a moment ago
            if request.access.may_list(request, repository):
                descriptions.append(describe(repository, request.storage.blobs))
    sort = query["sort"] if query.get("sort") in _SORTS else "lastModified"
    matches = [description for description in descriptions if _matches(request, description)]
    matches.sort(key=lambda description: description[sort], reverse=True)
    items, headers = page(request, matches)
    flags = {name: request.flag(key) for name, key in (("full", "full"), ("card", "cardData"), ("config", "config"))}
    return JSONResponse(
        [shown_in_list(item, expand=query.getlist("expand"), **flags) for item in items], headers=headers
    )


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


@routes.on("GET", "/api/{kind}/{owner}/{name}")
@routes.on("GET", "/api/{kind}/{owner}/{name}/revision/{revision}")
def info(request: HubRequest) -> JSON:
    repository = request.visible_repo()
    revision = request.path_params.get("revision", "main")
    described = describe(repository, request.storage.blobs, revision, sizes=request.flag("blobs"))
    if expand := request.query_params.getlist("expand"):
        described = {key: described[key] for key in ("_id", "id", *expand) if key in described}
    return described


@routes.on("GET", "/api/{kind}/{owner}/{name}/auth-check")
def may_read(request: HubRequest) -> None:
    request.readable_repo()


@routes.on("GET", "/api/{kind}/{owner}/{name}/auth-check/write")
def may_write(request: HubRequest) -> None:
    request.writable_repo()


@routes.on("GET", "/api/{kind}/{owner}/{name}/discussions")
def discussions(request: HubRequest) -> JSON:
    """List the pull requests; all stay open, since this Hub does not merge them."""
    repository = request.visible_repo()
    pull_requests = [
        {
            "num": int(number),
            "title": commit.title,
            "author": {"name": commit.author},
            "createdAt": commit.date,
            "status": "open",
            "isPullRequest": True,
            "repo": {"name": repository.id, "type": repository.kind.removesuffix("s")},
        }
        for number, sha in sorted(repository.refs["prs"].items(), key=lambda item: -int(item[0]))
        for commit in [repository.commit_of(sha)]
    ]
    query = request.query_params
    if query.get("type") == "discussion" or query.get("status") == "closed":
        pull_requests = []
    return {"discussions": pull_requests, "count": len(pull_requests), "start": 0}


@routes.on("POST", "/api/validate-yaml")
def validate_card(request: HubRequest) -> Response:
    data, problem = front_matter(str(request.json_object().get("content", "")))
    if problem:
        return JSONResponse({"errors": [{"message": problem}], "warnings": []}, status_code=400)
    empty = [] if data else [{"message": "empty or missing yaml metadata in repo card"}]
    return JSONResponse({"errors": [], "warnings": empty})


@routes.on("GET", "/api/{kind}/{owner}/{name}/refs")
def refs(request: HubRequest) -> JSON:
    refs = request.visible_repo().refs

    def listed(group: str, prefix: str) -> list[dict[str, str]]:
        return [{"name": name, "ref": prefix + name, "targetCommit": sha} for name, sha in sorted(refs[group].items())]

    shown = {"branches": listed("heads", "refs/heads/"), "converts": [], "tags": listed("tags", "refs/tags/")}
    if request.flag("include_prs"):
        shown["pullRequests"] = listed("prs", PR)
    return shown


@routes.on("POST", "/api/{kind}/{owner}/{name}/branch/{branch}")
def create_branch(request: HubRequest) -> None:
    start = str(request.json_object().get("startingPoint") or "main")
    request.writable_repo().set_ref("heads", names.ref_name(request.path_params["branch"]), start)


@routes.on("DELETE", "/api/{kind}/{owner}/{name}/branch/{branch}")
def delete_branch(request: HubRequest) -> None:
    request.writable_repo().delete_ref("heads", request.path_params["branch"])


@routes.on("POST", "/api/{kind}/{owner}/{name}/tag/{revision}")
def create_tag(request: HubRequest) -> None:
    tag = names.ref_name(str(request.json_object().get("tag", "")))
    request.writable_repo().set_ref("tags", tag, request.path_params["revision"])


@routes.on("DELETE", "/api/{kind}/{owner}/{name}/tag/{tag}")
def delete_tag(request: HubRequest) -> None:
    request.writable_repo().delete_ref("tags", request.path_params["tag"])
