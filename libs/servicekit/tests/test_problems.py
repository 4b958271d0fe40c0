import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from servicekit.problems import Problem, install_problem_pages


class Order(BaseModel):
    count: int


@pytest.fixture
def client(client_of):
    app = FastAPI()
    install_problem_pages(app)

    @app.post("/orders")
    async def take(order: Order) -> int:
        return order.count

    @app.get("/full")
    @app.get("/v2/full")
    async def refuse() -> None:
        raise Problem(
            503, "full", "Full", "Come back.", {"waiting": 3}, headers={"Retry-After": "1"}
        )

    router = APIRouter()

    @router.get("/orders/{number}")
    @router.put("/orders/{number}")
    async def one(number: int) -> int:
        return number

    app.include_router(router)

    @app.get("/bug")
    async def fail() -> None:
        raise KeyError("a private text")

    return client_of(app)


def test_a_problem_is_answered_with_its_members_and_headers(client):
    answer = client.get("/full")

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {
        "type": "urn:isogloss:problem:full",
        "title": "Full",
        "status": 503,
        "detail": "Come back.",
        "waiting": 3,
    }


def test_another_method_is_refused_with_all_those_that_the_path_has(client):
    answer = client.request("DELETE", "/orders/7")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PUT")


def test_under_v2_the_open_inference_protocols_error_stands_beside_it(client):
    assert client.get("/v2/full").json()["error"] == "Come back."


def test_a_body_of_the_wrong_shape_is_422_and_is_not_repeated(client):
    answer = client.post("/orders", json={"count": "a private text"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "body.count"
    assert "private" not in answer.text


def test_a_body_that_is_not_json_is_400(client):
    headers = {"content-type": "application/json"}
    answer = client.post("/orders", content=b"{", headers=headers)

    assert (answer.status_code, answer.json()["title"]) == (400, "Not JSON")


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [("GET", "/nowhere", 404, "not-found"), ("GET", "/orders", 405, "method-not-allowed")],
)
def test_starlettes_own_refusals_are_problems_too(client, method, path, status, slug):
    answer = client.request(method, path)

    assert answer.status_code == status
    assert answer.json()["type"] == f"urn:isogloss:problem:{slug}"


def test_a_bug_is_500_without_its_trace(client):
    answer = client.get("/bug")

    assert answer.status_code == 500
    assert "private" not in answer.text
    assert "Traceback" not in answer.text
