"""The page that shows a study: `python agents/report.py logs/study/points`.

Writes `report.html` (one file, needs no network), `report.md` with `figures/*.png`, `summary.json` with all numbers and
`runs.parquet` with every run into the study's folder. All of it comes from the saved episodes.

    python agents/report.py logs/study/points --to docs/results/points      # and publishes it
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from agents.page.data import runs_parquet
from agents.page.html_page import to_html
from agents.page.markdown_page import FIGURES
from agents.page.publish import check_target, publish
from agents.page.report_page import ReportPage
from agents.study.options import study_options
from agents.study.records import Summary, write_summary
from agents.study.study import Study
from agents.study.summary import summarize_study
from baselines.options import about, read_options
from gan_env.errors import ConfigError, errors_in_one_line
from gan_env.files import require_writable, write_atomically


def open_study(folder: str) -> Study:
    """The study in a folder.

    Raises:
        ConfigError: there is none, or it is not done.
    """
    path = Path(folder) / "study" / "config.yml"
    if not path.exists():
        raise ConfigError(f"RUN={folder!r}: there is no study/config.yml; expected a folder of agents/compare.py")
    if not (Path(folder) / "summary.json").exists():
        begun = (Path(folder) / "study" / "command.txt").read_text().strip()
        raise ConfigError(f"RUN={folder!r}: the study is not finished; continue it with `{begun}`")
    fields = read_options(path)
    with about(str(path)):
        return Study(study_options(**fields | {"folder": folder}))


def write_report(study: Study) -> Summary:
    """Writes page, pictures and runs of a study that is done."""
    summary, path = summarize_study(study), study.path
    page = ReportPage(study, summary)
    for old in (path / FIGURES).glob("*.png"):  # an earlier page may have had others
        if old.stem not in page.pictures:
            old.unlink()
    files = {f"{FIGURES}/{name}.png": png for name, png in page.pictures.items()}
    files |= {"report.md": page.text.encode(), "report.html": to_html(page.text, page.pictures).encode()}
    files["runs.parquet"] = runs_parquet(study, summary.settings)
    for name, content in files.items():
        write_atomically(path / name, partial(Path.write_bytes, data=content))
    write_summary(path / "summary.json", summary)
    return summary


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", help="folder of a study by agents/compare.py")
    parser.add_argument("--to", metavar="FOLDER", type=Path, help="publishes it there: what readers need, nothing big")
    options = parser.parse_args(arguments)
    study = open_study(options.run)
    require_writable(study.path, "RUN")
    if options.to:
        check_target(options.to)
        require_writable(options.to, "--to")
    summary = write_report(study)
    print(f"wrote {study.path / 'report.html'}")
    if options.to:
        print(publish(study, summary.learned, options.to))


if __name__ == "__main__":
    with errors_in_one_line():
        main()
