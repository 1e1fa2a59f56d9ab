"""Every check this project has, each in an environment of its own: ``nox -l`` lists them.

``nox`` alone runs the quick ones, ``nox -s NAME`` one of them, ``nox -s NAME -- ARGS`` passes
arguments on to pytest, the benchmark or the demo. What a session installs is in pyproject.toml.
"""

from __future__ import annotations

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "typing", "tests", "oracle", "docs"]

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
OLDEST = PYTHONS[0]


def install(session: nox.Session, package: str, *groups: str) -> None:
    """Install the package as users get it (a built wheel), and dependency groups beside it."""
    dependencies = nox.project.dependency_groups(PROJECT, *groups)
    session.install(package, *dependencies)


@nox.session(python=PYTHONS)
@nox.parametrize("trio", [True, False], ids=["trio", "asyncio-only"])
def tests(session: nox.Session, trio: bool) -> None:
    """Run the tests against a built wheel, with all extras (trio is one) and with none."""
    if trio:
        install(session, ".[all]", "test", "examples")
    else:
        install(session, ".", "test")
    session.run("pytest", *(session.posargs or ["tests"]))


@nox.session(python=OLDEST)
def min_deps(session: nox.Session) -> None:
    """Run the tests with the oldest versions of the dependencies that pyproject.toml allows."""
    extras = PROJECT["project"]["optional-dependencies"]
    declared = sum(extras.values(), PROJECT["project"]["dependencies"])
    install(session, ".[all]", "test")
    session.install(*[bound.replace(">=", "==") for bound in declared if ">=" in bound])
    session.run("pytest", *(session.posargs or ["tests"]))


@nox.session
def oracle(session: nox.Session) -> None:
    """Ask the original, the PyPI package tensorstore, the same questions and compare answers."""
    install(session, ".[all]", "test", "oracle")
    session.run("pytest", *(session.posargs or ["tests/oracle"]))


@nox.session
def lint(session: nox.Session) -> None:
    """Check the rules and the format with ruff; ``-- --fix`` repairs what it can."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", *([] if session.posargs else ["--check"]))


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types: mypy strict on all code, pyright on the public interface."""
    install(session, ".[all]", "typing")
    session.run("mypy", *session.posargs)
    session.run("pyright", "--verifytypes", "virtchunk", "--ignoreexternal")


@nox.session
def docs(session: nox.Session) -> None:
    """Run every example (docstrings, README, docs) and build the pages; a warning is an error."""
    install(session, "-e.[all]", "docs")
    session.run("pytest", "virtchunk", "docs", "README.md")
    session.run("sphinx-build", "-W", "--keep-going", "-n", "-q", "docs", "docs/_build/html")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure beside the original, in one run; ``-- engine --out`` writes docs/performance.md."""
    install(session, ".[trio]", "bench")
    if session.posargs:
        script, *arguments = session.posargs
        session.run("python", f"benchmarks/{script}.py", *arguments)
        return
    for script in ("indexing", "engine", "derived"):
        session.run("python", f"benchmarks/{script}.py")


@nox.session
def demo(session: nox.Session) -> None:
    """Draw the shaded relief; ``-- --backend trio --out relief.png`` are passed on."""
    install(session, ".[demo]")
    session.run("virtchunk", "demo", *session.posargs)


if __name__ == "__main__":
    nox.main()
