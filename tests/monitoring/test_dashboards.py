"""Dashboards show series that exist, say what they show, and are bound to no data source."""

import re

GRID = 24


def targets(panels):
    return [target for panel in panels for target in panel["targets"]]


def test_every_series_in_a_panel_is_recorded_or_exported(panels, recorded, exported, series_in):
    for target in targets(panels):
        found = series_in(target["expr"])
        assert found, target["expr"]
        assert found <= {*recorded, *exported}, target["expr"]


def test_every_label_in_a_panel_is_on_one_of_its_series(panels, exported, series_in, labels_in):
    for target in targets(panels):
        known = set()
        for name in series_in(target["expr"]):
            known |= set(name.split(":")[0].split("_")) if ":" in name else exported[name]
        legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert labels_in(target["expr"]) | legend <= known, target["expr"]


def test_every_metric_that_services_export_is_shown_or_stands_in_a_rule(
    panels, recorded, alerts, exported, series_in
):
    used = set().union(*(series_in(each.expr) for each in [*recorded.values(), *alerts]))
    used |= set().union(*(series_in(target["expr"]) for target in targets(panels)))
    ours = {name for name in exported if name.startswith("isogloss_")}
    assert {name for name in ours - used if not name.endswith(("_sum", "_count"))} == set()


def test_every_panel_says_what_it_shows_and_in_which_unit(panels):
    for panel in panels:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_nothing_is_bound_to_one_data_source(dashboards):
    for board in dashboards.values():
        variables = board["templating"]["list"]
        assert (variables[0]["name"], variables[0]["type"]) == ("datasource", "datasource")
        sources = [panel.get("datasource") for panel in board["panels"] if panel["type"] != "row"]
        sources += [t["datasource"] for p in board["panels"] for t in p.get("targets", [])]
        sources += [variable["datasource"] for variable in variables[1:]]
        sources += [each["datasource"] for each in board["annotations"]["list"]]
        assert {source["uid"] for source in sources} == {"${datasource}"}


def test_every_query_is_about_the_chosen_namespace(panels):
    for target in targets(panels):
        assert 'namespace="$namespace"' in target["expr"]


def test_panels_lie_side_by_side_and_have_numbers_of_their_own(dashboards):
    for board in dashboards.values():
        numbers, taken = [], set()
        for panel in board["panels"]:
            numbers.append(panel["id"])
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= GRID
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, panel["title"]
            taken |= cells
        assert len(numbers) == len(set(numbers))


def test_dashboards_have_a_name_of_their_own_and_are_kept_in_files(dashboards):
    assert len({board["uid"] for board in dashboards.values()}) == len(dashboards) == 2
    assert not any(board["editable"] for board in dashboards.values())
