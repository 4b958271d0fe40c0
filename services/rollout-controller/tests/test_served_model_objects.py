"""ServedModels as custom resources: what is read of them, and the status that they show."""

import pytest
from rollout_controller_fake_kubernetes import ApiServer

from rollout_controller.adapters.served_model_objects import ServedModelObjects
from rollout_controller.ports import ServedModelsUnreachable

pytestmark = pytest.mark.anyio
MODELS = "/apis/isogloss.dev/v1alpha1/namespaces/isogloss/servedmodels"


class Clock:
    def __init__(self):
        self.time = 0.0

    def __call__(self):
        return self.time


class Scene:
    def __init__(self):
        self.server, self.clock = ApiServer(), Clock()
        self.objects = self.again()

    def again(self):
        return ServedModelObjects(self.server.connect(), "isogloss", self.clock)

    async def write(self, name="sentiment", **spec):
        people = self.server.connect("kubectl")
        await people.apply(f"{MODELS}/{name}", {"metadata": {"name": name}, "spec": spec})

    def shown(self, name="sentiment"):
        return self.server.objects[f"{MODELS}/{name}"].get("status")

    def writes(self):
        return [path for path in self.server.writes if path.endswith("/status")]


@pytest.fixture
def scene():
    return Scene()


def a_status(phase="CANARY", ready="True", text="", **more):
    condition = {"type": "Ready", "status": ready, "reason": "Serving", "message": text}
    return {"phase": phase, "conditions": [condition], **more}


async def test_what_the_api_server_adds_is_no_part_of_what_people_wrote(scene):
    await scene.write(bakeSeconds=9)
    await scene.objects.read()
    await scene.objects.publish("sentiment", a_status())
    read = await scene.objects.read()

    assert read.models["sentiment"].bake_seconds == 9
    assert read.refused == {}
    assert read.published["sentiment"]["phase"] == "CANARY"


async def test_a_wrong_object_is_refused_by_name_and_its_last_good_form_stays(scene):
    await scene.write(bakeSeconds=9)
    await scene.objects.read()
    await scene.write(bakeSeconds=9, canaryWeights=[50, 10])
    read = await scene.objects.read()

    assert "canaryWeights is [50, 10]" in read.refused["sentiment"]
    assert read.models["sentiment"].bake_seconds == 9
    assert (await scene.again().read()).models == {}


async def test_what_no_http_route_can_say_is_refused_and_not_passed_over(scene):
    await scene.write(sticky={"header": "x-user-id"})
    read = await scene.objects.read()

    assert "cannot keep a user to one of two weighted versions" in read.refused["sentiment"]


async def test_a_deleted_object_is_gone_and_one_that_comes_again_is_new(scene):
    await scene.write(bakeSeconds=9)
    await scene.objects.read()
    await scene.server.connect().delete(f"{MODELS}/sentiment")
    assert (await scene.objects.read()).models == {}

    await scene.write(canaryWeights=[])
    read = await scene.objects.read()
    assert (read.models, list(read.refused)) == ({}, ["sentiment"])


async def test_an_api_server_that_does_not_answer_is_said(scene):
    scene.server.down = True
    with pytest.raises(ServedModelsUnreachable, match="got no answer"):
        await scene.objects.read()


async def test_a_status_names_the_spec_it_is_about_and_since_when_things_are_so(scene):
    await scene.write(bakeSeconds=9)
    await scene.write(bakeSeconds=10)
    await scene.objects.read()
    await scene.objects.publish("sentiment", a_status())
    (first,) = scene.shown()["conditions"]
    assert scene.shown()["observedGeneration"] == first["observedGeneration"] == 2

    scene.shown()["conditions"][0]["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    again = scene.again()
    await again.read()
    await again.publish("sentiment", a_status(phase="BAKING"))
    assert scene.shown()["conditions"][0]["lastTransitionTime"] == "2026-01-01T00:00:00Z"

    scene.clock.time += 1
    await again.publish("sentiment", a_status(phase="BAKING", ready="False"))
    assert scene.shown()["conditions"][0]["lastTransitionTime"] > "2026-01-01T00:00:00Z"


async def test_what_is_no_longer_said_is_taken_away(scene):
    await scene.write()
    await scene.objects.read()
    await scene.objects.publish("sentiment", a_status(paused="somebody looks"))
    scene.clock.time += 1
    await scene.objects.publish("sentiment", a_status())

    assert "paused" not in scene.shown()


async def test_the_same_status_is_written_once(scene):
    await scene.write()
    for _ in range(30):
        await scene.objects.read()
        await scene.objects.publish("sentiment", a_status())
        scene.clock.time += 1

    assert len(scene.writes()) == 1


async def test_texts_and_counts_alone_are_written_every_ten_seconds_only(scene):
    await scene.write()
    await scene.objects.read()
    for second in range(30):
        reasons = [{"gate": "canary", "outcome": "INCONCLUSIVE", "text": f"n={second}"}]
        status = a_status(text=str(second), verdictReasons=reasons, canary={"requests": second})
        await scene.objects.publish("sentiment", status)
        scene.clock.time += 1
    assert len(scene.writes()) == 3

    await scene.objects.publish("sentiment", a_status(phase="BAKING"))
    assert len(scene.writes()) == 4


async def test_what_moves_is_written_once_a_second_at_most_and_not_lost(scene):
    await scene.write()
    await scene.objects.read()
    await scene.objects.publish("sentiment", a_status())
    await scene.objects.publish("sentiment", a_status(phase="BAKING"))
    assert scene.shown()["phase"] == "CANARY"

    scene.clock.time += 1
    await scene.objects.publish("sentiment", a_status(phase="BAKING"))
    assert scene.shown()["phase"] == "BAKING"


async def test_a_new_spec_is_answered_although_the_status_reads_the_same(scene):
    await scene.write(bakeSeconds=9)
    await scene.objects.read()
    await scene.objects.publish("sentiment", a_status())
    await scene.write(bakeSeconds=10)
    scene.clock.time += 1
    await scene.objects.read()
    await scene.objects.publish("sentiment", a_status())

    assert scene.shown()["observedGeneration"] == 2


async def test_an_object_deleted_since_it_was_listed_is_no_fault(scene):
    await scene.write()
    await scene.objects.read()
    await scene.server.connect().delete(f"{MODELS}/sentiment")
    await scene.objects.publish("sentiment", a_status())
    await scene.objects.publish("topic", a_status())

    assert scene.server.objects == {}


async def test_each_move_of_a_rollout_is_an_event_of_its_model(scene):
    await scene.write()
    await scene.objects.read()
    reasons = [{"outcome": "FAIL", "text": "9 % errors"}]
    for status in (
        a_status("CANARY", step=0, weights="blue 90 / green 10"),
        a_status("CANARY", step=0, weights="blue 90 / green 10", text="another text"),
        a_status("CANARY", step=0, paused="ask the team"),
        a_status("ROLLED_BACK", verdictReasons=reasons),
    ):
        scene.clock.time += 20
        await scene.objects.publish("sentiment", status)
    events = [item for path, item in scene.server.objects.items() if "/events/" in path]

    assert [(e["type"], e["reason"]) for e in events] == [
        ("Normal", "RolloutCanary"),
        ("Warning", "RolloutPaused"),
        ("Warning", "RolloutRolledBack"),
    ]
    assert "9 % errors" in events[-1]["message"]
    assert {e["involvedObject"]["name"] for e in events} == {"sentiment"}


async def test_an_event_that_is_refused_keeps_no_status_back(scene):
    await scene.write()
    await scene.objects.read()
    scene.server.refused = {"/api/v1/namespaces/isogloss/events": "no room"}
    await scene.objects.publish("sentiment", a_status())

    assert scene.shown()["phase"] == "CANARY"


async def test_a_refused_status_is_said(scene):
    await scene.write()
    await scene.objects.read()
    scene.server.refused = {f"{MODELS}/sentiment/status": "status.phase is not of the schema"}
    with pytest.raises(ServedModelsUnreachable, match="not of the schema"):
        await scene.objects.publish("sentiment", a_status())
