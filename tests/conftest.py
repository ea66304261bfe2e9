"""What all tests share: servers, a local stack, the case data, markers for outside programs, and the rule on skips."""

import fnmatch
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dataflow_mesh.testing import PostgresCluster, RedisServer, postgres_cluster, redis_server
from dataflow_stack.testing import LocalStack

_HERE = Path(__file__).parent
_CASES = Path(os.environ.get("DATAFLOW_CASES", _HERE.parents[1] / "shared" / "cases"))
_NODES = 3
_MQTTJS = _HERE / "acceptance" / "mqttjs"


# No test asks a real model: it would cost money, and send what it asks to strangers.
for _name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
    os.environ.pop(_name, None)


@pytest.fixture(scope="session")
def full_cases() -> Path:
    """Give the folder of all case data, or skip where it is not at hand."""
    if not _CASES.is_dir():
        pytest.skip("the full case data is not here: set DATAFLOW_CASES")
    return _CASES


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresCluster]:
    """Run one Postgres for all tests of this worker; fsync is on, as services demand."""
    with postgres_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    """Run a fast Postgres for one module: a role, such as the reader's, is one for all databases of a cluster."""
    with postgres_cluster(fsync=False) as running:
        yield running


@pytest.fixture
def postgres(postgres_server: PostgresCluster) -> str:
    """Give the DSN of an empty database of its own."""
    return postgres_server.create_database()


@pytest.fixture(scope="session")
def _redis_servers() -> Iterator[list[RedisServer]]:
    with redis_server() as first, redis_server() as second, redis_server() as third:
        yield [first, second, third]


@pytest.fixture
def redis_nodes(_redis_servers: list[RedisServer]) -> list[RedisServer]:
    """Give three empty, running Redis servers; a test may kill, freeze and restart them."""
    for server in _redis_servers:
        server.stop()
        server.lose_data()
        server.start()
    return _redis_servers


@pytest.fixture
def make_stack() -> Iterator[Callable[..., LocalStack]]:
    """Give a maker of local stacks (not started), which are ended and removed after the test."""
    made: list[LocalStack] = []

    def make(*arguments: object, **options: object) -> LocalStack:
        made.append(LocalStack(*arguments, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for stack in made:
        stack.close()


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """Run a local stack without a fleet for all tests of a module."""
    with LocalStack.running() as running:
        yield running


@pytest.fixture(scope="session")
def mqttjs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with the MQTT.js scripts and their packages, installed once into a cache outside the repository."""
    manifest = (_MQTTJS / "package.json").read_bytes()
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    cache = root / "dataflow-tests" / f"mqttjs-{hashlib.sha256(manifest).hexdigest()[:12]}"
    if not (cache / "node_modules" / "mqtt").is_dir():
        # Made beside and moved into place, so that parallel test processes do not see a half of it.
        work = tmp_path_factory.mktemp("mqttjs")
        (work / "package.json").write_bytes(manifest)
        command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=110, check=False)
        if done.returncode:
            pytest.skip(f"the npm package mqtt can not be installed: {done.stderr.strip()[-200:]}")
        cache.parent.mkdir(parents=True, exist_ok=True)
        if not cache.exists():
            shutil.move(work, cache)
    for script in (_MQTTJS / "publish.mjs", _MQTTJS.with_name("mqttjs_client.cjs")):
        shutil.copy(script, cache / script.name)
    return cache


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests whose program is not on this machine."""
    for marker in item.iter_markers("tool"):
        for name in marker.args:
            if shutil.which(name) is None:
                pytest.skip(f"{name} is not on the PATH")
    if item.get_closest_marker("node") is not None:
        for name in ("node", "npm"):
            if shutil.which(name) is None:
                pytest.skip(f"{name} is not on the PATH")


class SkipRule:
    """With CI=true, fails the run for every skip that tests/expected_skips.txt does not name.

    Under xdist tests are collected in the workers and reported to the controller; a module that skips itself while it is
    collected is seen by the worker alone, which hands it over when it ends.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._seen: set[str] = set()
        lines = (_HERE / "expected_skips.txt").read_text(encoding="utf-8").splitlines()
        self._expected = [line for line in lines if line and not line.startswith("#")]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a skipped test."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report.nodeid, report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a module that skips itself."""
        if report.skipped:
            self._note(report.nodeid, report.longrepr)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Take what a worker has noted."""
        self._seen |= set(getattr(node, "workeroutput", {}).get("dataflow_skips", ()))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run where a skip was not expected."""
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["dataflow_skips"] = sorted(self._seen)
        elif self._unexpected() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List the skips that were not expected."""
        if unexpected := self._unexpected():
            terminalreporter.section("skips that tests/expected_skips.txt does not name")
            for line in unexpected:
                terminalreporter.write_line(line, red=True)

    def _note(self, test: str, reason: object) -> None:
        text = str(reason[2] if isinstance(reason, tuple) else reason)
        self._seen.add(f"{test}: {text.removeprefix('Skipped: ')}")

    def _unexpected(self) -> list[str]:
        return [
            seen for seen in sorted(self._seen) if not any(fnmatch.fnmatchcase(seen, line) for line in self._expected)
        ]


def pytest_configure(config: pytest.Config) -> None:
    """Apply the rule on skips where CI asks for it."""
    if os.environ.get("CI") == "true":
        config.pluginmanager.register(SkipRule(config), "dataflow-skip-rule")
