"""What every program prints for `--help`."""

import importlib
import io
import re
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

from hydra.core.global_hydra import GlobalHydra

from generator.markdown import Pages, index, page, sentence

ROOT = Path(__file__).parents[2]


def programs() -> list[str]:
    """The programs of agents/ and baselines/, as paths from the repository's root."""
    paths = [path for folder in ("baselines", "agents") for path in sorted((ROOT / folder).glob("*.py"))]
    return [path.relative_to(ROOT).as_posix() for path in paths if '__name__ == "__main__"' in path.read_text()]


def program_pages() -> Pages:
    """A page a program."""
    text = (
        "The repository's programs run in its folder: `python baselines/run.py policy=cosine`. What each prints for "
        "`--help` is on its page. Most take `GROUP=NAME`, which chooses a file of `configs/`, and `OPTION=VALUE`, "
        "which sets a single option; `--help` together with these shows what they change."
    )
    helps = {name: help_of(name) for name in programs()}
    rows = {Path(name).stem: (_purpose(name),) for name in helps}
    pages = index("programs", "Command line", text, ("program", "what it does"), rows)
    for name, printed in helps.items():
        block = f"```{{code-block}} text\n:class: help\n\n{printed.rstrip()}\n```"
        pages[f"programs/{Path(name).stem}.md"] = page(
            f"# {Path(name).stem}", f"`python {name}`: {_purpose(name)}", block
        )
    return pages


def _purpose(name: str) -> str:
    """The first line of a program's docstring, without the command."""
    first = (importlib.import_module(_module(name)).__doc__ or "").splitlines()[0]
    return sentence(re.split(r": `python|\?$", first)[0].rstrip(".:"))


def help_of(program: str) -> str:
    """What it prints, called in this process."""
    main, printed = importlib.import_module(_module(program)).main, io.StringIO()
    with patch("sys.argv", [program, "--help"]), patch.dict("os.environ", COLUMNS="84"), redirect_stdout(printed):
        try:
            main()
        except SystemExit as end:
            assert not end.code, f"{program} --help ended with {end.code}"
        finally:
            GlobalHydra.instance().clear()
    return printed.getvalue()


def _module(program: str) -> str:
    return program.removesuffix(".py").replace("/", ".")
