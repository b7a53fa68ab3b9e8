"""Opening or downloading, also by torchvision's real downloads of small files from a server on this machine."""

import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from sources import md5, write_cifar10, write_idx
from torchvision import datasets

from gan_env import files
from gan_env.data.downloads import open_or_download
from gan_env.data.labelled import LabelledImages, cifar10, fashion_mnist, mnist
from gan_env.errors import DataError

Load = Callable[[Path], LabelledImages]
LOADERS: dict[str, Load] = {
    "MNIST": lambda root: mnist(str(root)),
    "FashionMNIST": lambda root: fashion_mnist(str(root), debian=root / "absent"),
    "CIFAR10": lambda root: cifar10(str(root)),
}


class Server(ThreadingHTTPServer):
    """Serves `files`, by path; where not `whole`, half of each: the connection ends there, or while `silent` waits.

    `asked`: what for.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.whole = True
        self.silent = threading.Event()
        self.silent.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if self.server.whole else content[: len(content) // 2])
        self.server.silent.wait(60)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(params=LOADERS)
def kind(request: pytest.FixtureRequest, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A set of torchvision that now comes from the server, with the sums of its small files; also in `made`."""
    name, made, source = str(request.param), tmp_path / "made", getattr(datasets, request.param)
    if name == "CIFAR10":
        write_cifar10(made, monkeypatch)
        with tarfile.open(tmp_path / source.filename, "w:gz") as archive:
            archive.add(made / source.base_folder, source.base_folder)
        archives = [tmp_path / source.filename]
        monkeypatch.setattr(source, "url", server.url + source.filename)
        monkeypatch.setattr(source, "tgz_md5", md5(archives[0].read_bytes()))
    else:
        write_idx(made / name / "raw", monkeypatch)
        write_idx(tmp_path / "zipped", monkeypatch, zipped=True)
        archives = [tmp_path / "zipped" / file for file, _ in source.resources]
        monkeypatch.setattr(source, "mirrors", [server.url])
        monkeypatch.setattr(source, "resources", [(path.name, md5(path.read_bytes())) for path in archives])
    server.files = {f"/{path.name}": path.read_bytes() for path in archives}
    return name


def check(found: LabelledImages, expected: LabelledImages) -> None:
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_what_is_missing_is_downloaded_once_with_its_progress(
    kind: str, server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    load = LOADERS[kind]
    found = load(tmp_path / "root")
    assert capfd.readouterr().err.count("100%") == len(server.files)
    assert set(server.asked) == set(server.files)
    server.asked.clear()
    check(load(tmp_path / "root"), found)
    check(load(tmp_path / "made"), found)
    assert server.asked == []


FIRST = {
    "MNIST": "MNIST/raw/train-images-idx3-ubyte",
    "FashionMNIST": "FashionMNIST/raw/train-images-idx3-ubyte",
    "CIFAR10": "cifar-10-batches-py/data_batch_1",
}


def flip(content: bytes) -> bytes:
    """Another bit in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    ("damage", "reason"), [("wrong sum", "corrupted"), ("cut off", "corrupted"), ("no such file", "HTTP Error 404")]
)
def test_a_failed_download_is_refused_by_name_with_the_remedy_and_a_second_try_succeeds(
    kind: str, server: Server, tmp_path: Path, damage: str, reason: str
) -> None:
    good, root = server.files, tmp_path / "root"
    if damage == "wrong sum":
        server.files = {path: flip(content) for path, content in good.items()}
    elif damage == "cut off":
        server.whole = False
    else:
        server.files = {}
    with pytest.raises(DataError) as error:
        LOADERS[kind](root)
    message = str(error.value)
    assert message.startswith(f"{root / FIRST[kind]} is missing, and the download failed: ")
    assert reason in message
    assert "Try again, or do it by hand: " in message
    assert f"{root}" in message.partition("by hand: ")[2]
    server.files, server.whole = good, True
    check(LOADERS[kind](root), LOADERS[kind](tmp_path / "made"))


def test_a_download_that_falls_silent_fails_and_does_not_wait_for_ever(
    kind: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SILENCE_S", 0.2)
    server.whole = False
    server.silent.clear()
    with pytest.raises(DataError, match=f"{FIRST[kind]} is missing, and the download failed: .*timed out"):
        LOADERS[kind](tmp_path / "root")
    server.silent.set()
    assert socket.getdefaulttimeout() is None


# --- opening, or downloading, whatever the set ---

EMPTY = "d41d8cd98f00b204e9800998ecf8427e"  # the MD5 sum of nothing


def refuse(files: dict[Path, str | None], error: Exception) -> str:
    def fail(download: bool) -> None:
        raise error

    with pytest.raises(DataError) as raised:
        open_or_download(fail, files, "Get it at x.org.")
    return str(raised.value)


@pytest.mark.parametrize("there", [True, False])
def test_a_set_is_downloaded_only_where_a_file_is_missing(tmp_path: Path, there: bool) -> None:
    (tmp_path / "a").touch()
    files = {tmp_path / "a": None, tmp_path / ("a" if there else "b"): None}
    assert open_or_download(lambda download: download, files, "") is not there


def test_a_failed_download_names_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    message = refuse({tmp_path / "a": EMPTY, tmp_path / "b": EMPTY}, OSError("no network here"))
    failed = f"{tmp_path / 'b'} is missing, and the download failed: no network here. "
    assert message == f"{failed}Try again, or do it by hand: Get it at x.org."


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").write_text("half")
    message = refuse({tmp_path / "a": EMPTY, tmp_path / "b": EMPTY}, RuntimeError("corrupted"))
    assert message.startswith(f"{tmp_path / 'b'} is damaged: its MD5 sum is not {EMPTY}. Delete it")
    assert message.endswith("Get it at x.org.")


def test_files_that_are_whole_but_unreadable_are_reported_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert f"{tmp_path} can't be read: no room" in refuse({tmp_path / "a": EMPTY}, MemoryError("no room"))


def test_an_error_that_already_helps_is_left_as_it_is(tmp_path: Path) -> None:
    assert refuse({tmp_path / "a": None}, DataError("file b is damaged")) == "file b is damaged"
