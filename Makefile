# The two commands:  make demo   and   make test.  Both set up all they need.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo demo-tagger demo-translator demo-captioner demo-detector demo-faces test quick check bench gpu-check setup clean

demo: $(READY)  ## train a language model on real Wikipedia text, read what it writes, score sentences
	$(BIN)/unrolled train-lm --output demo-model --minutes 4.7 --baselines --overwrite
	$(BIN)/unrolled sample demo-model --prompt "The history of" --max-tokens 60 --samples 3 --seed 1
	$(BIN)/unrolled score demo-model "take me to Mars" "bake me to Mars"

demo-tagger: $(READY)  ## train a tagger on generated sentences, find names that it has never seen
	$(BIN)/unrolled train-tagger --output demo-tagger --steps 800 --hidden-size 100 --overwrite
	$(BIN)/unrolled tag demo-tagger "Harry Potter and Hermione Granger left Hogwarts for London." \
		"He said, Teddy Roosevelt was a great President." "He said, Teddy bears are on sale."

demo-translator: $(READY)  ## learn an invented language, translate, show what was looked at
	$(BIN)/unrolled train-translator --output demo-translator --overwrite \
		--vocabulary-size 1200 --embedding-size 128 --hidden-size 192 \
		--input-dropout 0.2 --dropout 0.2 --output-dropout 0.2 --epochs 12
	$(BIN)/unrolled translate demo-translator --show-attention \
		"The old farmer will buy a small red boat tomorrow." \
		"My sister did not sleep because the dogs were hungry."

demo-captioner: $(READY)  ## learn to say what is in drawn pictures, show where each word looked
	$(BIN)/unrolled train-captioner generated-scenes:6000 --output demo-captioner --overwrite \
		--backbone coarse --batch-size 48 --captions-per-image 3 --learning-rate 0.0025 \
		--minutes 4
	$(BIN)/python -c "from corpora.scenes import draw, scenes; from PIL import Image; \
		[Image.fromarray(draw(scene)).save(f'demo-captioner/{number}.png') \
		for number, scene in enumerate(scenes(seed=2026, count=3), 1)]"
	$(BIN)/unrolled caption demo-captioner demo-captioner/1.png demo-captioner/2.png \
		demo-captioner/3.png --attention demo-captioner/attention.png

demo-detector: $(READY)  ## learn to find drawn shapes, find them in three new pictures
	$(BIN)/unrolled train-detector generated-scenes:2000 --output demo-detector --overwrite \
		--size 96 --batch-size 32 --minutes 3.5
	$(BIN)/python -c "from corpora.scenes import draw, scenes; from PIL import Image; \
		[Image.fromarray(draw(scene)).save(f'demo-detector/{number}.png') \
		for number, scene in enumerate(scenes(seed=2026, count=3), 1)]"
	$(BIN)/unrolled detect demo-detector demo-detector/1.png demo-detector/2.png \
		demo-detector/3.png --draw demo-detector/found
	$(BIN)/unrolled evaluate demo-detector generated-scenes:2000 --split test \
		--page demo-detector/worst.html

demo-faces: $(READY)  ## learn drawn faces, know new people again from one picture each
	$(BIN)/unrolled train-faces generated-faces --output demo-faces --overwrite --minutes 3
	$(BIN)/python -c "from pathlib import Path; from PIL import Image; \
		from corpora.generated_faces import draw, portraits; \
		faces = [(face, 'people' if number % 6 else 'known', number % 6) \
		for number, face in enumerate(portraits(2026, 12, 6))]; \
		[Path('demo-faces', part, face.person).mkdir(parents=True, exist_ok=True) \
		for face, part, _ in faces]; \
		[Image.fromarray(draw(face)).save(f'demo-faces/{part}/{face.person}/{number}.png') \
		for face, part, number in faces]"
	$(BIN)/unrolled faces add demo-faces demo-faces/us.gallery --people demo-faces/known
	$(BIN)/unrolled faces calibrate demo-faces demo-faces/people --far 0.01 \
		--gallery demo-faces/us.gallery --worst demo-faces/worst.png
	$(BIN)/unrolled faces recognize demo-faces demo-faces/us.gallery "demo-faces/people/*/1.png"

test: $(READY) check  ## lint, types and all tests
	$(BIN)/python -m pytest

quick: $(READY)  ## the inner loop: all tests but the slow ones
	$(BIN)/python -m pytest -m "not slow"

check: $(READY)  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)  ## side by side with the peers; UNROLLED_DATA names the folder of data sets
	$(BIN)/python -m bench.tokenizer
	$(BIN)/python -m bench.language_model
	$(BIN)/python -m bench.sampling
	$(BIN)/python -m bench.shakespeare
	$(BIN)/python -m bench.wikitext2
	$(BIN)/python -m bench.embeddings
	$(BIN)/python -m bench.crf
	$(BIN)/python -m bench.tagging quality
	$(BIN)/python -m bench.tagging speed
	$(BIN)/python -m bench.classification
	$(BIN)/python -m bench.tagging page
	$(BIN)/python -m bench.translation quality
	$(BIN)/python -m bench.translation speed
	$(BIN)/python -m bench.translation page
	$(BIN)/python -m bench.gpt2
	$(BIN)/python -m bench.zero_shot
	$(BIN)/python -m bench.captioning quality
	$(BIN)/python -m bench.captioning speed
	$(BIN)/python -m bench.captioning photographs
	$(BIN)/python -m bench.boxes
	$(BIN)/python -m bench.faces
	$(BIN)/python -m bench.gallery
	$(BIN)/python -m bench.detection bccd --models bench-models
	$(BIN)/python -m bench.detection speed --models bench-models
	$(BIN)/python -m bench.detection forms

gpu-check:  ## what a GPU should show, in the Python at hand: PYTHON=python3
	PYTHONPATH=. $(PYTHON) -m bench.gpu_check

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
