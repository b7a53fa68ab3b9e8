"""Runs a program of the repository in this process, a hundred times faster than a process of its own; its options."""

import importlib
import io
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from unittest.mock import patch

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from baselines.options import checked_arguments, register_presets
from gan_env.config import CONFIGS
from gan_env.errors import errors_in_one_line


def composed(name: str, *arguments: str) -> dict[str, Any]:
    """The options that a program with configs/NAME.yaml gets from such a command line."""
    register_presets()
    with initialize_config_dir(str(CONFIGS), version_base=None):
        fields = OmegaConf.to_container(compose(name, checked_arguments(list(arguments))), resolve=True)
    assert isinstance(fields, dict)
    return {str(key): value for key, value in fields.items()}


def call(program: str, *arguments: str, folder: Path | None = None) -> CompletedProcess[str]:
    """Calls the `main` of a program ("agents/train_ppo.py") with these words as its command line.

    Args:
        program: path from the repository's root.
        arguments: the words after its name.
        folder: where it runs, as a shell would be there; None: the present one.

    Returns:
        `returncode`, `stdout` and `stderr`, as `subprocess.run` gives them. An exception that the program would end
        in a traceback with passes, except where Hydra prints it.
    """
    main = importlib.import_module(program.removesuffix(".py").replace("/", ".")).main
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        patch.object(sys, "argv", [program, *arguments]),
        chdir(folder or "."),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            with errors_in_one_line():
                main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            err.write(f"{end.code}\n" if isinstance(end.code, str) else "")
        finally:
            GlobalHydra.instance().clear()
    return CompletedProcess([program, *arguments], code, out.getvalue(), err.getvalue())
