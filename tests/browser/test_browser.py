"""What a person sees: the login through SSO, a notebook that runs, a finished run in the Prefect UI, a drill's page.

The pictures land in the test stack's folder, or where RISKHUB_SCREENSHOTS says.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

from cli.sessions import cull_directly
from devstack.day.people import Person
from devstack.day.runs import Deployments
from devstack.stack import Stack
from domain.clock import utc_now
from domain.plan import Outcome
from domain.record import PlannedAction, Record
from environments import Environment
from environments.culling import CullPolicy
from plans.announcements import announcements_after, plan_announcement
from plans.drill import NOT_SHOWN, STEPS, words_of
from systems.hub import keep_announcements
from systems.scorecard.page import scorecard_page

PATIENCE = timedelta(seconds=60) / timedelta(milliseconds=1)
expect.set_options(timeout=PATIENCE)
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium), so nobody saw the pages")
    flags = ["--disable-background-networking", "--disable-component-update", "--no-first-run", "--disable-quic"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=flags, chromium_sandbox=os.geteuid() != 0)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    context.route(lambda url: "://127.0.0.1:" not in url, _refuse)  # nothing here needs the world outside
    yield context.new_page()
    context.close()


def _refuse(route: Route) -> None:
    route.abort()


def picture(page: Page, stack: Stack, name: str) -> None:
    folder = Path(os.environ.get("RISKHUB_SCREENSHOTS") or stack.state / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", animations="disabled")


def test_a_user_logs_in_through_sso_opens_a_notebook_and_runs_a_cell(
    stack: Stack, env: Environment, page: Page
) -> None:
    dina = Person.log_in("dina", env.hub.public_url)
    dina.start_server()
    dina.write_notebook("portfolio.ipynb")

    page.goto(env.hub.public_url)
    page.get_by_text("Sign in with Corporate SSO").click()
    page.get_by_role("button", name="dina", exact=True).first.click()
    page.wait_for_url("**/user/dina/lab**")
    page.goto(f"{dina.server_url}/lab/tree/portfolio.ipynb")
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # before that the page asks which kernel to take
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    expect(cell.locator(".jp-OutputArea-output")).to_have_text("1.0")
    picture(page, stack, "notebook")


def test_an_open_jupyterlab_and_the_hubs_pages_tell_of_a_stop_and_of_maintenance_as_text(
    stack: Stack, env: Environment, page: Page
) -> None:
    dina = Person.log_in("dina", env.hub.public_url)
    if not dina.is_running():
        dina.start_server()
    page.goto(env.hub.public_url)
    page.get_by_text("Sign in with Corporate SSO").click()
    page.get_by_role("button", name="dina", exact=True).first.click()
    page.wait_for_url("**/user/dina/lab**")
    page.locator("#jp-main-dock-panel").wait_for()  # with the notebook of the last time, or without

    def told(text: str) -> Locator:
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as who comes back to the tab
        return page.locator(".Toastify__toast").filter(has_text=text)

    too_old = CullPolicy(max_age=timedelta(minutes=1), warn=timedelta(minutes=10), max_share=1)
    assert cull_directly(env.hub, too_old, execute=True).state == "complete"
    expect(told("Your server has run for long and stops at ")).to_be_visible()
    picture(page, stack, "warning")

    hostile, now = "<img src=x onerror='document.title = 1'> a *new* node", utc_now()
    plan = plan_announcement((), hostile, begins=now, ends=now + timedelta(hours=1), group=None, now=now)
    keep_announcements(env.hub, announcements_after(plan))
    expect(told(hostile)).to_be_visible()
    picture(page, stack, "announcement")
    hub_page = page.context.new_page()
    hub_page.goto(f"{env.hub.public_url}/hub/home")
    expect(hub_page.locator(".announcement")).to_contain_text(hostile)
    picture(hub_page, stack, "announcement-hub")
    assert "1" not in (page.title(), hub_page.title())

    keep_announcements(env.hub, [])
    expect(told(hostile)).to_have_count(0)
    expect(told("Your server has run for long")).to_be_visible()


def test_a_finished_run_is_seen_in_the_prefect_ui(stack: Stack, env: Environment, page: Page) -> None:
    deployments = Deployments(env.prefect.api_url, env.prefect.ui_url)
    run = deployments.wait(deployments.start("cull-idle-servers/every-15-minutes", {}))
    page.goto(run.url)
    expect(page.get_by_text("Planned").first).to_be_visible()
    page.get_by_text("Artifacts", exact=True).click()
    expect(page.get_by_text("cull-idle-servers-plan").first).to_be_visible()
    picture(page, stack, "prefect-run")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_drills_page_fits_a_desk_and_a_phone_and_shows_a_hostile_name_as_a_name(
    stack: Stack, page: Page, width: int
) -> None:
    name = f"<img src=x onerror='document.title = 1'>{'long' * 40}.ipynb"
    words = [words_of(step) for step in STEPS]
    drill = Record(
        flow="recovery-drill",
        environment="local",
        state="failed",
        summary=f"failed: compare homes: {name}",
        started_at=utc_now(),
        finished_at=utc_now(),
        actions=tuple(PlannedAction(verb=verb, target=target, reason="because") for verb, target in words),
        outcomes=(*(Outcome(*each, "done") for each in words[:3]), Outcome(*words[3], "failed", name)),
        measures={"point": "20260302T013000Z", "rpo_homes_seconds": 720.0, "rpo_homes_target_seconds": 1800.0},
    )
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: complaints.append(request.url))
    page.set_viewport_size({"width": width, "height": 900})
    page.set_content(scorecard_page(drill, "s3://bucket/evidence/recovery-drill/x.json", [drill], NOT_SHOWN))
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery drill: failed")
    expect(page.get_by_text(name, exact=True).first).to_be_visible()
    wider = "[...document.querySelectorAll('html, main')].filter(each => each.scrollWidth > each.clientWidth).length"
    assert page.evaluate(wider) == 0, "nothing is cut off, nothing scrolls sideways"
    assert (page.title().startswith("Recovery drill of"), complaints) == (True, [])
    picture(page, stack, f"scorecard-{width}")
