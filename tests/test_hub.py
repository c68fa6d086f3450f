"""Models of the hub, from a small server here that plays it: whole, resumed, or refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from corpora.errors import UsageError
from nlp.core import checkpoint, hub

MODEL, COMMIT = "someone/their-model", "c" * 40
LARGE = 24 << 20  # huggingface_hub writes a file in pieces of ten megabytes
FILES = {
    "config.json": b'{"model_type": "gpt2"}',
    "tokenizer.json": b'{"model": {}}',
    "model.safetensors": bytes(range(256)) * 40,
    "README.md": "# Naïve\n".encode(),
    "training/state.safetensors": b"much larger",
    "modeling_gpt2.py": b"print('no code is fetched')",
}


def git_sha1(content: bytes) -> str:
    """As git tells it: the oracle is git's own formula."""
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@dataclass
class Hub:
    """What the server has, and what was asked of it."""

    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    large: tuple[str, ...] = (".safetensors", ".gguf")  # what has an SHA-256
    broken: set[str] = field(default_factory=set)  # sent with other bytes than promised
    gated: bool = False
    stalls_at: int | None = None  # bytes after which a large file goes no further
    asked: list[tuple[str, str]] = field(default_factory=list)  # file and range
    url: str = ""

    def hash_of(self, name: str) -> str:
        content = self.files[name]
        is_large = name.endswith(self.large)
        return hashlib.sha256(content).hexdigest() if is_large else git_sha1(content)

    def listing(self) -> dict[str, object]:
        siblings = []
        for name, content in self.files.items():
            told: dict[str, object] = {"rfilename": name, "size": len(content)}
            told["blobId"] = git_sha1(content)
            if name.endswith(self.large):
                sha256 = hashlib.sha256(content).hexdigest()
                told["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 9}
            siblings.append(told)
        return {"_id": "1", "id": MODEL, "sha": COMMIT, "siblings": siblings, "tags": []}

    def tree(self) -> list[dict[str, object]]:
        return [
            {
                "type": "file",
                "path": one["rfilename"],
                "size": one["size"],
                "oid": one["blobId"],
                **({"lfs": {**one["lfs"], "oid": one["lfs"]["sha256"]}} if "lfs" in one else {}),
            }
            for one in self.listing()["siblings"]  # type: ignore[attr-defined]
        ]


def handler(state: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *arguments: object) -> None: ...

        def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", headers.pop("length", str(len(content))))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if not path.startswith((f"/api/models/{MODEL}", f"/{MODEL}/resolve/")):
                self.answer(401, b"{}", X_Error_Code="RepoNotFound", X_Error_Message="no")
            elif "/tree/" in path:
                self.answer(200, json.dumps(state.tree()).encode())
            elif path.startswith("/api/"):
                self.answer(200, json.dumps(state.listing()).encode())
            elif state.gated:
                self.answer(403, b"{}", X_Error_Code="GatedRepo", X_Error_Message="no")
            else:
                self.file(path.split(f"/resolve/{COMMIT}/")[1])

        def file(self, name: str) -> None:
            content = state.files[name]
            headers = {"ETag": f'"{state.hash_of(name)}"', "X_Repo_Commit": COMMIT}
            if name in state.broken:
                content = content[:-1] + b"?"
            if self.command == "HEAD":
                return self.answer(200, content, **headers)
            wanted = self.headers.get("Range", "")
            state.asked.append((name, wanted))
            start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
            if wanted:
                headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            if state.stalls_at is None or len(content) < state.stalls_at:
                return self.answer(206 if wanted else 200, content[start:], **headers)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: state.stalls_at])
            self.wfile.flush()
            while state.stalls_at is not None:
                time.sleep(0.02)
            self.close_connection = True

    return Handler


@pytest.fixture
def server() -> Iterator[Hub]:
    state = Hub()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(state)) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}).start()
        state.url = f"http://127.0.0.1:{running.server_address[1]}"
        yield state
        state.stalls_at = None
        running.shutdown()


@pytest.fixture
def cache(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, in a folder of the test; `huggingface_hub` asks the server."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    return tmp_path / "cache"


def environment(server: Hub, tmp_path: Path) -> dict[str, str]:
    apart = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
    return {**os.environ, **apart}


def refusal(*arguments: object, **options: object) -> str:
    with pytest.raises(UsageError) as error:
        hub.download(*arguments, **options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    return str(error.value)


WANTED = {"config.json", "tokenizer.json", "model.safetensors", "README.md"}


def test_a_folder_has_what_a_model_needs_and_no_more(
    server: Hub, cache: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    folder = tmp_path / "model"
    left = hub.download(MODEL, checkpoint.HUB_FILES, to=folder, report=lines.append)
    assert {path.name for path in folder.iterdir()} == WANTED
    for name in WANTED:
        assert (folder / name).read_bytes() == FILES[name]
    assert set(left.fetched) == WANTED
    assert {one.name: one.digest for one in left.files} == {n: server.hash_of(n) for n in WANTED}
    assert len(lines) == 4
    assert all("its hash is right" in line for line in lines)
    assert not cache.exists()

    server.asked.clear()
    again = hub.download(MODEL, checkpoint.HUB_FILES, to=folder)
    assert again.fetched == []
    assert server.asked == []


def test_bars_are_drawn_where_they_are_wanted(
    server: Hub,
    cache: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub.utils import enable_progress_bars

    enable_progress_bars()  # another test may have wanted none
    monkeypatch.setenv("TQDM_POSITION", "-1")  # how they are drawn where there is no terminal
    for progress in (True, False):
        hub.download(MODEL, ["*.safetensors"], to=tmp_path / str(progress), progress=progress)
        assert ("100%" in capfd.readouterr().err) is progress
    checkpoint.locate(MODEL)
    capfd.readouterr()
    checkpoint.locate(MODEL)
    assert capfd.readouterr().err == ""  # nothing was fetched


def test_without_a_folder_the_cache_is_what_other_libraries_know(
    server: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    left = hub.download(MODEL, checkpoint.HUB_FILES)
    assert {path.name for path in left.folder.iterdir()} == WANTED
    asked = list(server.asked)
    assert len(asked) == 4
    assert checkpoint.locate(MODEL) == left.folder
    theirs = huggingface_hub.snapshot_download(MODEL, allow_patterns=[*WANTED])
    assert Path(theirs) == left.folder
    assert server.asked == asked  # everything was there
    for name in WANTED:
        assert (left.folder / name).read_bytes() == FILES[name]

    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # no one there
    assert checkpoint.locate(MODEL) == left.folder


def test_what_another_library_has_fetched_is_not_fetched_again(server: Hub, cache: Path) -> None:
    import huggingface_hub

    folder = huggingface_hub.snapshot_download(MODEL, allow_patterns=[*WANTED])
    server.asked.clear()
    assert checkpoint.locate(MODEL) == Path(folder)
    assert hub.download(MODEL, checkpoint.HUB_FILES).fetched == []
    assert server.asked == []


def test_a_model_is_fetched_where_it_is_used(server: Hub, cache: Path) -> None:
    folder = checkpoint.locate(MODEL)
    assert {path.name for path in folder.iterdir()} == WANTED
    server.files["config.json"] = b"{}"  # the commit stays: what is there is not asked for again
    assert checkpoint.locate(MODEL) == folder


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_that_arrives_damaged_is_named_and_deleted(
    name: str, server: Hub, cache: Path, tmp_path: Path
) -> None:
    server.broken = {name}
    said = refusal(MODEL, checkpoint.HUB_FILES, to=tmp_path / "model")
    assert f"{name} arrived damaged" in said
    assert server.hash_of(name)[:12] in said
    assert not (tmp_path / "model" / name).exists()
    assert not list(tmp_path.rglob(f"{server.hash_of(name)}*incomplete"))
    with pytest.raises(UsageError, match=f"{name} arrived damaged"):
        checkpoint.locate(MODEL)
    assert not list(cache.rglob(name))

    server.broken = set()
    assert name in hub.download(MODEL, checkpoint.HUB_FILES, to=tmp_path / "model").fetched
    assert (checkpoint.locate(MODEL) / name).read_bytes() == FILES[name]


@pytest.mark.parametrize("damage", [b"", b"other", FILES["model.safetensors"][:-1] + b"?"])
def test_a_file_damaged_in_the_cache_is_fetched_again(
    damage: bytes, server: Hub, cache: Path
) -> None:
    place = hub.download(MODEL, checkpoint.HUB_FILES).folder / "model.safetensors"
    place.resolve().write_bytes(damage)
    left = hub.download(MODEL, checkpoint.HUB_FILES)
    assert left.fetched == ["model.safetensors"]
    assert "damaged in the cache" in left.remarks[0]
    assert place.read_bytes() == FILES["model.safetensors"]


def test_a_file_cut_short_in_the_cache_is_mended_when_it_is_used(server: Hub, cache: Path) -> None:
    place = checkpoint.locate(MODEL) / "model.safetensors"
    place.resolve().write_bytes(b"short")
    assert checkpoint.locate(MODEL) == place.parent
    assert place.read_bytes() == FILES["model.safetensors"]


def test_a_file_of_the_users_is_left_alone(server: Hub, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("my own")
    assert "README.md is there and is not the hub's" in refusal(
        MODEL, checkpoint.HUB_FILES, to=tmp_path
    )
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "my own"


def test_killed_half_way_and_resumed(server: Hub, tmp_path: Path) -> None:
    server.files["model.safetensors"] = bytes(range(256)) * (LARGE // 256)
    server.stalls_at = LARGE // 2
    command = [sys.executable, "-m", "cli.main", "download", MODEL, "--to", str(tmp_path / "m")]
    options = {"env": environment(server, tmp_path), "cwd": Path(__file__).parent.parent}
    parts = tmp_path / "m" / hub.PARTS

    def unfinished() -> list[Path]:
        """The large file; small ones come and go."""
        with suppress(FileNotFoundError):
            return [part for part in parts.glob("*.incomplete") if part.stat().st_size > 1 << 20]
        return []

    with subprocess.Popen(command, stderr=subprocess.DEVNULL, **options) as run:  # type: ignore[call-overload]
        until = time.monotonic() + 60
        while not unfinished():
            assert time.monotonic() < until
            assert run.poll() is None
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
    (part,) = unfinished()
    there = part.stat().st_size
    assert 0 < there < LARGE
    assert not (tmp_path / "m" / "model.safetensors").exists()

    server.stalls_at = None
    server.asked.clear()
    ran = subprocess.run(command, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert ran.returncode == 0, ran.stderr
    assert ("model.safetensors", f"bytes={there}-") in server.asked
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == server.files["model.safetensors"]
    assert not parts.exists()


def test_an_unfinished_file_of_the_cache_goes_on(server: Hub, cache: Path) -> None:
    content = FILES["model.safetensors"]
    blobs = cache / "models--someone--their-model" / "blobs"
    blobs.mkdir(parents=True)
    for whole in (False, True):
        part = blobs / f"{server.hash_of('model.safetensors')}.incomplete"
        part.write_bytes(content if whole else content[:1000])
        place = checkpoint.locate(MODEL) / "model.safetensors"
        assert place.read_bytes() == content
        assert not part.exists()
        place.resolve().unlink()
    assert [range_ for name, range_ in server.asked if name == "model.safetensors"] == [
        "bytes=1000-"
    ]


def test_an_unfinished_file_that_went_wrong_is_begun_anew(
    server: Hub, cache: Path, tmp_path: Path
) -> None:
    parts = tmp_path / "model" / hub.PARTS
    parts.mkdir(parents=True)
    part = parts / f"{server.hash_of('model.safetensors')}.incomplete"
    part.write_bytes(b"x" * 50)
    assert "arrived damaged" in refusal(MODEL, checkpoint.HUB_FILES, to=tmp_path / "model")
    part.write_bytes(b"x" * 99_999)  # longer than the whole
    left = hub.download(MODEL, checkpoint.HUB_FILES, to=tmp_path / "model")
    assert (left.folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


# ── what is not there ───────────────────────────────────────────────────────────────────────────


def test_an_unknown_model_is_one_line(server: Hub, cache: Path) -> None:
    assert "there is none of that name" in refusal("nobody/nothing", checkpoint.HUB_FILES)
    with pytest.raises(UsageError, match=r"neither a folder here nor a model.*none of that name"):
        checkpoint.locate("nobody/nothing")
    assert "expected OWNER/NAME, or one of gpt2" in refusal("nothing", checkpoint.HUB_FILES)
    assert "Repo id" in refusal("a b/c", checkpoint.HUB_FILES)


def test_a_gated_model_is_one_line(server: Hub, cache: Path, tmp_path: Path) -> None:
    server.gated = True
    assert f"accept its terms at https://huggingface.co/{MODEL}" in refusal(
        MODEL, checkpoint.HUB_FILES, to=tmp_path / "model"
    )


def test_no_network_is_one_line(server: Hub, tmp_path: Path) -> None:
    known = {**environment(server, tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"}
    for offline in ("0", "1"):
        ran = subprocess.run(
            [sys.executable, "-m", "cli.main", "download", "gpt2"],
            env={**known, "HF_HUB_OFFLINE": offline},
            capture_output=True,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        assert ran.returncode == 2
        assert re.fullmatch(
            r"unrolled: error: openai-community/gpt2 is no model that .* cannot be reached .*\n",
            ran.stderr,
        )


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"pytorch_model.bin": b""}, "pytorch_model.bin, that can run any code.*save_pretrained"),
        ({"a.gguf": b"", "b.gguf": b""}, "a.gguf, b.gguf: name one of them, someone/.*/a.gguf"),
        ({"notes.txt": b""}, "notes.txt: expected model.safetensors"),
        ({}, "nothing: expected model.safetensors"),
    ],
)
def test_a_model_without_weights_that_can_be_read(
    files: dict[str, bytes], said: str, server: Hub, cache: Path, tmp_path: Path
) -> None:
    server.files = files
    assert re.search(said, refusal(MODEL, checkpoint.HUB_FILES, to=tmp_path / "model"))
    with pytest.raises(UsageError, match=said):
        checkpoint.locate(MODEL)
    assert not (tmp_path / "model").exists()


def test_a_name_that_leaves_the_folder_is_refused(server: Hub, cache: Path, tmp_path: Path) -> None:
    server.files["model-../../../of-of-it.safetensors"] = b"x"
    assert "nothing was fetched" in refusal(MODEL, checkpoint.HUB_FILES, to=tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_disk_without_space_is_one_line(
    server: Hub, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Free", (), {"free": 3})())
    said = refusal(MODEL, checkpoint.HUB_FILES, to=tmp_path / "model")
    assert re.search(r"config.json needs 22 bytes more, and 3 are free", said)


# ── the command ─────────────────────────────────────────────────────────────────────────────────


def test_the_command_tells_every_file(server: Hub, cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    ran = CliRunner().invoke(app, ["download", MODEL, "--to", str(folder)])
    assert ran.exit_code == 0
    assert ran.stdout.splitlines()[0] == f"{MODEL}: 4 files, 10,284 bytes, each as the hub has it"
    assert ran.stdout.splitlines()[1] == str(folder)
    assert "model.safetensors: fetched, 10,240 bytes, its hash is right" in ran.stderr
    ran = CliRunner().invoke(app, ["download", MODEL, "--to", str(folder), "--json"])
    told = json.loads(ran.stdout)
    assert told["model"] == MODEL
    assert told["place"] == str(folder)
    assert not any(one["fetched"] for one in told["files"])
    assert {one["file"] for one in told["files"]} == WANTED


def test_a_gguf_file_by_its_name(server: Hub, cache: Path, tmp_path: Path) -> None:
    server.files |= {"q8.gguf": b"GGUF8", "q4.gguf": b"GGUF4"}
    assert checkpoint.locate(f"{MODEL}/q8.gguf").read_bytes() == b"GGUF8"
    ran = CliRunner().invoke(app, ["download", f"{MODEL}/q4.gguf", "--to", str(tmp_path / "m")])
    assert ran.stdout.splitlines()[1] == str(tmp_path / "m" / "q4.gguf")
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["q4.gguf"]
    assert checkpoint.locate(tmp_path / "m" / "q4.gguf") == tmp_path / "m" / "q4.gguf"
    for none in ("none.gguf", "a/none.gguf", str(tmp_path / "none.gguf")):
        with pytest.raises(UsageError, match="there is no file"):
            checkpoint.locate(none)


def test_gpt2_goes_without_its_owner() -> None:
    assert hub.full_name("gpt2-xl") == "openai-community/gpt2-xl"
    assert hub.full_name("gpt3") is None
    assert hub.full_name("./gpt2") is None
    assert hub.full_name("owner/gpt2") == "owner/gpt2"
