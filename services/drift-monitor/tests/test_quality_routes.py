"""Quality, labelling and reports over HTTP, on the app as it runs."""

BASELINE = "sha256:" + "b" * 64
MODEL = "/v1/models/sentiment"


async def a_cohort(monitor, traffic, packed, reference_bytes, until):
    """Send 1,500 rows and let the time pass that their list is drawn from."""
    monitor.world.references.files[BASELINE] = reference_bytes
    monitor.world.now = 1200.0
    for number in range(3):
        kind = traffic(seed=50 + number)
        await monitor.send(packed(kind.document(500, batch_id=f"b{number}", start=500 * number)))
        await monitor.counted()
    monitor.world.now += 700

    async def listed():
        answer = await monitor.ask("GET", f"{MODEL}/labelling", "operator")
        return answer.is_success

    await until(listed)


def test_a_list_is_labelled_and_quality_is_measured(
    running, traffic, packed, reference_bytes, until
):
    async def steps(monitor):
        await a_cohort(monitor, traffic, packed, reference_bytes, until)
        page = (await monitor.ask("GET", f"{MODEL}/labelling", "operator")).json()
        assert (page["version"], page["labelled"], len(page["items"])) == (BASELINE, 0, 200)
        assert page["items"][0].keys() >= {"request_id", "stratum", "probability", "slices"}
        labels = [{"request_id": i["request_id"], "label": "positive"} for i in page["items"]]
        await monitor.ask("POST", "/v1/feedback", "operator", json={"items": labels})

        page = (await monitor.ask("GET", f"{MODEL}/labelling", "operator")).json()
        assert page["labelled"] == 200
        quality = (await monitor.ask("GET", f"{MODEL}/quality")).json()
        known = {known["slice"]: known for known in quality["versions"][0]["slices"]}
        # Half of the answers are negative, and everything was labelled positive.
        assert known["all"]["measured"]["upper"] < 0.65
        assert known["all"]["degraded"]
        assert known["all"]["trusted"]

    running(steps)


def test_facts_tell_of_every_slice_and_of_what_it_is_compared_with(
    running, traffic, packed, reference_bytes, until
):
    async def steps(monitor):
        await a_cohort(monitor, traffic, packed, reference_bytes, until)
        facts = (await monitor.ask("GET", f"{MODEL}/facts")).json()
        (version,) = facts["versions"]
        assert (version["rows"], version["rows_before"]) == (1500, 0)
        assert {"all", "short", "medium"} <= {each["slice"] for each in version["slices"]}
        assert sum(version["reference"]["label_shares"]) == 1.0
        assert version["labelling"][0]["listed"] == 200
        assert len(version["series"]) == 1
        later = (await monitor.ask("GET", f"{MODEL}/facts?until=100")).json()
        assert later["status"] == 404

    running(steps)


def test_a_report_is_kept_and_its_page_runs_nothing(running):
    written = {"summary": "All is well.", "facts": "{}", "page": "<p>All is well.</p>"}

    async def steps(monitor):
        put = await monitor.ask("PUT", f"{MODEL}/reports/700.5", "trainer", json=written)
        assert put.json() == {"until": 700.5, "summary": "All is well."}
        again = written | {"summary": "Again."}
        await monitor.ask("PUT", f"{MODEL}/reports/700.5", "operator", json=again)
        await monitor.ask("PUT", f"{MODEL}/reports/900", "operator", json=written)
        kept = (await monitor.ask("GET", f"{MODEL}/reports")).json()["reports"]
        assert [report["until"] for report in kept] == [900.0, 700.5]
        assert kept[1]["summary"] == "Again."
        page = await monitor.ask("GET", f"{MODEL}/reports/700.5")
        assert page.text == "<p>All is well.</p>"
        assert "default-src 'none'" in page.headers["content-security-policy"]

    running(steps)
