"""Judges saved generators by the metrics that papers report.

    python baselines/evaluate.py RUN [--metrics fid,isc,kid,prc,lpips] [--samples 10000]
    python baselines/evaluate.py RUN --reference train               # against training images
    python baselines/evaluate.py RUN --metrics frechet,coverage      # without any pretrained weights

RUN is a run folder of baselines/train_gan.py, or a folder with such folders below it. The program prints all numbers,
with the extractor, the number of samples and the real images that they were measured with, names the runs that can't be
judged, and writes RUN/metrics.json, where a new number replaces an old one of its name.

| metric | numbers | extractor |
|---|---|---|
| fid, isc, kid | FID and KID, against all real images; Inception score, of samples alone | Inception v3, FID's |
| prc | precision, recall, against as many real images as samples | VGG16 |
| lpips | mean LPIPS of pairs of samples, and of pairs of real images | AlexNet |
| frechet, coverage | Frechet distance, against all; coverage, density, against as many | the loop's own: *not* FID |
"""

import argparse
from pathlib import Path
from typing import Any

from tqdm import tqdm

from baselines.options import load_extensions_of, read_options
from gan_env.errors import ConfigError, DataError, errors_in_one_line
from gan_env.evaluation.evaluator import NUMBERS, PUBLISHED, WEIGHTS, EvaluateOptions, Evaluator
from gan_env.files import require_writable
from gan_env.gan.saved import find_runs


def table(results: dict[str, dict[str, dict[str, Any]]]) -> str:
    """One line per number and run: its mean over the run's GANs, and what it was measured with.

    Lines of one number stand together, to be compared; only numbers that were measured in the same way can be.

    Args:
        results: run -> number -> its entry in `metrics.json`.
    """
    width, lines = max(map(len, results)), []
    for name in dict.fromkeys(name for numbers in results.values() for name in numbers):
        for run, entry in ((run, numbers[name]) for run, numbers in results.items() if name in numbers):
            value = "crashed" if entry["value"] is None else f"{entry['value']:.4g}"
            behind = f"{entry['extractor']} ({entry['extractor_hash'][:8]}), {entry['samples']} samples"
            behind += "" if entry["reference"] is None else f" against {entry['reference']}"
            crashed, rows = entry["values"].count(None), len(entry["values"])
            behind += f"; without {crashed} of {rows} GANs, which crashed" if 0 < crashed < rows else ""
            lines.append(f"{name:<11}{run:<{width}}{value:>11}  {behind}")
    return "\n".join(lines)


def parse(arguments: list[str] | None) -> tuple[Path, EvaluateOptions]:
    """The run folder and the checked options of a command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder, or a folder of such")
    parser.add_argument("--metrics", default=",".join(PUBLISHED), help=f"some of {','.join(NUMBERS)}")
    parser.add_argument("--samples", type=int, default=10_000, help="generated images per run; default: 10000")
    parser.add_argument("--reference", default="held_out", help="real images: held_out (default) or train")
    for network, weights in WEIGHTS.items():
        parser.add_argument(weights.option, dest=network, metavar="PATH", help=f"weights of {weights.network}")
    parser.add_argument("--device", default="auto", help="default: a GPU where there is one")
    parser.add_argument("--data-root", help="folder of the data sets and of the cache; default: the training's")
    given = parser.parse_args(arguments)
    paths = {network: path for network in WEIGHTS if (path := getattr(given, network)) is not None}
    metrics = tuple(dict.fromkeys(given.metrics.split(",")))
    options = EvaluateOptions(metrics, given.samples, paths, given.reference, given.device, given.data_root)
    return given.run, options


def main(arguments: list[str] | None = None) -> None:
    """Entry point.

    Raises:
        DataError: runs could not be judged; the others were.
    """
    run, options = parse(arguments)
    require_writable(run, "RUN")
    runs = find_runs(run, "RUN")
    evaluator = Evaluator(options)
    results, failures, written = {}, [], []
    for folder in tqdm(runs, desc="runs", unit="run", disable=len(runs) == 1):
        name = folder.name if folder == run else str(folder.relative_to(run))
        try:
            if (folder / "config.yaml").is_file():
                load_extensions_of(read_options(folder / "config.yaml"))  # data sets of one's own
            results[name] = evaluator.evaluate(folder)
            written.append(folder / "metrics.json")
        except (ConfigError, DataError) as error:
            failures.append(f"{name} could not be judged: {error}")
    if results:
        print(table(results))
        print(f"wrote {written[0] if len(written) == 1 else f'metrics.json to {len(written)} folders below {run}'}")
    if failures:
        raise DataError("\n".join(failures))


if __name__ == "__main__":
    with errors_in_one_line():
        main()
