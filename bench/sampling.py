"""Writing at batch 1: ours beside a plain loop over nn.LSTM with the state carried."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch

from bench.harness import alternate, save, table, use_cores
from bench.plain import PlainLSTM, copy_weights, sample_loop
from nlp.core.decoding import Sampling, generate
from nlp.language_model import Config, LanguageModel

SHAPES = ((256, 1, 8192), (512, 2, 8192), (512, 2, 32768))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=200, help="tokens to write in a round")
    parser.add_argument("--repeats", type=int, default=7, help="rounds")
    arguments = parser.parse_args()
    torch.set_num_threads(use_cores(2))
    results = []
    for hidden, layers, vocabulary in SHAPES:
        torch.manual_seed(0)
        config = Config(vocabulary, embedding_size=hidden, hidden_size=hidden, layers=layers)
        model = LanguageModel(config).eval()
        plain = PlainLSTM(vocabulary, hidden, layers, tied=True).eval()
        copy_weights(plain, iter(model.decoder.recurrent.cells), model.decoder.embedding)
        strategy = Sampling(temperature=0.8)

        def ours(model: LanguageModel = model, strategy: Sampling = strategy) -> None:
            generate(model, [0], strategy=strategy, max_tokens=arguments.tokens, seed=0)

        def theirs(plain: PlainLSTM = plain) -> None:
            sample_loop(plain, arguments.tokens, 0.8)

        contenders: dict[str, Callable[[], None]] = {"ours": ours, "plain": theirs}
        times = alternate(contenders, repeats=arguments.repeats, warm_up=1)
        results.append(
            {
                "hidden_size": hidden,
                "layers": layers,
                "vocabulary_size": vocabulary,
                "ours_tokens_per_second": round(arguments.tokens / times["ours"].median),
                "plain_tokens_per_second": round(arguments.tokens / times["plain"].median),
                "times_as_fast": round(times["ours"].times_as_fast_as(times["plain"]), 2),
            }
        )
    rows = [
        [
            f"{r['hidden_size']} x {r['layers']}, {r['vocabulary_size']:,}",
            f"{r['ours_tokens_per_second']:,}",
            f"{r['plain_tokens_per_second']:,}",
            r["times_as_fast"],
        ]
        for r in results
    ]
    print(table(["shape", "ours, tokens/s", "plain, tokens/s", "times"], rows))
    print(save("sampling", {"shapes": results}, packages=("torch",)))


if __name__ == "__main__":
    main()
