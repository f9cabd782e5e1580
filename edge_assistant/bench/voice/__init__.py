"""`bench voice`: how soon and how well what is spoken is heard and answered, on virtual sound devices."""

from edge_assistant.bench.voice import answers, moments, rest, talk, wake

MEASUREMENTS = (
    rest.IDLE_MEASUREMENT,
    *talk.MEASUREMENTS,
    *moments.MEASUREMENTS,
    *answers.MEASUREMENTS,
    rest.GROWTH_MEASUREMENT,
    *wake.MEASUREMENTS,
)
