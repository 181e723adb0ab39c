"""Repositories: create, delete, move, settings, list, describe; who am I; branches and tags."""

from __future__ import annotations

from contextlib import suppress

from starlette.responses import JSONResponse, Response

from sam_hub.local_hub import names
from sam_hub.local_hub.answers import Refusal, page
from sam_hub.local_hub.call import Call, Router
from sam_hub.local_hub.card import front_matter
from sam_hub.local_hub.describing import describe, shown_in_list
from sam_hub.local_hub.repository import PR, Repository

router = Router()
_SORTS = {
    "lastModified": "lastModified",
    "createdAt": "createdAt",
    "downloads": "downloads",
    "likes": "likes",
}


def _address(call: Call, repository: Repository) -> str:
    prefix = "" if repository.kind == "models" else f"{repository.kind}/"
    return f"{call.base}/{prefix}{repository.id}"


def _private(call: Call) -> bool | None:
    """What the body wants: ``visibility``, or ``private`` as older clients say; None if neither is there."""
    fields = call.json()
    if (visibility := fields.get("visibility")) is not None:
        if visibility not in ("public", "private"):
            raise Refusal(400, "'visibility' must be public or private")
        return visibility == "private"
    if not isinstance(private := fields.get("private"), bool | None):
        raise Refusal(400, "'private' must be true or false")
    return private


@router.on("GET", "/api/whoami-v2")
def whoami(call: Call) -> Response:
    token = call.access.demand(call.request)
    user = {
        "type": "user",
        "id": token.user,
        "name": token.user,
        "fullname": "Owner of this Hub" if token.is_owners else token.user,
        "orgs": [],
        "auth": {"type": "access_token", "accessToken": {"displayName": token.name, "role": token.role}},
    }
    return JSONResponse({**user, "isPro": False, "canPay": False})


@router.on("POST", "/api/repos/create")
def create(call: Call) -> Response:
    repository = call.of_body()
    call.access.may_create(call.request, repository)
    url = _address(call, repository)
    taken = {"url": url, "name": repository.id, "id": repository.id}
    if repository.exists:
        raise Refusal(409, f"You already created this repo: {repository.id}", body=taken)
    try:
        call.storage.create(repository, private=bool(_private(call)))
    except Refusal as refusal:
        raise Refusal(refusal.status, refusal.message, body=taken) from refusal
    return JSONResponse(taken)


@router.on("DELETE", "/api/repos/delete")
def delete(call: Call) -> Response:
    repository = call.of_body()
    call.access.may_write(call.request, repository)
    call.storage.delete(repository)
    return Response(status_code=200)


@router.on("POST", "/api/repos/move")
def move(call: Call) -> Response:
    fields = call.json()
    kind = f"{fields.get('type') or 'model'}s"
    if kind not in names.KINDS:
        raise Refusal(400, f"This Hub keeps models and datasets, not {kind}")
    ends = []
    for key in ("fromRepo", "toRepo"):
        owner, _, name = str(fields.get(key, "")).partition("/")
        ends.append(call.storage.repository(kind, owner, name))
    call.access.may_write(call.request, ends[0])
    call.access.may_create(call.request, ends[1])
    call.storage.move(*ends)
    return Response(status_code=200)


@router.on("PUT", "/api/{kind}/{owner}/{name}/settings")
def settings(call: Call) -> Response:
    repository, fields, changes = call.written(), call.json(), {}
    if (private := _private(call)) is not None:
        changes["private"] = private
    if "gated" in fields:
        if fields["gated"] is not False and fields["gated"] not in ("auto", "manual"):
            raise Refusal(400, "'gated' must be auto, manual or false")
        changes["gated"] = fields["gated"]
    repository.change_settings(**changes)
    return JSONResponse(repository.settings)


@router.on("GET", "/api/{kind}")
def list_repositories(call: Call) -> Response:
    query = call.request.query_params
    found = []
    for repository in call.storage.all(call.names["kind"]):
        with suppress(FileNotFoundError):  # it was deleted or moved a moment ago
            if call.access.may_list(call.request, repository):
                found.append(describe(repository, call.storage.blobs))
    found = [described for described in found if _wanted(call, described)]
    found.sort(
        key=lambda described: described[_SORTS.get(query.get("sort", ""), "lastModified")], reverse=True
    )
    items, headers = page(call.request, found)
    shown = [
        shown_in_list(
            described,
            full=call.flag("full"),
            card=call.flag("cardData"),
            config=call.flag("config"),
            expand=query.getlist("expand"),
        )
        for described in items
    ]
    return JSONResponse(shown, headers=headers)


def _wanted(call: Call, described: dict) -> bool:
    query = call.request.query_params
    words = query.get("search", "").lower().split()
    filters = [tag for value in query.getlist("filter") for tag in value.split(",") if tag]
    checks = [
        all(word in described["id"].lower() for word in words),
        all(tag in described["tags"] for tag in filters),
        query.get("author") in (None, described["author"]),
        query.get("pipeline_tag") in (None, described.get("pipeline_tag")),
        "gated" not in query or call.flag("gated") == bool(described["gated"]),
    ]
    return all(checks)


@router.on("GET", "/api/{kind}/{owner}/{name}")
@router.on("GET", "/api/{kind}/{owner}/{name}/revision/{revision}")
def info(call: Call) -> Response:
    repository = call.seen()
    revision = call.names.get("revision", "main")
    described = describe(repository, call.storage.blobs, revision, sizes=call.flag("blobs"))
    if expand := call.request.query_params.getlist("expand"):
        described = {key: described[key] for key in ("_id", "id", *expand) if key in described}
    return JSONResponse(described)


@router.on("GET", "/api/{kind}/{owner}/{name}/auth-check")
def may_read(call: Call) -> Response:
    call.read()
    return Response(status_code=200)


@router.on("GET", "/api/{kind}/{owner}/{name}/auth-check/write")
def may_write(call: Call) -> Response:
    call.written()
    return Response(status_code=200)


@router.on("GET", "/api/{kind}/{owner}/{name}/discussions")
def discussions(call: Call) -> Response:
    """The pull requests; all stay open, since this Hub does not merge them."""
    repository = call.seen()
    found = [
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
    query = call.request.query_params
    if query.get("type") == "discussion" or query.get("status") == "closed":
        found = []
    return JSONResponse({"discussions": found, "count": len(found), "start": 0})


@router.on("POST", "/api/validate-yaml")
def validate_card(call: Call) -> Response:
    data, problem = front_matter(str(call.json().get("content", "")))
    if problem:
        return JSONResponse({"errors": [{"message": problem}], "warnings": []}, status_code=400)
    empty = [] if data else [{"message": "empty or missing yaml metadata in repo card"}]
    return JSONResponse({"errors": [], "warnings": empty})


@router.on("GET", "/api/{kind}/{owner}/{name}/refs")
def refs(call: Call) -> Response:
    refs = call.seen().refs

    def listed(group: str, prefix: str) -> list[dict[str, str]]:
        return [
            {"name": name, "ref": prefix + name, "targetCommit": sha}
            for name, sha in sorted(refs[group].items())
        ]

    shown = {
        "branches": listed("heads", "refs/heads/"),
        "converts": [],
        "tags": listed("tags", "refs/tags/"),
    }
    if call.flag("include_prs"):
        shown["pullRequests"] = listed("prs", PR)
    return JSONResponse(shown)


@router.on("POST", "/api/{kind}/{owner}/{name}/branch/{branch}")
def create_branch(call: Call) -> Response:
    start = str(call.json().get("startingPoint") or "main")
    call.written().set_ref("heads", names.ref_name(call.names["branch"]), start)
    return Response(status_code=200)


@router.on("DELETE", "/api/{kind}/{owner}/{name}/branch/{branch}")
def delete_branch(call: Call) -> Response:
    call.written().delete_ref("heads", call.names["branch"])
    return Response(status_code=200)


@router.on("POST", "/api/{kind}/{owner}/{name}/tag/{revision}")
def create_tag(call: Call) -> Response:
    tag = names.ref_name(str(call.json().get("tag", "")))
    call.written().set_ref("tags", tag, call.names["revision"])
    return Response(status_code=200)


@router.on("DELETE", "/api/{kind}/{owner}/{name}/tag/{tag}")
def delete_tag(call: Call) -> Response:
    call.written().delete_ref("tags", call.names["tag"])
    return Response(status_code=200)
