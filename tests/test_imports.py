"""Who may import whom, and what an import may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("corpora", "nlp", "vision", "cli", "bench", "tests")
MAY_IMPORT = {
    "corpora": {"corpora"},
    "nlp.core": {"corpora", "nlp.core"},
    "nlp": {"corpora", "nlp.core"},
    "vision": {"corpora", "nlp.core", "vision"},
    "cli": {"corpora", "nlp.core", "nlp", "vision", "cli"},
    "bench": {"corpora", "nlp.core", "nlp", "vision", "cli", "bench"},
}
# Only these files meet these packages.
OWNERS = {
    "rich": {"cli/display.py", "cli/display_entities.py", "cli/display_translations.py"},
    "accelerate": {"nlp/core/training.py"},
    "datasets": {"corpora/huggingface.py"},
    "matplotlib": {
        "nlp/core/curves.py",
        "nlp/core/fonts.py",
        "nlp/core/tags/calibration.py",
        "nlp/core/translation/heatmap.py",
        "nlp/core/words/word_map.py",
        "vision/face_map.py",
        "vision/lettering.py",
        "vision/look_boxes.py",
        "vision/look_faces.py",
    },
    "PIL": {
        "corpora/face_drawing.py",
        "corpora/picture_sizes.py",
        "corpora/scene_drawing.py",
        "vision/lettering.py",
        "vision/look.py",
        "vision/look_boxes.py",
        "vision/look_faces.py",
        "vision/picture_reading.py",
    },
    "gguf": {"nlp/core/language/foreign_files.py"},
    "nltk": {"vision/meteor.py"},
    "py3langid": {"corpora/pair_filters.py"},
    "huggingface_hub": {"nlp/core/hub.py", "nlp/core/tokens/token_report.py"},
    "rouge_score": {"nlp/core/rouge.py"},
    "sentencex": {"nlp/core/sentences.py"},
    "transformers": {"nlp/core/language/foreign_files.py"},
    "sacrebleu": {"nlp/core/search/bayes_risk.py", "nlp/core/translation/translation_scores.py"},
    "prompt_toolkit": {"cli/interactive.py"},
    "tokenizers": {"nlp/core/tokens/token_engine.py", "nlp/core/tokens/word_splitter.py"},
    "gensim": {
        "corpora/wikipedia.py",
        "corpora/wikitext.py",
        "nlp/core/words/vector_formats.py",
        "nlp/core/words/word_engines.py",
    },
    "bokeh": {"nlp/core/words/word_page.py", "vision/face_map.py"},
    "scipy": {"nlp/core/tags/calibration.py", "nlp/core/words/word_evaluation.py"},
    "sklearn": {
        "nlp/core/classes/bag_of_words.py",
        "nlp/core/classes/class_scores.py",
        "nlp/core/words/word_map.py",
    },
    "umap": {"nlp/core/words/word_map.py"},
    "usearch": {"nlp/core/words/word_vectors.py", "vision/gallery_search.py"},
    "yaml": {"corpora/yolo.py"},
}


def room_of(module: str) -> str:
    if module == "nlp.core" or module.startswith("nlp.core."):
        return "nlp.core"
    return module.partition(".")[0]


def package_of(path: Path) -> str:
    return ".".join(path.parent.relative_to(ROOT).parts)


def files() -> Iterator[tuple[Path, str]]:
    for name in MAY_IMPORT:
        if "." not in name:
            for path in sorted((ROOT / name).rglob("*.py")):
                yield path, ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                place = ROOT / Path(*whole.split("."))
                is_module = place.with_suffix(".py").is_file() or place.is_dir()
                yield whole if is_module else str(node.module)


def test_imports_go_one_way() -> None:
    wrong = []
    for path, module in files():
        own = room_of(module)
        for imported in imports(path):
            if imported.partition(".")[0] not in OURS:
                continue
            target = room_of(imported)
            # A package shows what is in it, and a task may be a package; the tasks know each other
            # not, though `nlp` holds them all.
            package = package_of(path)
            is_own = path.name == "__init__.py" or package != own
            if target in MAY_IMPORT[own] or (is_own and imported.startswith(f"{package}.")):
                continue
            wrong.append(f"{module} imports {imported}")
    assert not wrong


def test_every_package_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    installed = settings["tool"]["setuptools"]["packages"]
    assert set(installed) == {package_of(path) for path, _ in files()} - {"bench"}


def test_core_has_no_circles() -> None:
    graph = {
        module: {name for name in imports(path) if name.startswith(("nlp", "corpora"))}
        for path, module in files()
        if module.startswith(("nlp", "corpora")) and path.name != "__init__.py"
    }

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " imports ".join([*above, module])
        for imported in graph.get(module, ()):
            visit(imported, (*above, module))

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("package", OWNERS)
def test_only_its_owners_meet_a_big_package(package: str) -> None:
    found = {
        str(path.relative_to(ROOT))
        for path, module in files()
        if not module.startswith("bench")
        and package in {n.partition(".")[0] for n in imports(path)}
    }
    assert found == OWNERS[package]


def test_import_nlp_is_light() -> None:
    """What is imported, not how long it takes: a slow machine would fail that."""
    code = "import nlp, vision, sys; print(*sorted(m for m in sys.modules if '.' not in m))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy = {"torch", "gensim", "datasets", "matplotlib", "PIL", "accelerate", "rich", "pandas"}
    heavy |= {"scipy", "sklearn", "tokenizers"}
    assert not heavy & set(ran.stdout.split())
