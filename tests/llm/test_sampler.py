import llama_cpp.llama_cpp as native
import pytest

from edge_assistant.llm.protocol import Sampling
from edge_assistant.llm.sampler import Sampler

PROMPT = "Once upon a time there was a small lighthouse, and in the small lighthouse there was a small"
SEED = 7


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.5])
@pytest.mark.parametrize("penalties", [(1.1, 0.0, 0.0), (1.3, 0.5, 0.5)])
def test_punishing_only_the_likely_tokens_chooses_as_punishing_all_of_them(engine, temperature, penalties):
    repeat, frequency, presence = penalties
    sampling = Sampling(
        temperature=temperature,
        seed=SEED,
        repeat_penalty=repeat,
        frequency_penalty=frequency,
        presence_penalty=presence,
    )
    quick = Sampler(engine, sampling)
    thorough = _punishing_all(engine, sampling)
    try:
        chosen, expected = _choose(engine, quick.sample, thorough, 60)
    finally:
        quick.close()
        native.llama_sampler_free(thorough)
    assert chosen == expected
    assert len(set(chosen)) > 10


def _choose(engine, sample, reference, count):
    """Let both choose from the same logits; the first one's choice goes on."""
    tokens, chosen, expected = engine.tokenize(PROMPT, control=False), [], []
    engine.clear(0)
    engine.begin_batch()
    for position, token in enumerate(tokens):
        index = engine.add(token, position, 0, output=position == len(tokens) - 1)
    for position in range(len(tokens), len(tokens) + count):
        assert engine.decode() == 0
        chosen.append(sample(index))
        expected.append(native.llama_sampler_sample(reference, engine.context, index))
        engine.begin_batch()
        index = engine.add(chosen[-1], position, 0, output=True)
    engine.clear(0)
    return chosen, expected


def _punishing_all(engine, sampling):
    chain = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
    parts = [
        native.llama_sampler_init_penalties(
            engine.vocabulary_size,
            64,
            sampling.repeat_penalty,
            sampling.frequency_penalty,
            sampling.presence_penalty,
        )
    ]
    if sampling.temperature:
        parts += [
            native.llama_sampler_init_top_k(sampling.top_k),
            native.llama_sampler_init_top_p(sampling.top_p, 1),
            native.llama_sampler_init_min_p(sampling.min_p, 1),
            native.llama_sampler_init_temp(sampling.temperature),
            native.llama_sampler_init_dist(SEED),
        ]
    else:
        parts.append(native.llama_sampler_init_greedy())
    for part in parts:
        native.llama_sampler_chain_add(chain, part)
    return chain
