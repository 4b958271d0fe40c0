"""Which answer each refusal of the ledger gets over HTTP. One table, read by every route."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response

from lifecycle.approvals import ApprovalRefused
from lifecycle.documents import DocumentRefused
from lifecycle.evidence import EvidenceRefused
from lifecycle.transitions import StaleSequence, TransitionRefused
from registry_proxy.ledger.contents import ContentChanged
from registry_proxy.ledger.ports import Ledger, LedgerUnavailable, StageHeld
from registry_proxy.ledger.registry import Unknown
from registry_proxy.ledger.settle import GateRefused, WaiverRefused
from servicekit.problems import Problem, problem_page

_TABLE: Mapping[type[Exception], tuple[int, str, str]] = {
    Unknown: (404, "unknown", "Unknown"),
    DocumentRefused: (422, "policy-refused", "Policy refused"),
    EvidenceRefused: (422, "evidence-refused", "Evidence refused"),
    WaiverRefused: (422, "waiver-refused", "Waiver refused"),
    ApprovalRefused: (422, "approval-refused", "Approval refused"),
    StaleSequence: (409, "stale-sequence", "Stale sequence"),
    ContentChanged: (409, "content-changed", "Content changed"),
    TransitionRefused: (409, "illegal-transition", "Illegal transition"),
    StageHeld: (409, "illegal-transition", "Illegal transition"),
    GateRefused: (409, "gate-refused", "Gate refused"),
    LedgerUnavailable: (503, "ledger-unavailable", "Ledger unavailable"),
}


def install_ledger_errors(app: FastAPI, ledger: Ledger) -> None:
    """Answer the ledger's refusals as problem+json, with the model's `seq` where one moved."""
    for refusal, row in _TABLE.items():
        app.add_exception_handler(refusal, _page(ledger, *row))


def _page(
    ledger: Ledger, status: int, slug: str, title: str
) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, refused: Exception) -> Response:
        extensions = _extensions(ledger, request, refused) if status == 409 else {}
        problem = Problem(status, slug, title, str(refused), extensions)
        return problem_page(problem, request.url.path)

    return answer


def _extensions(ledger: Ledger, request: Request, refused: Exception) -> dict[str, Any]:
    extensions: dict[str, Any] = {"seq": ledger.state(request.path_params["m"]).seq}
    if isinstance(refused, GateRefused):
        extensions["verdict"] = refused.verdict.to_dict()
    return extensions
