"""`bench voice`: how soon and how well what is spoken is heard and answered, on virtual sound devices."""

from edge_assistant.bench.voice import talk, wake

MEASUREMENTS = (*talk.MEASUREMENTS, *wake.MEASUREMENTS)
